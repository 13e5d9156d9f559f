"""Slots are given on at once by whoever frees one, or finds one free: nobody waits for the relay here."""

import secrets
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import delete, insert, select, update
from temporalio.testing import ActivityEnvironment

from activities.end_attempt import AttemptEnder
from activities.finish_mission import Finisher
from activities.take_slot import SlotTaker
from missions.contracts import EndAttempt, FinishMission, Outcome, TakeSlot
from missions.errors import Failure, FailureCode
from store.database import Database
from store.tables import slot_limits, slots, work_processes
from tests.activities.test_settle_failed_assignment import Outside, World
from tests.support.rows import Rows


class Line(Rows):
    """Missions without agents, of which one may run at once."""

    async def mission(self) -> int:
        return await self.made(
            work_processes,
            work_process_type_name="chat",
            created_by={},
            workflow_id=secrets.token_hex(8),
            max_retries=2,
            status="dispatched",
        )

    async def take(self, mission: int, outside: Outside) -> Outcome:
        taker = SlotTaker(World(self.database, 0, mission, []).parts(outside))
        call = TakeSlot(work_process_id=mission, attempt=1, transition=3)
        return (await ActivityEnvironment().run(taker.take_slot, call)).outcome

    async def held(self) -> list[int]:
        async with self.database.statement() as connection:
            rows = await connection.execute(select(slots.c.work_process_id).where(slots.c.held))
            return list(rows.scalars())


@pytest.fixture
async def line(database: Database) -> AsyncIterator[Line]:
    async with database.transaction() as connection:
        await connection.execute(delete(slots))
        await connection.execute(insert(slot_limits).values(only=True, overall=1, changed_by={}))
    yield Line(database)
    async with database.transaction() as connection:
        await connection.execute(delete(slots))
        await connection.execute(delete(slot_limits))


@pytest.mark.parametrize("end", ["succeeds", "is tried again"])
async def test_slot_of_a_mission_that_ends_an_attempt_is_given_to_the_next(line: Line, end: str) -> None:
    first, then, outside = await line.mission(), await line.mission(), Outside()
    assert await line.take(first, outside) is Outcome.DONE
    assert await line.take(then, outside) is Outcome.WAITING
    parts, numbers = World(line.database, 0, first, []).parts(outside), {"work_process_id": first, "attempt": 1}
    async with line.database.transaction() as connection:
        status = "calculating" if end == "succeeds" else "planning_failed"
        await connection.execute(update(work_processes).where(work_processes.c.id == first).values(status=status))
    if end == "succeeds":
        await Finisher(parts).finish_mission(FinishMission(**numbers, transition=9, status="succeeded"))
    else:
        failure = Failure(code=FailureCode.PLANNING_FAILED, text="no way")
        await AttemptEnder(parts).end_attempt(EndAttempt(**numbers, transition=9, failure=failure))
    assert await line.held() == [then]
    assert outside.said == [("wake", then)]


async def test_who_finds_a_free_slot_but_somebody_before_it_gives_it_to_that_one(line: Line) -> None:
    first, before, last, outside = await line.mission(), await line.mission(), await line.mission(), Outside()
    assert await line.take(first, outside) is Outcome.DONE
    assert await line.take(before, outside) is Outcome.WAITING
    async with line.database.transaction() as connection:  # whoever freed it died before it gave it on
        await connection.execute(delete(slots).where(slots.c.work_process_id == first))
    assert await line.take(last, outside) is Outcome.WAITING
    assert await line.held() == [before]
    assert outside.said == [("wake", before)]
