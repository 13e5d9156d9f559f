from collections.abc import AsyncIterator

import pytest


@pytest.fixture(autouse=True)
async def worker_runs(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Tests that kill the worker may not leave the next one without."""
    yield
    if "site" in request.fixturenames:
        request.getfixturevalue("site").worker.start()
