from collections.abc import AsyncIterator

import pytest

from cli.stack.addresses import Addresses
from tests.conformance.mission_files.case import STATUSES, Case
from tests.support.platform_stage import Platform, Stage, platform_stage


@pytest.fixture(scope="session")
async def stage(services: Addresses, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with platform_stage(services, tmp_path_factory.mktemp("platforms")) as running:
        yield running


@pytest.fixture
async def platform(stage: Stage) -> Platform:
    return await stage.platform()


@pytest.fixture(autouse=True)
def line_of_the_table(request: pytest.FixtureRequest) -> None:
    """Hand on what a row of the table of cases expects, for the table of `make conformance`."""
    of_test = getattr(request.node, "callspec", None)
    case = of_test.params.get("case") if of_test is not None else None
    if isinstance(case, Case):
        request.node.user_properties.append(("case", f"{'; '.join(case.in_short)} → {STATUSES[case.frame]}"))
