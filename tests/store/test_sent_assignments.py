"""The note that the broker has an assignment, beside what its agent says of it."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from missions.events import utc_now
from store import assignments as store
from store.tables import assignments, events, work_processes
from tests.store.conftest import World
from tests.support.locks import until_somebody_waits_for_a_lock

pytestmark = pytest.mark.stack


async def noted(world: World) -> None:
    async with world.database.statement() as connection:
        row = await store.one(connection, world.assignment)
        await store.sent(connection, world.mission, [row])


async def shown(world: World) -> tuple[str, list[Any]]:
    async with world.database.transaction() as connection:
        status = await connection.scalar(select(assignments.c.status).where(assignments.c.id == world.assignment))
        told = select(events.c.payload["to"].astext).where(events.c.work_process_id == world.mission)
        return str(status), list((await connection.execute(told)).scalars())


async def test_it_executes_and_that_is_told_once(world: World) -> None:
    await world.change(assignments, world.assignment, status="to_dispatch")
    for _ in range(2):
        await noted(world)
        assert await shown(world) == ("executing", ["executing"])


async def test_a_report_that_is_being_written_meanwhile_wins(world: World) -> None:
    await world.change(assignments, world.assignment, status="to_dispatch")
    async with world.database.transaction() as connection:
        await connection.execute(
            select(work_processes.c.id).where(work_processes.c.id == world.mission).with_for_update()
        )
        note = asyncio.create_task(noted(world))
        await until_somebody_waits_for_a_lock(world.database)
        report = assignments.update().where(assignments.c.id == world.assignment)
        await connection.execute(report.values(status="succeeded", first_report_at=utc_now()))
    await note
    assert await shown(world) == ("succeeded", [])
