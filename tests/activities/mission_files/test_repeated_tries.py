"""The activities of mission files are tried again, late or twice: each change, event and command comes once."""

from typing import Any

import pytest
from sqlalchemy import select, update
from temporalio.testing import ActivityEnvironment

from activities.mission_files.command import ThreadCommands
from activities.mission_files.take_over import ThreadSuccessor
from activities.mission_files.threads import Threads
from activities.parts import Parts
from fleet.downlink import Delivery
from missions.contracts import Outcome
from missions.mission_files.contracts import (
    BeginSequence,
    CommandSent,
    EndSequence,
    EndThread,
    LoadThread,
    SendCommand,
    ShowThread,
    StartThreads,
    TakeOverThreads,
    ThreadEnd,
)
from missions.mission_files.reader import read_mission_file
from missions.mission_files.thread_status import Sequence, ThreadStatus
from settings import Settings
from store.database import Database
from store.device_tables import mission_files, mission_threads
from store.events import of_mission
from store.tables import assignments, work_processes
from tests.support.device_rows import DeviceRows

FILE = """
platform: {platformID: LJ01D}
mission:
  - instrumentID: ['PRE:CTD']
    schedule: {startTime: 2026-01-01T00:00:00, loop: {quantity: 3, value: 1, units: hrs}}
    missionSequence:
      - command: PRE:CTD, execute_resource(ACQUIRE_SAMPLE)
      - command: LJ01D, execute_resource(TURN_ON_PORT{1})
"""
DUE = "2026-01-01T00:00:00+00:00"


class Outside:
    """What is told to devices and to the engine."""

    def __init__(self) -> None:
        self.assigned: list[int] = []

    async def assign(self, agent: Any, message: Any) -> Delivery:
        self.assigned.append(message.id)
        return Delivery.DELIVERED

    async def send(self, batch: Any) -> None:
        pass


class World:
    """A run with one thread, as its activities see it."""

    def __init__(self, rows: DeviceRows) -> None:
        self.rows, self.outside = rows, Outside()
        # Stand-ins for what is told; nobody here asks for the last parts.
        parts = Parts(Settings(), rows.database, self.outside, self.outside, None, None, None, None)  # type: ignore[arg-type]  # unused
        self.threads, self.commands, self.successor = Threads(parts), ThreadCommands(parts), ThreadSuccessor(parts)
        self.of = {"work_process_id": rows.mission, "number": 0}

    async def send(self, index: int, serial: int) -> CommandSent:
        call = SendCommand(**self.of, sequence=Sequence.MAIN, index=index, serial=serial)
        sent: CommandSent = await ActivityEnvironment().run(self.commands.send_command, call)
        return sent

    async def told(self) -> list[str]:
        async with self.rows.database.transaction() as connection:
            events = await of_mission(connection, self.rows.mission)
        return [event.type for event in events if event.type.startswith("mission.")]

    async def thread(self) -> Any:
        async with self.rows.database.transaction() as connection:
            return (
                await connection.execute(
                    select(mission_threads).where(mission_threads.c.work_process_id == self.rows.mission)
                )
            ).one()

    async def put(self, status: str) -> None:
        async with self.rows.database.transaction() as connection:
            await connection.execute(
                update(work_processes).where(work_processes.c.id == self.rows.mission).values(status=status)
            )


@pytest.fixture
async def world(database: Database) -> World:
    rows = await DeviceRows.make(database, threads=1)
    plan = read_mission_file(FILE).plan
    assert plan is not None
    async with database.transaction() as connection:
        await connection.execute(
            update(mission_files)
            .where(mission_files.c.work_process_id == rows.mission)
            .values(plan=plan.model_dump(mode="json"), devices={"PRE:CTD": rows.instrument, "LJ01D": rows.platform})
        )
    return World(rows)


async def test_a_command_is_sent_once(world: World) -> None:
    first, again = await world.send(0, 1), await world.send(0, 1)
    assert first.assignment_id == again.assignment_id
    assert world.outside.assigned == [first.assignment_id]


async def test_another_attempt_is_another_command(world: World) -> None:
    first, second = await world.send(0, 1), await world.send(0, 2)
    assert world.outside.assigned == [first.assignment_id, second.assignment_id]


async def test_nothing_is_sent_for_a_mission_that_is_being_stopped(world: World) -> None:
    await world.put("canceling")
    assert (await world.send(0, 1)).outcome is Outcome.SUPERSEDED
    assert world.outside.assigned == []


async def test_a_platforms_command_is_no_hold_on_it(world: World) -> None:
    """It takes commands of many missions, so none of them releases it."""
    own, platforms = await world.send(0, 1), await world.send(1, 2)
    async with world.rows.database.transaction() as connection:
        rows = await connection.execute(
            select(assignments.c.id, assignments.c.released_at).where(
                assignments.c.work_process_id == world.rows.mission
            )
        )
        released = {row.id: row.released_at is not None for row in rows}
    assert released == {own.assignment_id: False, platforms.assignment_id: True}


async def test_threads_start_once(world: World) -> None:
    await world.put("preparing resources")
    call = StartThreads(work_process_id=world.rows.mission, attempt=1, transition=3)
    first, again = await world.threads.start_threads(call), await world.threads.start_threads(call)
    assert first == again
    assert first.outcome is Outcome.DONE
    assert await world.told() == ["mission.thread.started", "mission.started"]


async def test_threads_that_were_started_before_a_cancel_are_told_of(world: World) -> None:
    await world.put("preparing resources")
    call = StartThreads(work_process_id=world.rows.mission, attempt=1, transition=3)
    first = await world.threads.start_threads(call)
    await world.put("canceling")
    again = await world.threads.start_threads(call)
    assert again.outcome is Outcome.SUPERSEDED
    assert again.threads == first.threads


async def test_a_sequence_begins_and_ends_once(world: World) -> None:
    begin = BeginSequence(**world.of, loop=1)
    end = EndSequence(**world.of, loop=1, last=False, due=DUE)
    await world.threads.begin_sequence(begin)
    await world.threads.begin_sequence(begin)
    first, again = await world.threads.end_sequence(end), await world.threads.end_sequence(end)
    assert first == again
    assert first.start is not None
    assert first.start.due == "2026-01-01T01:00:00+00:00"
    assert await world.told() == ["mission.sequence.started", "mission.sequence.stopped"]


async def test_no_sequence_begins_once_the_mission_is_being_stopped(world: World) -> None:
    await world.put("canceling")
    begun = await world.threads.begin_sequence(BeginSequence(**world.of, loop=1))
    assert begun.outcome is Outcome.SUPERSEDED
    assert await world.told() == []


async def test_the_next_start_stays_as_it_is_when_a_thread_goes_on_as_a_new_run(world: World) -> None:
    await world.threads.load_thread(LoadThread(**world.of, begins=True))
    await world.threads.begin_sequence(BeginSequence(**world.of, loop=1))
    await world.threads.end_sequence(EndSequence(**world.of, loop=1, last=False, due=DUE))
    shown = (await world.thread()).next_start_at
    loaded = await world.threads.load_thread(LoadThread(**world.of, begins=False))
    assert loaded.start is None
    assert (await world.thread()).next_start_at == shown


async def test_no_late_try_of_a_thread_sends_once_another_run_has_taken_over(world: World) -> None:
    await world.put("preparing resources")
    await world.threads.start_threads(StartThreads(work_process_id=world.rows.mission, attempt=1, transition=3))
    first = await world.send(0, 1)
    take_over = TakeOverThreads(work_process_id=world.rows.mission, attempt=1, transition=1003)
    taken, again = [await ActivityEnvironment().run(world.successor.take_over_threads, take_over) for _ in range(2)]
    assert taken == again
    assert taken.under_way == [first.assignment_id]
    assert (await world.send(0, 2)).outcome is Outcome.SUPERSEDED
    assert world.outside.assigned == [first.assignment_id]
    assert (await world.thread()).status == ThreadStatus.STOPPED
    assert (await world.told()).count("mission.thread.stopped") == 1


@pytest.mark.parametrize("end", list(ThreadEnd))
async def test_a_thread_ends_once_and_a_late_try_does_not_revive_it(world: World, end: ThreadEnd) -> None:
    call = EndThread(**world.of, end=end, error="It is broken." if "abort" in end else "")
    await world.threads.end_thread(call)
    ended = await world.thread()
    await world.threads.end_thread(call)
    await world.threads.show_thread(ShowThread(**world.of, status=ThreadStatus.RUNNING, command="late"))
    assert await world.thread() == ended
    assert await world.told() == ["mission.thread.stopped"]
    assert (ended.error or "") == call.error
