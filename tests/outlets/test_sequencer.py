"""Positions of events: given after the commit, without gaps, so that a reader "after N" misses none."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import select, text

from missions.event_catalogue import event
from missions.event_payloads.configuration import RecipeChanged
from missions.events import Action, EventSource, NewEvent
from missions.principals import MUSTER
from outlets.sequencer import Sequencer
from store import events
from store.database import Database
from store.tables import events as events_table
from tests.support.site import until

pytestmark = pytest.mark.stack


def news(name: str) -> NewEvent:
    return event(RecipeChanged(recipe_id=1, name=name, action=Action.UPDATED), source=EventSource.API, actor=MUSTER)


@asynccontextmanager
async def sequencing(database: Database, count: int = 1) -> AsyncIterator[list[Sequencer]]:
    sequencers = [Sequencer(database) for _ in range(count)]
    for sequencer in sequencers:
        sequencer.start()
    try:
        yield sequencers
    finally:
        for sequencer in sequencers:
            await sequencer.stop()


async def last_position(database: Database) -> int:
    async with database.statement() as connection:
        return int(await connection.scalar(text("SELECT last_position FROM event_log")))


async def read_after(database: Database, position: int) -> list[tuple[int, str]]:
    async with database.statement() as connection:
        rows = await connection.execute(
            select(events_table.c.sequence, events_table.c.payload)
            .where(events_table.c.sequence > position)
            .order_by(events_table.c.sequence)
        )
        return [(row.sequence, row.payload["name"]) for row in rows]


async def all_positioned(database: Database) -> bool:
    async with database.statement() as connection:
        return not await connection.scalar(text("SELECT count(*) FROM events WHERE sequence IS NULL"))


async def test_reader_misses_no_event_of_writers_that_commit_out_of_order(database: Database) -> None:
    chance = random.Random(4)
    names = {f"{writer}-{number}" for writer in range(12) for number in range(15)}

    async def write(writer: int) -> None:
        for number in range(15):
            async with database.transaction() as connection:
                await events.append(connection, [news(f"{writer}-{number}")])
                await asyncio.sleep(chance.random() * 0.02)  # others commit meanwhile what they began later

    seen: list[tuple[int, str]] = []

    async def read() -> None:
        position = await last_position(database)
        while len(seen) < len(names):
            seen.extend(await read_after(database, seen[-1][0] if seen else position))
            await asyncio.sleep(0.002)

    async with sequencing(database, 2):
        await until(lambda: all_positioned(database), 20)
        reader = asyncio.create_task(read())
        await asyncio.sleep(0)
        await asyncio.gather(*(write(writer) for writer in range(12)))
        await asyncio.wait_for(reader, 20)
    assert {name for _, name in seen} == names
    positions = [position for position, _ in seen]
    assert positions == list(range(positions[0], positions[0] + len(names)))
    for writer in range(12):
        mine = [name for _, name in seen if name.startswith(f"{writer}-")]
        assert mine == [f"{writer}-{number}" for number in range(15)]


async def test_sequencer_is_told_of_events_and_does_not_wait_for_its_next_look(database: Database) -> None:
    async with sequencing(database):
        await until(lambda: all_positioned(database), 20)
        delays = []
        for number in range(20):
            async with database.transaction() as connection:
                await events.append(connection, [news(f"told-{number}")])
            begun = asyncio.get_running_loop().time()
            await until(lambda: all_positioned(database), 20)
            delays.append(asyncio.get_running_loop().time() - begun)
    assert sorted(delays)[len(delays) // 2] < 0.5  # it looks unasked each second


async def test_next_sequencer_takes_over(database: Database) -> None:
    async with sequencing(database) as first, sequencing(database):
        await until(lambda: all_positioned(database), 20)
        await first[0].stop()
        async with database.transaction() as connection:
            await events.append(connection, [news("taken over")])
        await until(lambda: all_positioned(database), 20)


async def test_positions_go_on_when_every_event_is_gone(database: Database) -> None:
    async with sequencing(database):
        async with database.transaction() as connection:
            await events.append(connection, [news("before")])
        await until(lambda: all_positioned(database), 20)
        before = await last_position(database)
        async with database.transaction() as connection:
            await connection.execute(text("DELETE FROM events WHERE payload->>'name' = 'before'"))
            await events.append(connection, [news("after")])
        await until(lambda: all_positioned(database), 20)
    assert await read_after(database, before) == [(before + 1, "after")]
