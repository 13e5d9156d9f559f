"""What counts as an error in a log."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from faults.bad_input.ground import Ground

WARNED = "2026-11-22 18:22:22,320 WARNING temporalio.activity Completing activity as failed ({'activity_id': '2'})"
TRACE = 'Traceback (most recent call last):\n  File "a.py", line 1, in b\n    c()\n'
CANCELED = "asyncio.exceptions.CancelledError: Activity cancelled"
NEXT = "2026-11-22 18:22:23,000 INFO muster worker runs"


@pytest.mark.parametrize(
    ("log", "found"),
    [
        (NEXT, []),
        (f"{WARNED}\n{TRACE}{CANCELED}\n{NEXT}", []),
        (f"{WARNED}\n{TRACE}{CANCELED}\n", []),
        (f"{WARNED}\n{TRACE}{CANCELED}\n\nDuring handling of it:\n\n{TRACE}ValueError: odd\n{NEXT}", []),
        (f"{WARNED}\n{TRACE}{CANCELED}\n\x1b[2m{NEXT}\n{TRACE}E: odd\n", [f"worker.log: \x1b[2m{NEXT} … E: odd"]),
        (f"{WARNED}\n{TRACE}ValueError: odd\n{NEXT}", [f"worker.log: {WARNED} … ValueError: odd"]),
        (f"{TRACE}{CANCELED}\n{NEXT}", [f"worker.log:  … {CANCELED}"]),
        ("2026-11-22 18:22:23,000 ERROR muster odd", ["worker.log: 2026-11-22 18:22:23,000 ERROR muster odd"]),
    ],
)
def test_errors_and_traces_are_found(tmp_path: Path, log: str, found: list[str]) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "api.log").write_text("")
    (tmp_path / "logs" / "worker.log").write_text(log)
    ground = Ground(cast(Any, SimpleNamespace(data_dir=tmp_path)), cast(Any, None), "")
    assert ground.logged() == found
