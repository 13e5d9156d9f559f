"""When timed threads run: rows of the table of cases."""

import pytest

from tests.conformance.mission_files.case import Case
from tests.conformance.mission_files.cases import SCHEDULES
from tests.conformance.mission_files.running import run
from tests.support.platform_stage import Platform


@pytest.mark.parametrize("case", SCHEDULES, ids=lambda case: case.name)
async def test_schedule(platform: Platform, case: Case) -> None:
    await run(platform, case)
