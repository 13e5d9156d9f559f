"""An agent in place of a silent one: who fits, and that two missions never get the same."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from settings import Settings
from store import assignments as assignment_rows
from store import migrate, substitutes
from store.database import Database
from store.reservations import enqueue
from store.tables import agents, assignments, reservations, work_processes, yards
from store.work_process_status import lock
from tests.support.services import WorkerAddresses


@pytest.fixture(scope="module")
async def database(worker_addresses: WorkerAddresses) -> AsyncIterator[Database]:
    settings = Settings(database_url=worker_addresses.database_url)
    await migrate.upgrade(settings)
    database = Database(settings)
    yield database
    await database.close()


class World:
    """A yard with one free agent; missions whose agents are silent."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def made(self, table: Any, **values: Any) -> int:
        async with self.database.transaction() as connection:
            return int(await connection.scalar(insert(table).values(**values).returning(table.c.id)) or 0)

    async def make(self) -> None:
        self.yard = await self.made(yards, uid=secrets.token_hex(6))
        self.free = await self.agent()

    async def agent(self, **values: Any) -> int:
        fields = {
            "status": "free",
            "available": True,
            "agent_type": "truck",
            "operation_types": ["drive"],
            "able_to": ["drive"],
        }
        return await self.made(agents, uuid=secrets.token_hex(6), yard_id=self.yard, **({**fields, **values}))

    async def mission(self, agent: int) -> int:
        return await self.made(
            work_processes,
            work_process_type_name="drive",
            status="executing",
            yard_id=self.yard,
            yard_uid="y",
            agent_ids=[agent],
            operation_types_required=["drive"],
            created_by={},
            workflow_id=secrets.token_hex(8),
        )

    async def silent(self) -> tuple[int, int]:
        """A mission and the assignment of its silent agent."""
        agent = await self.agent(status="busy")
        mission = await self.mission(agent)
        async with self.database.transaction() as connection:
            await connection.execute(insert(reservations).values(agent_id=agent, work_process_id=mission, attempt=1))
        assignment = await self.made(
            assignments,
            work_process_id=mission,
            attempt=1,
            step="plan",
            result_index=0,
            dispatch_group=0,
            agent_id=agent,
            workflow_id="w",
            status="executing",
        )
        return mission, assignment

    async def reserve(self, mission: int, assignment: int) -> bool:
        async with self.database.transaction() as connection:
            work_process = await lock(connection, mission)
            return await substitutes.reserve(
                connection, work_process, await assignment_rows.one(connection, assignment)
            )

    async def holder(self) -> list[int]:
        async with self.database.transaction() as connection:
            held = select(reservations.c.work_process_id).where(reservations.c.agent_id == self.free)
            return list((await connection.execute(held)).scalars())


@pytest.fixture
async def world(database: Database) -> World:
    world = World(database)
    await world.make()
    return world


async def test_free_agent_that_fits_is_reserved_and_listed(world: World) -> None:
    mission, assignment = await world.silent()
    assert await world.reserve(mission, assignment)
    assert await world.holder() == [mission]
    async with world.database.transaction() as connection:
        assert (await lock(connection, mission)).agent_ids[-1] == world.free


@pytest.mark.parametrize(
    "other",
    [
        {"status": "busy"},
        {"agent_class": "tool"},
        {"agent_type": "crane"},
        {"operation_types": ["lift"]},
        {"quarantined_since": func.now()},
    ],
    ids=lambda other: next(iter(other)),
)
async def test_agent_that_does_not_fit_is_not_taken(world: World, other: dict[str, Any]) -> None:
    async with world.database.transaction() as connection:
        await connection.execute(update(agents).where(agents.c.id == world.free).values(**other))
    assert not await world.reserve(*await world.silent())
    assert await world.holder() == []


async def test_who_waits_for_the_agent_is_not_overtaken(world: World) -> None:
    waiting = await world.mission(world.free)
    async with world.database.transaction() as connection:
        await enqueue(connection, await lock(connection, waiting))
    assert not await world.reserve(*await world.silent())


async def test_two_missions_never_get_the_same(world: World) -> None:
    wishes = [await world.silent() for _ in range(6)]
    got = await asyncio.gather(*(world.reserve(*wish) for wish in wishes))
    assert sum(got) == 1
    assert len(await world.holder()) == 1
