"""The pool of connections: what happens when PostgreSQL does not answer, or a connection is lost."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import asyncpg
import pytest
from sqlalchemy import insert, make_url, select, text

from missions.errors import InvalidInput, PartUnavailable
from settings import Settings
from store import migrate
from store.database import Database
from store.tables import yards
from tests.support.services import WorkerAddresses

pytestmark = pytest.mark.stack

SMALL: dict[str, Any] = {"database_pool_size": 2, "database_pool_timeout": 0.5, "max_concurrent_activities": 4}
_PID = text("SELECT pg_backend_pid()")


@pytest.fixture
async def settings(worker_addresses: WorkerAddresses) -> Settings:
    settings = Settings(database_url=worker_addresses.database_url, **SMALL)
    await migrate.upgrade(settings)
    return settings


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    database = Database(settings)
    yield database
    await database.close()


async def test_transaction_is_undone_by_any_exception(database: Database) -> None:
    uid = secrets.token_hex(6)
    with suppress(ZeroDivisionError):
        async with database.transaction() as connection:
            await connection.execute(insert(yards).values(uid=uid))
            raise ZeroDivisionError
    async with database.statement() as connection:
        assert await connection.scalar(select(yards.c.id).where(yards.c.uid == uid)) is None


async def test_statements_commit_one_by_one(database: Database) -> None:
    uid = secrets.token_hex(6)
    with suppress(ZeroDivisionError):
        async with database.statement() as connection:
            await connection.execute(insert(yards).values(uid=uid))
            raise ZeroDivisionError
    async with database.statement() as connection:
        assert await connection.scalar(select(yards.c.id).where(yards.c.uid == uid)) is not None


async def test_pool_in_use_is_waited_for_and_then_said(database: Database) -> None:
    async with database.statement(), database.statement():
        with pytest.raises(PartUnavailable, match=r"no connection within 0\.5 s"):
            async with database.statement():
                pass
        waiting = asyncio.ensure_future(_pid(database))
    assert await waiting


async def test_lost_connection_is_replaced(database: Database) -> None:
    lost = []

    async def lose() -> None:
        async with database.transaction() as connection:
            lost.append(await connection.scalar(_PID))
            await ended(database, lost[0])
            await connection.scalar(_PID)

    with pytest.raises(PartUnavailable):
        await lose()
    assert await _pid(database) not in lost


async def test_connection_lost_while_idle_is_not_noticed(database: Database) -> None:
    idle = await _pid(database)
    await ended(database, idle)
    assert await _pid(database) != idle


async def test_server_that_is_not_there_is_unavailable(settings: Settings) -> None:
    away = Database(settings.model_copy(update={"database_url": "postgresql://nobody@127.0.0.1:1/none"}))
    with pytest.raises(PartUnavailable, match="PostgreSQL"):
        async with away.transaction():
            pass
    await away.close()


async def test_address_that_is_misspelt_is_no_outage(settings: Settings) -> None:
    address = settings.database_url + ("&" if "?" in settings.database_url else "?") + "sslmode=requird"
    misspelt = Database(settings.model_copy(update={"database_url": address}))
    with pytest.raises(InvalidInput, match=r"MUSTER_DATABASE_URL.*sslmode"):
        async with misspelt.transaction():
            pass
    await misspelt.close()


async def test_value_that_fits_no_column_is_no_outage(database: Database) -> None:
    with pytest.raises(asyncpg.DataError):
        async with database.transaction() as connection:
            await connection.scalar(text("SELECT CAST(:value AS integer)"), {"value": 2**40})


async def test_two_statements_at_once_are_our_mistake_and_no_outage(database: Database) -> None:
    async with database.transaction() as connection:
        first = asyncio.ensure_future(connection.scalar(text("SELECT pg_sleep(0.05)")))
        await asyncio.sleep(0)
        with pytest.raises(asyncpg.InterfaceError, match="in progress"):
            await connection.scalar(_PID)
        await first


async def test_connections_ended_in_idleness_are_never_anything_but_unavailable(database: Database) -> None:
    # The server's farewell may be there and the end of the connection not yet: so many tries.
    admin = await asyncpg.connect(database.url)
    for _ in range(40):
        async with database.statement() as one, database.statement() as other:
            pids = [await one.scalar(_PID), await other.scalar(_PID)]
        await admin.execute("SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid", pids)
        for _ in pids:
            with suppress(PartUnavailable):
                await _in_transaction(database)
    await admin.close()


async def test_cancelled_in_the_middle_of_a_statement_the_connection_serves_on(settings: Settings) -> None:
    database = Database(settings, pool_size=1)
    pid = await _pid(database)
    for _ in range(3):
        task = asyncio.ensure_future(_asleep(database))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await _pid(database) == pid
    await database.close()


async def test_cancelled_anywhere_in_a_transaction_the_next_one_begins_anew(settings: Settings) -> None:
    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["message"]))
    database = Database(settings, pool_size=1)

    async def transaction() -> None:
        async with database.transaction() as connection:
            await connection.scalar(text("SELECT pg_sleep(0.001)"))

    for turn in range(60):
        task = asyncio.ensure_future(transaction())
        await asyncio.sleep(turn / 20_000)
        task.cancel()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    await transaction()
    await database.close()
    assert not [one for one in complaints if "active transaction" in one]


@pytest.mark.parametrize("parameter", ["sslmode=disable", "ssl=disable"])
async def test_address_may_say_how_to_encrypt(settings: Settings, parameter: str) -> None:
    address = settings.database_url + ("&" if "?" in settings.database_url else "?") + parameter
    given = settings.model_copy(update={"database_url": address})
    await migrate.upgrade(given)
    database = Database(given)
    assert await _pid(database)
    await database.close()


async def test_server_that_leaves_while_tables_are_made_is_unavailable(settings: Settings) -> None:
    away = settings.model_copy(update={"database_url": "postgresql://nobody@127.0.0.1:1/none"})
    with pytest.raises(PartUnavailable, match="PostgreSQL"):
        await migrate.upgrade(away)
    with pytest.raises(PartUnavailable, match="PostgreSQL"):
        await migrate.revise(away, "nothing", "9999")


async def test_server_without_room_for_the_tables_connection_is_unavailable(settings: Settings) -> None:
    admin = await asyncpg.connect(Database(settings).url)
    role = f"one_{secrets.token_hex(4)}"
    await admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{role}' CONNECTION LIMIT 1")
    url = make_url(settings.database_url).set(username=role, password=role)
    crowded = settings.model_copy(update={"database_url": url.render_as_string(hide_password=False)})
    with pytest.raises(PartUnavailable, match="too many connections"):
        await migrate.upgrade(crowded)
    await admin.execute(f"DROP ROLE {role}")
    await admin.close()


async def ended(database: Database, pid: int) -> None:
    """End the server's side of a connection, and see it gone."""
    admin = await asyncpg.connect(database.url)
    await admin.execute("SELECT pg_terminate_backend($1, 5000)", pid)
    await admin.close()


async def _pid(database: Database) -> int:
    async with database.statement() as connection:
        pid: int = await connection.scalar(_PID)
    return pid


async def _in_transaction(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.scalar(_PID)


async def _asleep(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.scalar(text("SELECT pg_sleep(10)"))
