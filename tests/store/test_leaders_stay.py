"""Leaders that work on other connections than the one that holds their lock keep it all the same."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from engine.sweeper import Sweeper
from fleet.reconciler import Reconciler
from missions.errors import PartUnavailable
from settings import Settings
from store import leadership
from store.database import Database
from store.leadership import Lock, leading
from store.loops import Loop
from tests.support.services import WorkerAddresses


@pytest.mark.parametrize("kind", [Sweeper, Reconciler])
async def test_a_leader_without_work_on_its_own_connection_stays(
    kind: Any, worker_addresses: WorkerAddresses, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("store.database._SILENT_BESIDES", 0.3)
    monkeypatch.setattr(leadership, "_TRY_AGAIN", 0.1)
    turns: list[None] = []
    enough = asyncio.Event()

    async def turn(_: Any) -> None:
        turns.append(None)
        if len(turns) == 20:
            enough.set()

    monkeypatch.setattr(Sweeper, "sweep", turn)
    monkeypatch.setattr(Reconciler, "look", turn)
    often = Settings(database_url=worker_addresses.database_url, sweep_interval=0.1)
    database = Database(often)
    loop: Loop = kind(often, database, None, None)
    loop.start()
    await asyncio.wait_for(enough.wait(), 10)
    await loop.stop()
    await database.close()
    assert "was lost" not in caplog.text


async def test_a_leader_is_asked_side_by_side_until_its_connection_is_lost(worker_addresses: WorkerAddresses) -> None:
    database = Database(Settings(database_url=worker_addresses.database_url))
    lock = Lock(0x7465_7374)
    async with leading(database, lock, "muster_test") as leader:
        await asyncio.gather(*(leader.stay() for _ in range(20)))
        pid = await leader.connection.scalar(text("SELECT pg_backend_pid()"))
        async with database.statement() as connection:
            await connection.execute(text("SELECT pg_terminate_backend(:pid, 1000)"), {"pid": pid})
        ended = await asyncio.gather(*(leader.stay() for _ in range(20)), return_exceptions=True)
        assert all(isinstance(error, PartUnavailable) for error in ended)
    await database.close()
