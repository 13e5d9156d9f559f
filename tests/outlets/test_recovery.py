"""The loops of the log and the store: while it is away they wait, then they go on; health says so meanwhile."""

import pytest

from api.app import create_app
from settings import Settings
from store.database import Database
from tests.api.conftest import RecordingWaker, client_of
from tests.fleet.proxy import before
from tests.outlets.conftest import Log, Reader, publishing

pytestmark = pytest.mark.stack


async def test_store_away_for_a_while_loses_and_reorders_nothing(
    settings: Settings, database: Database, log: Log, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.probes._KEPT", 0.0)
    await reader.listen()
    async with before(settings.database_url) as (proxy, through):
        own = settings.model_copy(update={"database_url": through})
        over_the_proxy = Database(own)
        app = create_app(own, waker=RecordingWaker())
        async with app.router.lifespan_context(app), client_of(app) as api, publishing(own, over_the_proxy):

            async def health() -> str:
                found = (await api.get("http://muster/health/ready")).json()
                return "well" if found["parts"]["database"]["ok"] else str(found["status"])

            await log.write("1")
            await reader.until_names(["1"])
            assert await health() == "well"
            proxy.closed = True
            proxy.cut()
            await log.write("2", "3")
            assert await health() == "not ready"
            proxy.closed = False
            await log.write("4")
            await log.until_delivered()
            assert await health() == "well"
        await over_the_proxy.close()
    await reader.until_names(["1", "2", "3", "4"])
