"""Events for event-driven threads: kept while armed, in order, each taken once, and none lost."""

import asyncio

import pytest
from sqlalchemy import select, update

from missions.mission_files.contracts import ThreadSignal
from store import thread_events
from store.connection import Connection
from store.database import Database
from store.device_tables import mission_threads
from store.device_tables import thread_events as rows
from store.tables import wakeups
from store.thread_events import OVER, Raised
from store.wakeups import Wakeup
from tests.support.device_rows import DeviceRows
from tests.support.locks import until_somebody_waits_for_a_lock


class Threads(DeviceRows):
    """With what only these tests do."""

    async def raise_(self, *events: str) -> list[Wakeup]:
        async with self.database.transaction() as connection:
            return await thread_events.raise_all(connection, [Raised(self.instrument, (event,)) for event in events])

    async def disarm(self, *numbers: int) -> None:
        async with self.database.transaction() as connection:
            await thread_events.disarm(connection, self.mission, numbers)

    async def forget(self, number: int) -> None:
        async with self.database.transaction() as connection:
            await thread_events.forget(connection, self.mission, number)

    async def status(self, number: int) -> str:
        mine = (mission_threads.c.work_process_id == self.mission) & (mission_threads.c.number == number)
        async with self.database.statement() as connection:
            return str(await connection.scalar(select(mission_threads.c.status).where(mine)))

    async def asleep(self, number: int) -> bool:
        mine = (mission_threads.c.work_process_id == self.mission) & (mission_threads.c.number == number)
        async with self.database.transaction() as connection:
            return bool(await connection.scalar(select(mission_threads.c.asleep).where(mine)))


@pytest.fixture
async def threads(database: Database) -> Threads:
    made = await DeviceRows.make(database)
    return Threads(**vars(made))


async def test_a_thread_gets_only_what_is_raised_while_it_is_armed(threads: Threads) -> None:
    await threads.raise_("atStep")
    await threads.arm(0)
    await threads.raise_("atCeiling", "atStep", "AtStep")
    await threads.disarm(0)
    await threads.raise_("atStep")
    assert await threads.take(0, 0) == "atStep"
    assert await threads.take(0, 1) is OVER


async def test_a_thread_waits_from_the_moment_at_which_it_is_armed(threads: Threads) -> None:
    assert await threads.status(0) == "not_started"
    await threads.arm(0)
    assert await threads.status(0) == "waiting"


async def test_an_event_of_another_agent_is_not_kept(threads: Threads) -> None:
    await threads.arm(0, source=threads.instrument + 1)
    assert await threads.raise_("atStep") == []
    assert await threads.kept(0) == 0


@pytest.mark.parametrize("written", ["STOP_AUTOSAMPLE", "DRIVER_EVENT_STOP_AUTOSAMPLE"])
@pytest.mark.parametrize("raised", ["STOP_AUTOSAMPLE", "DRIVER_EVENT_STOP_AUTOSAMPLE"])
async def test_a_command_is_the_same_event_under_both_of_its_names(threads: Threads, written: str, raised: str) -> None:
    await threads.arm(0, written)
    await threads.raise_(raised)
    assert await threads.take(0, 0) == written  # as the file says it


async def test_an_event_that_matches_by_two_names_is_one(threads: Threads) -> None:
    await threads.arm(0, "atStep")
    await threads.arm(1, "5 m")
    async with threads.database.transaction() as connection:
        await thread_events.raise_all(
            connection,
            [Raised(threads.instrument, ("atStep", "atStep")), Raised(threads.instrument, ("atStep", "5 m"))],
        )
    assert (await threads.kept(0), await threads.kept(1)) == (2, 1)


async def test_each_event_is_taken_once_and_again_only_by_the_same_take(threads: Threads) -> None:
    await threads.arm(0)
    await threads.raise_("atStep", "atStep")
    assert [await threads.take(0, 0) for _ in range(2)] == ["atStep"] * 2
    assert await threads.take(0, 1) == "atStep"
    assert await threads.take(0, 2) is None
    await threads.raise_("atStep")
    assert [await threads.take(0, 2) for _ in range(2)] == ["atStep"] * 2
    assert await threads.take(0, 3) is None


async def test_a_take_that_comes_too_late_takes_nothing_from_the_next(threads: Threads) -> None:
    await threads.arm(0)
    await threads.raise_("atStep")
    assert await threads.take(0, 0) == "atStep"
    assert await threads.take(0, 1) is None
    await threads.raise_("atStep", "atStep")
    await threads.take(0, 0)  # a try that hung for long: its answer is nobody's
    assert await threads.take(0, 1) == "atStep"
    await threads.take(0, 0)
    assert await threads.take(0, 2) == "atStep"
    await threads.raise_("atStep")
    await threads.take(0, 0)
    assert await threads.take(0, 3) == "atStep"
    assert await threads.take(0, 4) is None


async def test_a_sleeping_thread_is_woken_once_however_much_follows(threads: Threads) -> None:
    await threads.arm(0)
    await threads.arm(1)
    assert await threads.take(0, 0) is None
    woken = [wakeup for _ in range(20) for wakeup in await threads.raise_(*["atStep"] * 50)]
    assert [(wakeup.signal, wakeup.payload) for wakeup in woken] == [(ThreadSignal.EVENT_RAISED, {})]
    assert woken[0].workflow_id.endswith("-0")
    assert (await threads.kept(0), await threads.kept(1)) == (1000, 1000)
    async with threads.database.transaction() as connection:
        assert await connection.scalar(select(wakeups.c.work_process_id).where(wakeups.c.id == woken[0].id))


async def test_events_are_taken_in_the_order_in_which_they_were_raised(threads: Threads) -> None:
    await threads.arm(0)
    await threads.raise_(*["atStep"] * 5)
    async with threads.database.transaction() as connection:
        ids = list(
            await connection.scalars(
                select(rows.c.id).where(rows.c.work_process_id == threads.mission).order_by(rows.c.id)
            )
        )
    taken = []
    for served in range(5):
        await threads.take(0, served)
        async with threads.database.transaction() as connection:
            taken += list(
                await connection.scalars(
                    select(rows.c.id).where(rows.c.work_process_id == threads.mission, rows.c.taken_as == served + 1)
                )
            )
    assert taken == ids


async def test_what_was_raised_before_the_disarming_is_served_then_it_is_over(threads: Threads) -> None:
    await threads.arm(0)
    await threads.raise_("atStep", "atStep")
    await threads.disarm(0, 1)
    assert [await threads.take(0, served) for served in range(3)] == ["atStep", "atStep", OVER]
    assert await threads.take(1, 0) is OVER
    assert not await threads.asleep(0)


async def test_a_thread_is_armed_once_for_good(threads: Threads) -> None:
    """An attempt of the activity that comes late must neither lose what was raised nor arm a thread that has ended."""
    await threads.arm(0)
    assert await threads.take(0, 0) is None
    await threads.arm(0)
    assert len(await threads.raise_("atStep")) == 1
    await threads.arm(0)
    assert await threads.take(0, 0) == "atStep"
    await threads.disarm(0)
    await threads.arm(0)
    assert await threads.raise_("atStep") == []
    await threads.disarm(1)
    await threads.arm(1)
    assert await threads.take(1, 0) is OVER


async def test_nothing_is_left_of_a_thread_that_has_ended(threads: Threads) -> None:
    await threads.arm(0)
    await threads.arm(1)
    await threads.raise_("atStep")
    await threads.forget(0)
    await threads.raise_("atStep")
    assert (await threads.kept(0), await threads.kept(1)) == (0, 2)


async def test_an_event_that_is_raised_while_a_take_is_under_way_wakes_the_thread(threads: Threads) -> None:
    await threads.arm(0)
    async with threads.database.transaction() as connection:
        assert await thread_events.take(connection, threads.mission, 0, 0) is None
        raising = asyncio.create_task(threads.raise_("atStep"))
        await until_somebody_waits_for_a_lock(threads.database)
    assert len(await raising) == 1
    assert await threads.take(0, 0) == "atStep"


async def test_a_take_waits_for_an_event_that_is_just_being_raised(threads: Threads) -> None:
    await threads.arm(0)
    async with threads.database.transaction() as connection:
        assert await thread_events.raise_(connection, threads.instrument, "atStep") == []
        taking = asyncio.create_task(threads.take(0, 0))
        await until_somebody_waits_for_a_lock(threads.database)
    assert await taking == "atStep"


async def test_nothing_is_kept_for_a_thread_that_is_just_being_disarmed(threads: Threads) -> None:
    await threads.arm(0)
    async with threads.database.transaction() as connection:
        await thread_events.forget(connection, threads.mission, 0)
        raising = asyncio.create_task(threads.raise_("atStep"))
        await until_somebody_waits_for_a_lock(threads.database)
    assert await raising == []
    assert await threads.kept(0) == 0


async def test_those_who_raise_for_the_same_threads_do_not_block_each_other_for_ever(threads: Threads) -> None:
    """Whatever the order of the rows in the table: the threads are locked by their numbers."""
    for number in range(3):
        await threads.arm(number, f"e{number}")
        async with threads.database.transaction() as connection:  # the rows stand in the other order
            await connection.execute(
                update(mission_threads).where(mission_threads.c.number == 0).values(loop=mission_threads.c.loop + 1)
            )
    await asyncio.gather(*(threads.raise_(*order) for order in [("e0", "e1", "e2"), ("e2", "e1", "e0")] * 20))
    assert [await threads.kept(number) for number in range(3)] == [40, 40, 40]


async def test_no_event_is_lost_and_none_served_twice_between_many_raisers_and_a_taker(threads: Threads) -> None:
    """The taker does as the thread does: it sleeps until it is woken, and only then looks again."""
    await threads.arm(0)
    woken = asyncio.Semaphore(0)
    signals = 0

    async def raises() -> None:
        nonlocal signals
        for _ in range(25):
            for _ in await threads.raise_("atStep"):
                signals += 1
                woken.release()

    async def takes() -> int:
        served = 0
        while served < 100:
            if await threads.take(0, served) is None:
                await asyncio.wait_for(woken.acquire(), 10)
            else:
                served += 1
        return served

    taker = asyncio.create_task(takes())
    await asyncio.gather(*(raises() for _ in range(4)))
    assert await taker == 100
    assert await threads.take(0, 100) is None
    assert signals <= 100


async def test_an_event_that_nobody_waits_for_costs_one_statement(threads: Threads) -> None:
    class Counting(Connection):
        statements = 0

        async def execute(self, *arguments: object, **named: object) -> object:  # type: ignore[override]
            Counting.statements += 1
            return await super().execute(*arguments, **named)  # type: ignore[arg-type]

    async with threads.database.transaction() as connection:
        counting = Counting(connection._driver)
        assert await thread_events.raise_all(counting, [Raised(threads.instrument, ("atStep",))] * 100) == []
    assert Counting.statements == 1
