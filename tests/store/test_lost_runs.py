"""What another run of a mission is started with when its own is gone, and whether an open one is told of a cancel."""

import secrets
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from missions.event_catalogue import event
from missions.event_payloads.base import Payload
from missions.event_payloads.work_process import (
    WorkProcessPaused,
    WorkProcessPauseRequested,
    WorkProcessResumed,
    WorkProcessStatusChanged,
)
from missions.events import EventSource, utc_now
from missions.principals import MUSTER
from missions.statuses import PauseMode, WorkProcessStatus
from settings import Settings
from store import cancels, lost_runs, open_missions, pauses
from store.database import Database
from store.events import append_for_mission
from store.lost_runs import LostRun
from store.tables import events, wakeups, work_processes
from store.work_process_status import change, lock
from tests.support.rows import Rows

EXECUTES = WorkProcessStatusChanged(from_=WorkProcessStatus.CALCULATING, to=WorkProcessStatus.EXECUTING)
API = {"principal": MUSTER, "source": EventSource.API}


class World(Rows):
    """An open mission without agents."""

    async def make(self, **values: Any) -> None:
        fields = {"status": "executing", "options": {"missionTimeout": 1000}} | values
        self.mission = await self.made(
            work_processes,
            work_process_type_name="chat",
            created_by={},
            workflow_id=secrets.token_hex(8),
            dispatched_at=utc_now(),
            **fields,
        )

    async def happened(self, payload: Payload, ago: float, **values: Any) -> None:
        source = EventSource.MISSION_WORKER if isinstance(payload, WorkProcessPaused) else EventSource.API
        new = event(payload, source=source, actor=MUSTER)
        last = select(func.max(events.c.id)).where(events.c.work_process_id == self.mission).scalar_subquery()
        then = utc_now() - timedelta(seconds=ago)
        async with self.database.transaction() as connection:
            await append_for_mission(connection, self.mission, [new], **values)
            await connection.execute(update(events).where(events.c.id == last).values(timestamp=then))

    async def lost(self) -> LostRun:
        async with self.database.transaction() as connection:
            lost = await lost_runs.read(connection, self.mission)
        assert lost is not None
        return lost

    async def start(self) -> Any:
        lost = await self.lost()
        async with self.database.transaction() as connection:
            return await lost_runs.start_again(connection, lost, Settings(), None)

    async def is_told(self) -> bool:
        """Whether its run is to be told that it is cancelled."""
        async with self.database.transaction() as connection:
            await connection.execute(
                update(work_processes)
                .where(work_processes.c.id == self.mission)
                .values(cancel_requested_at=utc_now() - timedelta(minutes=1))
            )
            found = await open_missions.missions(connection, timedelta(seconds=10))
        return next(one.canceling for one in found if one.id == self.mission)


@pytest.fixture
async def world(database: Database) -> World:
    return World(database)


async def test_mission_timeout_stands_still_in_pauses(world: World) -> None:
    await world.make()
    await world.happened(WorkProcessPauseRequested(mode=PauseMode.DEFERRED), 550)  # before it began
    await world.happened(EXECUTES, 500, attempt=1, transition=3)
    await world.happened(WorkProcessResumed(mode=PauseMode.DEFERRED), 450)
    await world.happened(WorkProcessPauseRequested(mode=PauseMode.DEFERRED), 400)
    await world.happened(WorkProcessPaused(mode=PauseMode.DEFERRED), 390)
    await world.happened(WorkProcessResumed(mode=PauseMode.DEFERRED), 300)
    await world.happened(WorkProcessPauseRequested(mode=PauseMode.DEFERRED), 100)
    left = (await world.start()).continued.seconds_left
    assert left == pytest.approx(1000 - (500 - 50 - 100 - 100), abs=5)


async def test_new_runs_numbers_are_above_those_of_all_attempts(world: World) -> None:
    await world.make(attempt=2)
    await world.happened(EXECUTES, 50, attempt=1, transition=4242)
    await world.happened(EXECUTES, 40, attempt=2, transition=6)
    assert (await world.start()).takes_over.first_transition == 4242 + 1_000_000


@pytest.mark.parametrize("before", ["runs", "is paused"])
async def test_wish_that_comes_while_a_new_run_starts_is_signalled_to_it(world: World, before: str) -> None:
    await world.make()
    if before == "is paused":
        await wish(world, paused=True)
    lost, start = await world.lost(), await world.start()
    await wish(world, paused=before == "runs")
    async with world.database.transaction() as connection:
        await lost_runs.took_over(connection, lost, "run")
        query = select(wakeups.c.payload).where(wakeups.c.work_process_id == world.mission)
        told = [row.payload for row in await connection.execute(query.order_by(wakeups.c.id))][-1]
        shown = select(work_processes.c.run_id).where(work_processes.c.id == world.mission)
        assert await connection.scalar(shown) == "run"
    assert told["paused"] is (before == "runs")
    assert told["number"] > start.continued.pause.number
    async with world.database.transaction() as connection:
        next_number = (await lock(connection, world.mission)).version
    assert told["number"] < next_number


async def test_run_that_started_with_what_is_wished_is_told_nothing(world: World) -> None:
    await world.make()
    await wish(world, paused=True)
    lost = await world.lost()
    async with world.database.transaction() as connection:
        assert await lost_runs.took_over(connection, lost, "run") == []


async def wish(world: World, *, paused: bool) -> None:
    async with world.database.transaction() as connection:
        if paused:
            await pauses.request(connection, world.mission, PauseMode.DEFERRED, **API)  # type: ignore[arg-type]  # by name
        else:
            await pauses.resume(connection, world.mission, **API)  # type: ignore[arg-type]  # by name


async def test_run_is_told_of_a_cancel_that_the_api_wrote(world: World) -> None:
    await world.make()
    async with world.database.transaction() as connection:
        await cancels.request_cancel(connection, world.mission, reason="", **API)  # type: ignore[arg-type]  # by name
    assert await world.is_told()


async def test_run_is_not_told_of_a_cancel_that_it_wrote_itself(world: World) -> None:
    await world.make()
    async with world.database.transaction() as connection:
        work_process = await lock(connection, world.mission)
        canceling = WorkProcessStatus.CANCELING
        await change(connection, work_process, canceling, transition=9, **API)  # type: ignore[arg-type]  # by name
    assert not await world.is_told()
