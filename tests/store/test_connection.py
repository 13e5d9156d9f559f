"""Statements of SQLAlchemy's, run by asyncpg: values, rows, JSON, lists, parts of a transaction."""

import secrets
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import bindparam, insert, select, text, update

from settings import Settings
from store import migrate
from store.connection import Connection
from store.database import Database
from store.tables import agents, yards
from tests.support.services import WorkerAddresses

pytestmark = pytest.mark.stack


@pytest.fixture
async def connection(worker_addresses: WorkerAddresses) -> AsyncIterator[Connection]:
    settings = Settings(database_url=worker_addresses.database_url)
    await migrate.upgrade(settings)
    database = Database(settings)
    async with database.transaction() as connection:
        yield connection
    await database.close()


def names(count: int) -> list[str]:
    return [secrets.token_hex(6) for _ in range(count)]


async def test_rows_of_a_list_come_in_its_order(connection: Connection) -> None:
    uids = names(20)
    rows = await connection.execute(insert(yards).returning(yards.c.id, yards.c.uid), [{"uid": uid} for uid in uids])
    assert [row.uid for row in rows] == uids


async def test_json_is_written_and_read_by_columns_and_by_text(connection: Connection) -> None:
    uid, value = secrets.token_hex(6), {"a": [1, "ü", None, 'quote " and \\']}
    agent_id = await connection.scalar(insert(agents).values(uuid=uid, resources=value).returning(agents.c.id))
    assert await connection.scalar(select(agents.c.resources).where(agents.c.id == agent_id)) == value
    by_text = text("UPDATE agents SET resources = CAST(:new AS jsonb) WHERE id = :of RETURNING resources")
    assert await connection.scalar(by_text, {"of": agent_id, "new": '{"b": 2}'}) == {"b": 2}
    emptied = update(agents).where(agents.c.id == agent_id).values(resources=None).returning(agents.c.resources)
    assert (await connection.execute(emptied)).one().resources is None
    assert await connection.scalar(text("SELECT resources IS NULL FROM agents WHERE id = :of"), {"of": agent_id})


async def test_one_statement_serves_many_values(connection: Connection) -> None:
    uids = names(3)
    await connection.execute(insert(yards), [{"uid": uid} for uid in uids])
    one = select(yards.c.uid).where(yards.c.uid == bindparam("of"))
    assert [await connection.scalar(one, {"of": uid}) for uid in uids] == uids
    assert (await connection.execute(one, {"of": "none such"})).one_or_none() is None
    assert list(await connection.scalars(one, {"of": "none such"})) == []


async def test_insert_takes_the_columns_it_is_given(connection: Connection) -> None:
    new = insert(yards).returning(yards.c.name)
    assert await connection.scalar(new, {"uid": names(1)[0], "name": "one"}) == "one"
    assert await connection.scalar(new, {"uid": names(1)[0]}) is None
    assert await connection.scalar(new, {"name": "two", "uid": names(1)[0]}) == "two"


async def test_lists_of_values_may_be_empty(connection: Connection) -> None:
    uid = names(1)[0]
    await connection.execute(insert(yards).values(uid=uid))
    assert list(await connection.scalars(select(yards.c.uid).where(yards.c.uid.in_([])))) == []
    assert list(await connection.scalars(select(yards.c.uid).where(yards.c.uid.in_([uid, "none such"])))) == [uid]


async def test_missing_value_is_named(connection: Connection) -> None:
    with pytest.raises(KeyError, match="of"):
        await connection.scalar(text("SELECT CAST(:of AS integer)"))


async def test_affected_counts_rows(connection: Connection) -> None:
    uids = names(2)
    assert await connection.affected(insert(yards).values([{"uid": uid} for uid in uids])) == 2
    renamed = update(yards).where(yards.c.uid == bindparam("of")).values(name="x")
    assert await connection.affected(renamed, {"of": uids[0]}) == 1
    assert await connection.affected(renamed, {"of": "none such"}) == 0


async def test_part_of_a_transaction_is_undone_alone(connection: Connection) -> None:
    uid = names(1)[0]
    await connection.execute(insert(yards).values(uid=uid))
    with pytest.raises(asyncpg.UniqueViolationError):
        async with connection.begin_nested():
            await connection.execute(insert(yards).values(uid=uid))
    assert await connection.scalar(select(yards.c.uid).where(yards.c.uid == uid)) == uid
