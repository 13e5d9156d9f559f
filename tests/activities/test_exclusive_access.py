"""Assignments to instruments: only one mission's at a time, whoever else holds none of its reservations."""

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import select
from temporalio.testing import ActivityEnvironment

from activities.dispatch_assignments import Dispatcher
from activities.finish_mission import Finisher
from activities.parts import Parts
from fleet.downlink import AgentAddress, AssignmentMessage, Delivery
from missions.contracts import AssignmentsDispatched, DispatchAssignments, FinishMission, Outcome
from missions.errors import FailureCode
from settings import Settings
from store.database import Database
from store.reservations import enqueue, try_grant
from store.tables import assignments, instant_actions, reservations, service_requests
from store.wakeups import Wakeup
from store.work_process_status import lock
from tests.support.instruments import HeldInstrument
from tests.support.locks import until_somebody_waits_for_a_lock


class World(HeldInstrument):
    """A mission beside the run, whose planner has work for a vehicle and for the instrument. Downlink too."""

    async def make(self, *, held: bool = True) -> "World":
        await super().make(held=held)
        self.vehicle = await self.agent("vehicle")
        self.sent: list[int] = []
        self.woken: list[int | None] = []
        return self

    async def plan(self, *results: dict[str, Any], **mission: Any) -> None:
        self.other = await self.mission("calculating", **{"agent_ids": [self.vehicle]} | mission)
        self.request = await self.made(
            service_requests,
            work_process_id=self.other,
            attempt=1,
            step="plan",
            uses="microservice",
            preset={},
            status="ready",
            response={"results": list(results)},
        )

    async def assign(self, agent: AgentAddress, message: AssignmentMessage) -> Delivery:
        self.sent.append(agent.id)
        return Delivery.DELIVERED

    async def release(self, agent: AgentAddress, *, work_process_id: int) -> Delivery:
        return Delivery.DELIVERED

    async def send(self, batch: Sequence[Wakeup]) -> None:
        self.woken += [one.work_process_id for one in batch]

    def parts(self) -> Parts:
        # Stand-ins for what it tells; the last parts it never asks for.
        return Parts(Settings(), self.database, self, self, None, None, None, None)  # type: ignore[arg-type]  # unused

    async def dispatch(self, **fields: Any) -> AssignmentsDispatched:
        environment = ActivityEnvironment()
        environment.info = dataclasses.replace(environment.info, attempt=1)
        call = DispatchAssignments(
            **{"group": 0, **fields},
            work_process_id=self.other,
            attempt=1,
            transition=3,
            service_request_id=self.request,
            step="plan",
        )
        return await environment.run(Dispatcher(self.parts()).dispatch_assignments, call)

    async def held_by(self, mission: int) -> list[int]:
        query = select(reservations.c.agent_id).where(reservations.c.work_process_id == mission)
        async with self.database.transaction() as connection:
            return list(await connection.scalars(query))

    async def grant(self) -> bool:
        """Reserve the instrument for the run, if it may be."""
        async with self.database.transaction() as connection:
            run = await lock(connection, self.run)
            request, _, candidates = await enqueue(connection, run)
            return await try_grant(connection, run, request, candidates) is not None

    async def end(self) -> None:
        """The other mission's end."""
        call = FinishMission(work_process_id=self.other, attempt=1, transition=4, status="succeeded")
        await Finisher(self.parts()).finish_mission(call)

    async def count(self, table: Any) -> int:
        async with self.database.transaction() as connection:
            rows = await connection.execute(select(table.c.id).where(table.c.work_process_id == self.other))
            return len(rows.all())

    def names_the_holder(self, done: AssignmentsDispatched) -> None:
        assert done.outcome is Outcome.FAILED
        assert done.failure is not None
        assert (done.failure.code, done.failure.step) == (FailureCode.AGENT_HELD, "plan")
        assert done.failure.agent_id == self.instrument
        assert self.holder in done.failure.text


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def work(agent_id: int, order: int = 1) -> dict[str, Any]:
    return {"agent_id": agent_id, "assignment": {}, "assignment_order": order}


async def test_planner_gives_nothing_to_another_missions_instrument(world: World) -> None:
    await world.make()
    await world.plan(work(world.instrument))
    world.names_the_holder(await world.dispatch())
    assert (world.sent, await world.count(assignments)) == ([], 0)


async def test_planner_tells_another_missions_instrument_nothing(world: World) -> None:
    await world.make()
    await world.plan({"agent_id": world.instrument, "instant_action": {"command": "reset"}})
    world.names_the_holder(await world.dispatch())
    assert await world.count(instant_actions) == 0


async def test_instrument_that_was_reserved_since_the_group_before_gets_nothing(world: World) -> None:
    await world.make(held=False)
    await world.plan(work(world.vehicle), work(world.instrument, order=2))
    assert (await world.dispatch()).outcome is Outcome.DONE
    await world.hold()
    world.names_the_holder(await world.dispatch(group=1))
    assert world.sent == [world.vehicle]


async def test_one_that_is_reserved_at_the_moment_of_sending_gets_nothing(world: World) -> None:
    await world.make(held=False)
    await world.plan(work(world.instrument), wait_free_agent=False)
    async with world.database.transaction() as connection:
        run = await lock(connection, world.run)
        request, _, candidates = await enqueue(connection, run)  # which locks the instrument
        sending = asyncio.create_task(world.dispatch())
        await until_somebody_waits_for_a_lock(world.database)
        assert await try_grant(connection, run, request, candidates) is not None
    world.names_the_holder(await sending)
    assert world.sent == []


async def test_holder_itself_gives_it_work_and_commands(world: World) -> None:
    await world.make(held=False)
    await world.plan(work(world.instrument), {"agent_id": world.instrument, "instant_action": {"command": "reset"}})
    await world.reserve(world.instrument, world.other)
    assert (await world.dispatch()).outcome is Outcome.DONE
    assert world.sent == [world.instrument]
    assert await world.count(instant_actions) == 1


async def test_assignment_without_a_reservation_holds_an_instrument_and_no_vehicle(world: World) -> None:
    await world.make(held=False)
    await world.plan(work(world.instrument), work(world.vehicle), wait_free_agent=False)
    assert (await world.dispatch()).outcome is Outcome.DONE
    assert await world.held_by(world.other) == [world.instrument]
    assert not await world.grant()
    await world.end()
    assert await world.held_by(world.run) == [world.instrument]
    assert world.woken == [world.run]


async def test_who_gets_in_line_as_the_holder_ends_is_not_forgotten(world: World) -> None:
    await world.make(held=False)
    await world.plan(work(world.instrument))
    assert (await world.dispatch()).outcome is Outcome.DONE
    async with world.database.transaction() as connection:
        run = await lock(connection, world.run)
        request, _, candidates = await enqueue(connection, run)
        assert await try_grant(connection, run, request, candidates) is None
        ending = asyncio.create_task(world.end())
        await until_somebody_waits_for_a_lock(world.database)
    await ending
    assert world.woken == [world.run]


async def test_vehicle_gets_assignments_whoever_holds_it(world: World) -> None:
    await world.make()
    await world.plan(work(world.vehicle), agent_ids=[])
    await world.reserve(world.vehicle, world.run)
    assert (await world.dispatch()).outcome is Outcome.DONE
    assert world.sent == [world.vehicle]
