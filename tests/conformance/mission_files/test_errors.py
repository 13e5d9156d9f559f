"""What a failed command does: rows of the table of cases."""

import pytest

from tests.conformance.mission_files.case import Case
from tests.conformance.mission_files.cases import ERRORS
from tests.conformance.mission_files.running import run
from tests.support.platform_stage import Platform


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case.name)
async def test_error_handling(platform: Platform, case: Case) -> None:
    await run(platform, case)
