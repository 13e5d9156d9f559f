"""The line of missions without agents, on real PostgreSQL with many connections at once."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, func, select, text, update

from missions.events import EventSource, utc_now
from missions.principals import MUSTER
from missions.priorities import Priority
from store import events as event_log
from store import slot_limits, slots
from store.database import Database
from store.slot_reasons import limit_reached, slot_reasons
from store.tables import slots as slots_table
from store.tables import wakeups, work_process_types, work_processes
from store.wakeups import Wakeup
from store.work_process_status import lock
from tests.support.locks import until_somebody_waits_for_a_lock
from tests.support.rows import Rows


class Line(Rows):
    """Missions without agents, by recipe."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.missions: list[int] = []
        self.recipe = f"chat-{secrets.token_hex(4)}"

    async def limit(self, overall: int | None) -> list[int]:
        """Change the overall limit; returns the missions that this lets run."""
        async with self.database.transaction() as connection:
            await slot_limits.set_overall(connection, overall, principal=MUSTER, source=EventSource.API)
        return await self.move_up()

    async def limit_recipe(self, most: int | None) -> None:
        await self.made(work_process_types, name=self.recipe, max_concurrent=most)

    async def mission(self, priority: int = 20, recipe: str = "") -> int:
        mission = await self.made(
            work_processes,
            work_process_type_name=recipe or self.recipe,
            status="dispatched",
            priority=priority,
            created_by={},
            workflow_id=secrets.token_hex(8),
        )
        self.missions.append(mission)
        return mission

    async def arrive(self, mission: int) -> bool:
        """What its activity does; whether it may run at once."""
        async with self.database.transaction() as connection:
            work_process = await lock(connection, mission)
            taken = await slots.take(connection, work_process)
            values = {"started_at": taken.started_at}
            await event_log.append_for_mission(
                connection, mission, taken.started, attempt=work_process.attempt, values=values
            )
        return taken.held

    async def come(self, priority: int = 20, recipe: str = "") -> tuple[int, bool]:
        mission = await self.mission(priority, recipe)
        return mission, await self.arrive(mission)

    async def end(self, mission: int, status: str = "succeeded") -> list[int]:
        """What its last activity does; returns the missions that run now in its place."""
        async with self.database.transaction() as connection:
            await lock(connection, mission)
            await connection.execute(update(work_processes).where(work_processes.c.id == mission).values(status=status))
            await slots.leave(connection, mission)
        return await self.move_up()

    async def move_up(self) -> list[int]:
        return [self._mission(wakeup) for wakeup in await slots.move_up(self.database)]

    def _mission(self, wakeup: Wakeup) -> int:
        assert wakeup.signal == "slot_granted"
        assert wakeup.work_process_id is not None
        return wakeup.work_process_id

    async def waited(self, mission: int, minutes: float) -> None:
        """As if it had come so much earlier."""
        earlier = timedelta(minutes=minutes)
        async with self.database.transaction() as connection:
            await connection.execute(
                update(slots_table)
                .where(slots_table.c.work_process_id == mission)
                .values(enqueued_at=slots_table.c.enqueued_at - earlier, score_key=slots_table.c.score_key - earlier)
            )

    async def running(self) -> int:
        async with self.database.statement() as connection:
            return int(await connection.scalar(select(func.count()).where(slots_table.c.held)) or 0)

    async def events(self, mission: int) -> list[Any]:
        async with self.database.transaction() as connection:
            return await event_log.of_mission(connection, mission)


@pytest.fixture
async def line(database: Database) -> AsyncIterator[Line]:
    line = Line(database)
    async with database.transaction() as connection:
        await connection.execute(delete(slots_table))
    yield line
    async with database.transaction() as connection:
        await connection.execute(delete(slots_table))
        await connection.execute(text("DELETE FROM slot_limits"))
        await connection.execute(wakeups.delete().where(wakeups.c.work_process_id.in_(line.missions)))
        await connection.execute(
            update(work_processes).where(work_processes.c.id.in_(line.missions)).values(status="succeeded")
        )


async def test_without_a_limit_everybody_runs_and_no_lock_is_taken(line: Line) -> None:
    async with line.database.transaction() as connection:
        await slots.lock_line(connection)  # held by somebody else
        async with asyncio.timeout(5):
            assert [(await line.come())[1] for _ in range(5)] == [True] * 5


async def test_a_repeated_call_finds_the_slot_and_tells_of_the_start_once(line: Line) -> None:
    mission, held = await line.come(Priority.HIGH)
    assert held
    assert await line.arrive(mission)
    (started,) = await line.events(mission)
    assert started.type == "task.started"
    assert started.payload["score"] == 30
    assert await line.running() == 1


async def test_twenty_at_once_never_exceed_the_limit(line: Line) -> None:
    await line.limit(3)
    missions = [await line.mission() for _ in range(20)]
    most = 0

    async def live(mission: int) -> None:
        nonlocal most
        if not await line.arrive(mission):
            await granted[mission].wait()
        most = max(most, await line.running())
        for other in await line.end(mission):
            granted[other].set()

    granted = {mission: asyncio.Event() for mission in missions}
    async with asyncio.timeout(20):
        await asyncio.gather(*(live(mission) for mission in missions))
    assert most == 3
    assert await line.running() == 0


async def test_a_raised_limit_lets_exactly_as_many_more_run_and_a_lowered_one_stops_nobody(line: Line) -> None:
    await line.limit(1)
    came = [await line.come() for _ in range(6)]
    missions = [mission for mission, _ in came]
    assert [held for _, held in came] == [True, *[False] * 5]
    assert await line.limit(3) == missions[1:3]
    assert await line.limit(2) == []
    assert await line.running() == 3
    assert await line.end(missions[0]) == []
    assert await line.end(missions[1]) == [missions[3]]
    assert await line.limit(None) == missions[4:]


async def test_a_freed_slot_goes_to_the_highest_score_then_to_who_came_first(line: Line) -> None:
    await line.limit(1)
    first, _ = await line.come()
    low, normal, high, second_high, critical = [
        (await line.come(priority))[0]
        for priority in (Priority.LOW, Priority.NORMAL, Priority.HIGH, Priority.HIGH, Priority.CRITICAL)
    ]
    order, running = [], first
    while got := await line.end(running):
        (running,) = got
        order.append(running)
    assert order == [critical, high, second_high, normal, low]


async def test_an_equal_score_is_served_in_the_order_of_arrival(line: Line) -> None:
    await line.limit(1)
    first, _ = await line.come()
    earlier, later = (await line.come(Priority.LOW))[0], (await line.come(Priority.LOW))[0]
    async with line.database.transaction() as connection:
        same = select(slots_table.c.score_key).where(slots_table.c.work_process_id == later).scalar_subquery()
        await connection.execute(
            update(slots_table).where(slots_table.c.work_process_id == earlier).values(score_key=same)
        )
    assert await line.end(first) == [earlier]
    assert await line.end(earlier) == [later]


async def test_low_under_steady_high_load_gets_its_turn_after_twenty_minutes(line: Line) -> None:
    await line.limit(1)
    running, _ = await line.come(Priority.HIGH)
    low, _ = await line.come(Priority.LOW)
    minutes = 0
    while running != low:
        high, _ = await line.come(Priority.HIGH)
        (running,) = await line.end(running)
        if running != low:  # a minute passes for it, and the HIGH one that came in it is served
            assert running == high
            await line.waited(low, 1)
            minutes += 1
    assert minutes == 20  # overtaken by those that came within the difference of priorities, and by no others
    started = [event for event in await line.events(low) if event.type == "task.started"]
    assert 30 <= started[0].payload["score"] < 31


async def test_a_full_recipe_holds_up_nobody_and_its_limit_is_read_when_it_counts(line: Line) -> None:
    await line.limit_recipe(1)
    await line.limit(10)
    first, held = await line.come()
    second, waits = await line.come(Priority.CRITICAL)
    assert (held, waits) == (True, False)
    assert (await line.come(Priority.LOW, "another"))[1]
    async with line.database.transaction() as connection:
        reasons = await slot_reasons(connection, [first, second])
        await connection.execute(delete(work_process_types).where(work_process_types.c.name == line.recipe))
    assert list(reasons) == [second]
    assert reasons[second][0]["code"] == "slot"
    assert "`maxConcurrent` is 1; it is number 1 of 1" in reasons[second][0]["text"]
    assert await line.move_up() == [second]  # a deleted recipe has no limit


async def test_a_canceled_mission_in_front_holds_up_nobody(line: Line) -> None:
    await line.limit(1)
    first, _ = await line.come()
    canceled, _ = await line.come(Priority.CRITICAL)
    then, _ = await line.come()
    async with line.database.transaction() as connection:
        await connection.execute(
            update(work_processes).where(work_processes.c.id == canceled).values(status="canceling")
        )
    assert await line.end(first) == [then]


async def test_a_missed_grant_is_made_up_for(line: Line) -> None:
    await line.limit(1)
    first, _ = await line.come()
    second, _ = await line.come()
    async with line.database.transaction() as connection:  # and its process died
        await slots.leave(connection, first)
    assert await line.move_up() == [second]


async def test_a_slot_that_no_open_mission_holds_is_freed(line: Line) -> None:
    await line.limit(2)
    ended, _ = await line.come()
    retried, _ = await line.come()
    waiting = [(await line.come())[0] for _ in range(2)]
    async with line.database.transaction() as connection:
        change = update(work_processes)
        await connection.execute(change.where(work_processes.c.id == ended).values(status="failed"))
        await connection.execute(change.where(work_processes.c.id == retried).values(attempt=2))
    assert await slots.free_unheld(line.database, timedelta(minutes=1)) == []  # it may be about to be given back
    assert await slots.free_unheld(line.database, timedelta(0)) == [ended, retried]
    assert await slots.free_unheld(line.database, timedelta(0)) == []
    assert await line.move_up() == waiting


async def test_each_attempt_takes_a_slot_of_its_own(line: Line) -> None:
    await line.limit(1)
    mission, _ = await line.come()
    async with line.database.transaction() as connection:
        await slots.leave(connection, mission)
        await connection.execute(update(work_processes).where(work_processes.c.id == mission).values(attempt=2))
    assert await line.arrive(mission)
    assert [event.payload["retry_count"] for event in await line.events(mission)] == [0, 1]


async def test_a_grant_is_signalled_with_its_cause(line: Line) -> None:
    await line.limit(0)
    mission, held = await line.come()
    assert not held
    before = utc_now()
    assert await line.limit(1) == [mission]
    async with line.database.transaction() as connection:
        left: Sequence[Any] = (
            await connection.execute(select(wakeups).where(wakeups.c.work_process_id == mission))
        ).all()
        row = (
            await connection.execute(select(work_processes.c.started_at).where(work_processes.c.id == mission))
        ).one()
    assert [(one.signal, one.payload) for one in left] == [("slot_granted", {"attempt": 1})]
    assert row.started_at >= before


async def test_a_place_of_an_ended_attempt_gets_nothing(line: Line) -> None:
    await line.limit(0)
    retried, then = [(await line.come())[0] for _ in range(2)]
    async with line.database.transaction() as connection:
        await connection.execute(update(work_processes).where(work_processes.c.id == retried).values(attempt=2))
    assert await line.limit(1) == [then]


async def test_who_changes_the_limit_waits_for_those_who_get_in_line_by_the_old_one(line: Line) -> None:
    await line.limit(1)
    async with line.database.transaction() as connection:
        await slots.lock_line(connection)
        change = asyncio.create_task(line.limit(5))
        await until_somebody_waits_for_a_lock(line.database)
        assert await connection.scalar(text("SELECT overall FROM slot_limits")) == 1
    await change


async def test_who_arrives_learns_which_limit_is_reached_but_not_its_place(line: Line) -> None:
    await line.limit_recipe(1)
    await line.come()
    mission, held = await line.come()
    assert not held
    async with line.database.transaction() as connection:
        (reason,) = await limit_reached(connection, await lock(connection, mission))
        (shown,) = (await slot_reasons(connection, [mission]))[mission]
    assert reason["text"].endswith("and its `maxConcurrent` is 1")
    assert shown["text"] == f"{reason['text']}; it is number 1 of 1 in line, and number 1 of this recipe's"
    assert reason | {"text": ""} == shown | {"text": ""}
