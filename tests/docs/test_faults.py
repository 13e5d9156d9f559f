"""The table of what happens when something dies has a row for each fault that a run inflicts."""

import re
from pathlib import Path

from faults.plan import all_faults

TEXT = (Path(__file__).parents[2] / "docs" / "faults.md").read_text()


def test_each_fault_has_a_row_and_each_row_a_fault() -> None:
    rows = re.findall(r"^\| `([^`]+)` \|", TEXT, re.MULTILINE)
    assert sorted(rows) == sorted(fault.name for fault in all_faults())
