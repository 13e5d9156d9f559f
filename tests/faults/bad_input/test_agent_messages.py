"""What the storm of agents' messages finds in logs."""

from pathlib import Path

import pytest

from faults.bad_input.agent_messages import _logged

PROGRAMS = ("worker-intake", "worker-missions", "api")


@pytest.mark.parametrize("odd", PROGRAMS)
def test_an_error_of_any_program_is_found(tmp_path: Path, odd: str) -> None:
    for name in PROGRAMS:
        (tmp_path / f"{name}.log").write_text("2026-11-22 18:22:23,000 INFO muster runs\n")
    assert _logged(tmp_path) == []
    (tmp_path / f"{odd}.log").write_text("2026-11-22 18:22:23,000 ERROR muster odd\n")
    assert _logged(tmp_path) == [f"{odd}.log: 2026-11-22 18:22:23,000 ERROR muster odd"]
