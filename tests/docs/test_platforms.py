"""The page on platforms says what their table of commands says."""

import re
from pathlib import Path

from missions.mission_files.platform_states import STEPS

PAGE = (Path(__file__).parents[2] / "docs" / "platforms.md").read_text()


def test_the_table_of_commands_is_that_of_the_code() -> None:
    rows = re.findall(r"^\| ([A-Z_]+) \| ([A-Z_, ]+) \| ([A-Z_-]+) \|$", PAGE, re.M)
    assert rows == [
        (command, ", ".join(sorted(step.sources)), "-" if step.target is None else step.target)
        for command, step in STEPS.items()
    ]
