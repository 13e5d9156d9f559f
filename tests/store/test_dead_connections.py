"""Connections that are dead and not closed: who waits for an answer, and what the server still holds for us."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import nullcontext
from functools import partial
from typing import Any

import asyncpg
import pytest
from sqlalchemy import insert, select, text

from missions.errors import PartUnavailable
from settings import Settings
from store import leadership, migrate
from store.database import Database
from store.leadership import Lock, leading
from store.notifications import listening
from store.tables import yards
from tests.fleet.proxy import Proxy, before
from tests.support.services import WorkerAddresses
from tests.support.site import until

pytestmark = pytest.mark.stack

_PID = text("SELECT pg_backend_pid()")
_SOON = 0.3


@pytest.fixture
async def settings(worker_addresses: WorkerAddresses) -> Settings:
    settings = Settings(database_url=worker_addresses.database_url)
    await migrate.upgrade(settings)
    return settings


@pytest.fixture
async def far(settings: Settings) -> AsyncIterator[tuple[Proxy, Database]]:
    """A database behind a network that may fail."""
    async with before(settings.database_url) as (proxy, through):
        database = Database(settings.model_copy(update={"database_url": through}), answers_within=_SOON)
        yield proxy, database
        await database.close()


async def test_statement_over_a_dead_connection_is_given_up_and_the_next_goes_over_a_new_one(
    far: tuple[Proxy, Database],
) -> None:
    proxy, database = far
    async with database.statement() as one, database.statement() as other:
        warm = {await one.scalar(_PID), await other.scalar(_PID)}
    proxy.half_open()
    with pytest.raises(PartUnavailable, match="no answer in time"):
        await _pid(database)
    began = time.monotonic()
    assert await _pid(database) not in warm, "the other one of the pool went the same way"
    assert time.monotonic() - began < _SOON


async def test_whoever_gives_up_a_transaction_over_a_dead_connection_can_leave_it(far: tuple[Proxy, Database]) -> None:
    proxy, database = far

    async def hang() -> None:
        async with database.transaction() as connection:
            await connection.scalar(_PID)
            proxy.half_open()
            began.set()
            await connection.scalar(_PID)

    began = asyncio.Event()
    task = asyncio.ensure_future(hang())
    await began.wait()
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=10 * _SOON)
    assert done, "its rollback waits for ever"
    assert await _pid(database)


@pytest.mark.parametrize("nested", [False, True])
async def test_no_rollback_is_waited_for_over_a_dead_connection(
    nested: bool, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollbacks: list[None] = []

    async def rollback(_: Any) -> None:
        rollbacks.append(None)

    monkeypatch.setattr(asyncpg.transaction.Transaction, "rollback", rollback)
    async with before(settings.database_url) as (proxy, through):
        database = Database(settings.model_copy(update={"database_url": through}), answers_within=_SOON)

        async def ask() -> None:
            async with database.transaction() as connection, connection.begin_nested() if nested else nullcontext():
                proxy.half_open()
                await connection.scalar(_PID)

        with pytest.raises(PartUnavailable, match="no answer in time"):
            await ask()
        assert rollbacks == []
        assert await _pid(database)
        await database.close()


async def test_a_few_rows_are_waited_for_no_longer_than_one(far: tuple[Proxy, Database]) -> None:
    proxy, database = far
    few, prepared = [{"uid": f"few-{number}", "name": "few"} for number in range(6)], insert(yards)

    async def write() -> None:
        async with database.transaction() as connection:
            await connection.execute(prepared, few[:3])
            proxy.half_open()
            await connection.execute(prepared, few[3:])

    writing = asyncio.ensure_future(write())
    done, _ = await asyncio.wait({writing}, timeout=5)
    assert done, "it waits as for thousands of rows"
    assert isinstance(writing.exception(), PartUnavailable)


async def test_who_listens_over_a_dead_connection_is_told_and_the_server_keeps_no_session_for_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.notifications.ANSWERS_WITHIN", _SOON)
    monkeypatch.setattr("store.notifications._SILENCE", 0.5)
    monkeypatch.setattr("store.database._SILENT_BESIDES", 0.5)
    near, mark = Database(settings), text("SELECT pid FROM pg_stat_activity WHERE query = 'LISTEN \"dead_or_not\"'")
    async with before(settings.database_url) as (proxy, through):
        lost = Database(settings.model_copy(update={"database_url": through}))
        async with listening(lost, "dead_or_not") as listener:
            async with near.statement() as connection:
                session = await connection.scalar(mark)
            proxy.half_open()
            with pytest.raises(PartUnavailable, match="no answer in time"):
                await listener.stay()
            await until(partial(_are_gone, near, session), 5)
        await lost.close()
    await near.close()


async def test_row_locked_by_a_connection_that_is_dead_is_free_again_soon(
    far: tuple[Proxy, Database], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.database._RESTS_AT_MOST", "300ms")
    near, yard = Database(settings), insert(yards).values(uid="locked", name="locked").returning(yards.c.id)
    async with near.statement() as connection:
        key = await connection.scalar(yard)
    async with before(settings.database_url) as (proxy, through):
        lost = Database(settings.model_copy(update={"database_url": through}), answers_within=_SOON)

        async def lock() -> None:
            async with lost.transaction() as connection:
                await connection.scalar(select(yards.c.id).where(yards.c.id == key).with_for_update())
                proxy.half_open()
                await connection.scalar(_PID)

        with pytest.raises(PartUnavailable):
            await lock()
        async with near.transaction() as connection, asyncio.timeout(3):
            assert await connection.scalar(select(yards.c.id).where(yards.c.id == key).with_for_update()) == key
        await lost.close()
    await near.close()


async def test_idle_connections_that_are_dead_take_none_of_the_servers_places_for_long(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    near = Database(settings)
    monkeypatch.setattr("store.database._IDLE_AT_THE_SERVER", 1.0)
    async with before(settings.database_url) as (proxy, through):
        lost = Database(settings.model_copy(update={"database_url": through}), answers_within=_SOON)
        async with lost.statement() as one:
            sessions = [await one.scalar(_PID)]
            async with lost.statement() as other:
                sessions.append(await other.scalar(_PID))
        proxy.half_open()
        await until(partial(_are_gone, near, *sessions), 5)
        await lost.close()
    await near.close()


async def test_idle_connection_is_closed_before_the_server_ends_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.database._IDLE_AT_MOST", 0.1)
    database, watching = Database(settings), Database(settings)
    session = await _pid(database)
    await until(partial(_are_gone, watching, session), 5)
    assert await _pid(database) != session
    await database.close()
    await watching.close()


async def test_leader_whose_connection_is_dead_is_followed_by_another(
    far: tuple[Proxy, Database], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.database._SILENT_BESIDES", 0.3)
    monkeypatch.setattr(leadership, "_TRY_AGAIN", 0.1)
    proxy, away = far
    here, lock = Database(settings), Lock(0x6D757374FF)
    async with leading(away, lock, "test", silence=0.1):
        proxy.half_open()
        async with asyncio.timeout(3), leading(here, lock, "test", silence=0.1) as other:
            assert await other.connection.scalar(_PID)
    await here.close()


async def test_leader_that_looks_in_time_stays(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("store.database._SILENT_BESIDES", 0.4)
    monkeypatch.setattr(leadership, "_TRY_AGAIN", 0.1)
    database = Database(settings)
    async with leading(database, Lock(0x6D757374FE), "test", silence=0.1) as leader:
        for _ in range(4):
            await leader.wait(0.2)
            assert await leader.connection.scalar(_PID)
    await database.close()


async def test_migrations_may_rest_in_their_transaction(settings: Settings) -> None:
    patient = Database(settings, answers_within=None)
    async with patient.statement() as connection:
        assert await connection.scalar(text("SHOW idle_in_transaction_session_timeout")) == "0"
    await patient.close()


async def _pid(database: Database) -> int:
    async with database.transaction() as connection:
        pid: int = await connection.scalar(_PID)
    return pid


async def _are_gone(database: Database, *sessions: int) -> bool:
    there = text("SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(:sessions)")
    async with database.statement() as connection:
        return bool(await connection.scalar(there, {"sessions": sessions}) == 0)
