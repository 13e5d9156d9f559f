"""Every row of the table of cases, run on a whole site with simulated instruments."""

import pytest

from tests.conformance.mission_files.case import Case
from tests.conformance.mission_files.cases import CASES
from tests.conformance.mission_files.running import run
from tests.support.platform_stage import Platform


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_case(platform: Platform, case: Case) -> None:
    await run(platform, case)
