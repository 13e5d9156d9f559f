"""What ended missions left behind is given back once, and counted only where something was."""

import secrets
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from fleet.downlink import Downlink
from fleet.reconciler import Reconciler
from missions.errors import PartUnavailable
from missions.events import utc_now
from missions.repairs import Repair
from settings import Settings
from store import left_behind, repairs
from store.database import Database
from store.left_behind import Held
from store.tables import (
    agents,
    reservation_request_agents,
    reservation_requests,
    reservation_selectors,
    reservations,
    work_processes,
    yards,
)
from tests.fleet.conftest import RecordingWaker
from tests.support.rows import Rows

GRACE = timedelta(seconds=10)


class World(Rows):
    """A mission that ended an hour ago, with its request, and an agent of another one."""

    async def make(self) -> None:
        name, ago = secrets.token_hex(6), utc_now() - timedelta(hours=1)
        self.yard = await self.made(yards, uid=name)
        self.agent = await self.made(agents, uuid=name, yard_id=self.yard)
        self.mission = await self.made(
            work_processes, work_process_type_name="drive", status="failed", created_by={}, ended_at=ago
        )
        self.request = await self.made(
            reservation_requests,
            work_process_id=self.mission,
            attempt=1,
            status="ended",
            priority=1,
            enqueued_at=ago,
            score_key=ago,
        )
        self.line = {"request_id": self.request, "score_key": ago}

    async def found(self) -> bool:
        async with self.database.statement() as connection:
            return Held(self.mission, 1) in await left_behind.agents(connection, GRACE)

    async def counted(self) -> int:
        async with self.database.statement() as connection:
            return (await repairs.counts(connection)).get(Repair.AGENTS_FREED, 0)

    async def insert(self, table: Any, **values: Any) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(table.insert().values(**values))


@pytest.fixture
async def world(database: Database) -> World:
    world = World(database)
    await world.make()
    return world


@pytest.fixture
def reconciler(settings: Settings, database: Database, downlink: Downlink, waker: RecordingWaker) -> Any:
    return Reconciler(settings.model_copy(update={"sweep_after": GRACE.total_seconds()}), database, downlink, waker)


async def test_an_ended_request_that_claims_an_agent_leaves_its_line(world: World, reconciler: Any) -> None:
    await world.insert(reservation_request_agents, agent_id=world.agent, claims=True, **world.line)
    assert await world.found()
    await reconciler.look()
    assert not await world.found()
    counted = await world.counted()
    assert counted > 0
    await reconciler.look()
    assert await world.counted() == counted


async def test_an_ended_request_that_waits_for_any_of_a_yard_leaves_its_line(world: World, reconciler: Any) -> None:
    await world.insert(
        reservation_selectors,
        yard_id=world.yard,
        agent_class="vehicle",
        operation_types=[],
        count=1,
        waiting=True,
        claims=True,
        **world.line,
    )
    assert await world.found()
    await reconciler.look()
    assert not await world.found()


async def test_what_was_given_back_meanwhile_is_not_counted(world: World, reconciler: Any) -> None:
    counted = await world.counted()
    await reconciler._release(Held(world.mission, 1))
    assert await world.counted() == counted


async def test_who_leads_no_more_releases_nobody(world: World, reconciler: Any) -> None:
    await world.insert(
        reservations, agent_id=world.agent, work_process_id=world.mission, attempt=1, reserve_sent_at=utc_now()
    )

    class Lost:
        async def stay(self) -> None:
            raise PartUnavailable("PostgreSQL", "lost")

    reconciler._leader = Lost()
    with pytest.raises(PartUnavailable):
        await reconciler._release(Held(world.mission, 1))
    async with world.database.statement() as connection:
        holder = await connection.scalar(
            select(reservations.c.work_process_id).where(reservations.c.agent_id == world.agent)
        )
    assert holder == world.mission
    reconciler._leader = None
    await reconciler.look()
    assert not await world.found()
