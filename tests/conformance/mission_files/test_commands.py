"""What commands do: rows of the table of cases."""

import pytest

from tests.conformance.mission_files.case import Case
from tests.conformance.mission_files.cases import COMMANDS
from tests.conformance.mission_files.running import run
from tests.support.platform_stage import Platform


@pytest.mark.parametrize("case", COMMANDS, ids=lambda case: case.name)
async def test_command(platform: Platform, case: Case) -> None:
    await run(platform, case)
