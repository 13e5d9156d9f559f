"""Agents that stand at `ready` for a mission that holds them no more, and say nothing else, are released again."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aio_pika
import pytest
from sqlalchemy import update

from fleet.downlink import Downlink
from fleet.reconciler import Reconciler
from missions.errors import PartUnavailable
from missions.events import utc_now
from missions.repairs import Repair
from settings import Settings
from store import agent_reports, lost_releases, repairs
from store.agent_reports import StateReport
from store.agents import AgentAddress
from store.database import Database
from store.ready_agents import Stranded
from store.reservations import lock_agents
from store.tables import agents, reservations, work_processes
from tests.fleet.conftest import RecordingWaker
from tests.support.rows import Rows

GRACE = timedelta(seconds=10)


class World(Rows):
    """A mission that ended half a minute ago, and its agent, which said a second later that it is ready for it."""

    async def make(self) -> None:
        self.uuid, self.ended_at = f"truck-{secrets.token_hex(3)}", utc_now() - timedelta(seconds=30)
        self.agent = await self.made(agents, uuid=self.uuid)
        self.mission = await self.made(
            work_processes,
            work_process_type_name="drive",
            status="succeeded",
            created_by={},
            agent_ids=[self.agent],
            ended_at=self.ended_at,
        )
        self.stranded = Stranded(AgentAddress(self.agent, self.uuid, "AMQP"), self.mission)
        await self.says("ready", self.mission)

    async def says(self, status: str, mission: int | None) -> None:
        """A second after the mission's end."""
        at = self.ended_at + timedelta(seconds=1)
        report = StateReport(self.uuid, status, at, at, work_process_id=mission)
        applied = await agent_reports.apply(self.database, [report], {self.uuid: self.agent})
        assert applied.stranded == [], "intake releases it"

    async def found(self) -> bool:
        async with self.database.statement() as connection:
            return self.stranded in await lost_releases.found(connection, GRACE)

    async def counted(self) -> int:
        async with self.database.statement() as connection:
            return (await repairs.counts(connection)).get(Repair.RELEASED_AGAIN, 0)

    async def change(self, **values: Any) -> None:
        """Its mission."""
        async with self.database.transaction() as connection:
            await connection.execute(update(work_processes).where(work_processes.c.id == self.mission).values(values))

    async def held_by(self, mission: int) -> None:
        async with self.database.transaction() as connection:
            values = {"agent_id": self.agent, "work_process_id": mission, "attempt": 1}
            await connection.execute(reservations.insert().values(values))


@pytest.fixture
async def world(database: Database) -> World:
    world = World(database)
    await world.make()
    return world


@pytest.fixture
def reconciler(settings: Settings, database: Database, downlink: Downlink, waker: RecordingWaker) -> Reconciler:
    return Reconciler(settings.model_copy(update={"sweep_after": GRACE.total_seconds()}), database, downlink, waker)


@asynccontextmanager
async def listening(settings: Settings, world: World) -> AsyncIterator[Any]:
    """The queue of what the agent is told."""
    async with await aio_pika.connect(settings.amqp_url) as connection:
        queue = await (await connection.channel()).declare_queue(None, exclusive=True)
        await queue.bind(settings.downlink_exchange, f"agent.{world.uuid}.instantActions")
        yield queue


@pytest.fixture
async def heard(settings: Settings, world: World) -> AsyncIterator[Any]:
    async with listening(settings, world) as queue:
        yield queue


def released(raw: Any) -> Any:
    """The mission that a release names."""
    message = json.loads(json.loads(raw.body)["message"])
    assert message["type"] == "release_from_mission"
    return message["body"]["work_process_id"]


async def test_it_is_released_again_once(world: World, reconciler: Reconciler, heard: Any) -> None:
    counted = await world.counted()
    await reconciler.look()
    assert released(await heard.get(no_ack=True)) == world.mission
    await reconciler.look()
    assert await heard.get(no_ack=True, fail=False) is None
    assert await world.counted() == counted + 1


async def test_who_says_so_once_more_is_released_once_more(world: World, reconciler: Reconciler, heard: Any) -> None:
    await reconciler.look()
    assert not await world.found()
    await world.says("ready", world.mission)
    assert await world.found()


async def test_who_spoke_a_moment_ago_is_not(world: World) -> None:
    async with world.database.transaction() as connection:
        await connection.execute(update(agents).where(agents.c.id == world.agent).values(state_at=utc_now()))
    assert not await world.found()


@pytest.mark.parametrize("status", ["free", "busy", "not_automatable"])
async def test_who_has_said_something_else_since_is_not(world: World, status: str) -> None:
    assert await world.found()
    await world.says(status, world.mission)
    assert not await world.found()


async def test_who_names_no_mission_or_none_that_there_is_is_not(world: World) -> None:
    await world.says("ready", None)
    assert not await world.found()
    await world.says("ready", 2**62)
    assert not await world.found()


async def test_who_may_still_be_released_by_its_mission_is_not(world: World) -> None:
    await world.change(ended_at=utc_now() - GRACE / 2)
    assert not await world.found()


async def test_whom_an_open_mission_holds_no_more_is(world: World) -> None:
    """It released the agent early, stands in line anew, or waits for its next attempt."""
    await world.change(ended_at=None, status="executing", agent_ids=[])
    assert await world.found()


async def test_whom_a_mission_holds_is_not(world: World) -> None:
    other = await world.made(work_processes, work_process_type_name="drive", status="executing", created_by={})
    await world.held_by(other)
    assert not await world.found()


async def test_who_does_not_listen_stays_until_it_does(
    world: World, reconciler: Reconciler, settings: Settings
) -> None:
    counted = await world.counted()
    await reconciler.look()
    assert await world.found()
    assert await world.counted() == counted
    async with listening(settings, world) as heard:
        await reconciler.look()
        assert released(await heard.get(no_ack=True)) == world.mission
    assert not await world.found()


async def test_a_broker_that_does_not_confirm_keeps_the_agent_locked_for_moments(
    world: World, waker: RecordingWaker, settings: Settings
) -> None:
    class Stalled:
        async def release(self, *_: Any, **__: Any) -> None:
            await asyncio.Event().wait()

    grace = settings.model_copy(update={"sweep_after": GRACE.total_seconds()})
    stalled = Reconciler(grace, world.database, Stalled(), waker)  # type: ignore[arg-type]  # all that it needs
    with pytest.raises(PartUnavailable, match="did not confirm"):
        await stalled.look()
    assert await world.found()
    await world.says("free", None)


async def test_who_is_granted_meanwhile_is_not(world: World, reconciler: Reconciler, heard: Any) -> None:
    """Its release would overtake the reserve of the mission that holds it now."""
    other = await world.made(work_processes, work_process_type_name="drive", status="executing", created_by={})
    async with world.database.transaction() as granting:
        await lock_agents(granting, [world.agent])
        releasing = asyncio.create_task(reconciler._release_again(world.stranded))
        await world.until_waiting_or_done(releasing)
        assert not releasing.done()
        values = {"agent_id": world.agent, "work_process_id": other, "attempt": 1}
        await granting.execute(reservations.insert().values(values))
    await releasing
    assert await heard.get(no_ack=True, fail=False) is None
