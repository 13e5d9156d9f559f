from collections.abc import AsyncIterator

import pytest

from cli.stack.addresses import Addresses
from tests.support.platform_stage import Platform, Stage, platform_stage


@pytest.fixture(scope="session")
async def stage(services: Addresses, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with platform_stage(services, tmp_path_factory.mktemp("platforms")) as running:
        yield running


@pytest.fixture
async def platform(stage: Stage) -> Platform:
    return await stage.platform()
