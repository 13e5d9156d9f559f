from collections.abc import AsyncIterator

import pytest

from cli.stack.addresses import Addresses
from tests.support.site import Site, running_site


@pytest.fixture(scope="session")
async def site(services: Addresses, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with running_site(services, tmp_path_factory.mktemp("site")) as running:
        yield running


@pytest.fixture(autouse=True)
async def worker_runs(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Tests that kill the worker may not leave the next one without."""
    yield
    if "site" in request.fixturenames:
        request.getfixturevalue("site").worker.start()
