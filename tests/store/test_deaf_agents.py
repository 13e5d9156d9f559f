"""Agents that are deaf and talk on: asked again after a pause that grows, and at once when they check in or answer."""

import secrets
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from missions.events import utc_now
from missions.statuses import AgentStatus
from store import agent_reports
from store.agent_reports import StateReport
from store.agent_service import heard, listen_again, not_listening
from store.agents import CheckIn, check_in
from store.database import Database
from store.tables import agents, yards


@pytest.fixture
async def agent(database: Database) -> str:
    uuid = f"truck-{secrets.token_hex(3)}"
    async with database.transaction() as connection:
        await connection.execute(insert(yards).values(uid=uuid))
        await connection.execute(insert(agents).values(uuid=uuid, status="free", available=True))
    return uuid


async def row_of(database: Database, uuid: str) -> Any:
    async with database.transaction() as connection:
        return (await connection.execute(select(agents, func.now().label("now")).where(agents.c.uuid == uuid))).one()


async def deaf(database: Database, uuid: str) -> None:
    agent_id = (await row_of(database, uuid)).id
    async with database.transaction() as connection:
        await not_listening(connection, [agent_id], pause=5)


async def talks(database: Database, uuid: str) -> agent_reports.Applied:
    row, now = await row_of(database, uuid), utc_now()
    return await agent_reports.apply(database, [StateReport(uuid, AgentStatus.FREE, now, now)], {uuid: row.id})


async def pause_is_over(database: Database, uuid: str) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            update(agents).where(agents.c.uuid == uuid).values(listen_again_at=func.now() - timedelta(seconds=1))
        )


async def test_the_first_time_its_word_counts_at_once(database: Database, agent: str) -> None:
    await deaf(database, agent)
    assert (await talks(database, agent)).changed_agent_ids
    assert (await row_of(database, agent)).not_listening_since is None


async def test_each_time_in_a_row_the_pause_doubles_up_to_a_limit(database: Database, agent: str) -> None:
    pauses = []
    for count in (*range(8), *range(58, 67)):
        async with database.transaction() as connection:
            await connection.execute(update(agents).where(agents.c.uuid == agent).values(not_listening_count=count))
        await deaf(database, agent)
        row = await row_of(database, agent)
        if row.listen_again_at is not None:
            pauses.append(round((row.listen_again_at - row.not_listening_since).total_seconds()))
            assert not (await talks(database, agent)).changed_agent_ids
            assert (await row_of(database, agent)).not_listening_since is not None
            await pause_is_over(database, agent)
        await talks(database, agent)
        assert (await row_of(database, agent)).not_listening_since is None
    first_minutes, about_an_hour_later = [5, 10, 20, 40, 60, 60, 60], [60, 60, 60, 120, 240, 480, 900, 900, 900]
    assert pauses == first_minutes + about_an_hour_later


async def test_one_that_spoke_in_its_pause_is_asked_when_it_is_over(database: Database, agent: str) -> None:
    for _ in range(2):
        await talks(database, agent)
        await deaf(database, agent)
    async with database.transaction() as connection:
        assert await listen_again(connection, 10) == ([], [])
    await talks(database, agent)
    await pause_is_over(database, agent)
    async with database.transaction() as connection:
        assert await listen_again(connection, 10) == ([(await row_of(database, agent)).id], [])
    assert (await row_of(database, agent)).not_listening_since is None


async def test_one_that_says_nothing_is_not_asked(database: Database, agent: str) -> None:
    for _ in range(2):
        await talks(database, agent)
        await deaf(database, agent)
    await pause_is_over(database, agent)
    async with database.transaction() as connection:
        assert await listen_again(connection, 10) == ([], [])


@pytest.mark.parametrize("how", ["check-in", "delivered"])
async def test_a_check_in_and_a_delivered_reserve_begin_anew(database: Database, agent: str, how: str) -> None:
    for _ in range(3):
        await talks(database, agent)
        await deaf(database, agent)
        await pause_is_over(database, agent)
    row, now = await row_of(database, agent), utc_now()
    assert row.not_listening_count == 3
    async with database.transaction() as connection:
        if how == "check-in":
            await check_in(connection, CheckIn(agent, agent, AgentStatus.FREE, "AMQP", now, now))
        else:
            await heard(connection, [row.id])
    row = await row_of(database, agent)
    assert (row.not_listening_count, row.listen_again_at) == (0, None)
