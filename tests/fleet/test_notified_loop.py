"""A loop that listens keeps its connection, also when it has nothing to do for long."""

import asyncio

import pytest

from fleet import notified_loop
from fleet.notified_loop import NotifiedLoop
from settings import Settings
from store.database import Database
from tests.support.services import WorkerAddresses

pytestmark = pytest.mark.stack


class Idle(NotifiedLoop):
    """Looks, and finds nothing."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, "muster_test_idle", "an idle loop")
        self.looks = 0
        self.enough = asyncio.Event()

    async def _work(self) -> bool:
        self.looks += 1
        if self.looks == 20:
            self.enough.set()
        return False


async def test_one_that_finds_nothing_keeps_its_connection(
    worker_addresses: WorkerAddresses, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("store.notifications._SILENCE", 0.1)
    monkeypatch.setattr("store.database._SILENT_BESIDES", 0.5)
    monkeypatch.setattr(notified_loop, "_LOOK_AGAIN", 0.1)
    database = Database(Settings(database_url=worker_addresses.database_url))
    loop = Idle(database)
    loop.start()
    async with asyncio.timeout(15):
        await loop.enough.wait()
    await loop.stop()
    await database.close()
    assert "an idle loop" not in caplog.text
