"""What a mission's threads tell of themselves: they start, their sequences begin and end, they end."""

from datetime import datetime

from temporalio import activity

from activities.parts import Parts
from missions.contracts import Outcome
from missions.events import EventSource, utc_now
from missions.mission_files.contracts import (
    BeginSequence,
    EndSequence,
    EndThread,
    FileActivity,
    LoadedThread,
    LoadThread,
    NextStart,
    SequenceBegun,
    SequenceEnded,
    ShowThread,
    StartedThread,
    StartThreads,
    ThreadEnd,
    ThreadsStarted,
)
from missions.mission_files.grid import first_start, next_start
from missions.mission_files.thread_status import ThreadStatus
from missions.principals import MUSTER
from missions.statuses import WorkProcessStatus
from store import events, mission_files, mission_threads, thread_events
from store.mission_files import Run
from store.work_process_status import change, lock

_ENDS = {
    ThreadEnd.DONE: ThreadStatus.DONE,
    ThreadEnd.ABORTED: ThreadStatus.ABORTED,
    ThreadEnd.ABORT_MISSION: ThreadStatus.ABORTED,
    ThreadEnd.STOPPED: ThreadStatus.STOPPED,
}


def _next_start(run: Run, due: datetime) -> NextStart:
    return NextStart(at=run.time.real(due).timestamp(), due=due.isoformat())


class Threads:
    """The activities `start_threads`, `load_thread`, `show_thread`, `begin_` and `end_sequence`, `end_thread`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @activity.defn(name=FileActivity.START_THREADS)
    async def start_threads(self, call: StartThreads) -> ThreadsStarted:
        """The mission has its instruments and executes; idempotent."""
        async with self._parts.database.transaction() as connection:
            work_process = await lock(connection, call.work_process_id, attempt=call.attempt)
            if work_process.superseded and not await mission_threads.any_started(connection, call.work_process_id):
                return ThreadsStarted(outcome=Outcome.SUPERSEDED)
            run = await mission_files.read(connection, call.work_process_id)
            threads = await mission_files.outlines(connection, call.work_process_id)
            if work_process.status is WorkProcessStatus.PREPARING_RESOURCES:
                life = run.lifecycle
                await change(
                    connection,
                    work_process,
                    WorkProcessStatus.EXECUTING,
                    principal=MUSTER,
                    source=EventSource.MISSION_WORKER,
                    transition=call.transition,
                    also=[*(life.thread_started(thread.number) for thread in threads), life.started()],
                )
                await mission_threads.start(connection, call.work_process_id)
        return ThreadsStarted(
            outcome=Outcome.SUPERSEDED if work_process.superseded else Outcome.DONE,
            threads=[StartedThread.of(thread, run.devices) for thread in threads],
        )

    @activity.defn(name=FileActivity.LOAD_THREAD)
    async def load_thread(self, call: LoadThread) -> LoadedThread:
        """What the thread is to do, and a timed one's first start as seen from now."""
        async with self._parts.database.transaction() as connection:
            thread = await mission_files.thread(connection, call.work_process_id, call.number)
            if thread.timing is None or not call.begins:
                return LoadedThread(plan=thread)
            run = await mission_files.read(connection, call.work_process_id)
            start = first_start(thread.timing, run.time.at(utc_now()))
            await mission_threads.plan_start(connection, call.work_process_id, call.number, start)
        return LoadedThread(plan=thread, start=_next_start(run, start))

    @activity.defn(name=FileActivity.SHOW_THREAD)
    async def show_thread(self, call: ShowThread) -> None:
        """What the thread does now."""
        async with self._parts.database.statement() as connection:
            await mission_threads.show(connection, call.work_process_id, call.number, call.status, command=call.command)

    @activity.defn(name=FileActivity.BEGIN_SEQUENCE)
    async def begin_sequence(self, call: BeginSequence) -> SequenceBegun:
        """The mission sequence starts; once for each loop, and in no mission that is being aborted."""
        async with self._parts.database.transaction() as connection:
            work_process = await lock(connection, call.work_process_id)
            if work_process.superseded:
                return SequenceBegun(outcome=Outcome.SUPERSEDED)
            if await mission_threads.loop_of(connection, call.work_process_id, call.number) >= call.loop:
                return SequenceBegun(outcome=Outcome.DONE)
            run = await mission_files.read(connection, call.work_process_id)
            await mission_threads.show(
                connection, call.work_process_id, call.number, ThreadStatus.RUNNING, loop=call.loop
            )
            started = run.lifecycle.sequence_started(call.number, call.loop, call.event)
            await events.append_for_mission(connection, call.work_process_id, [started])
        return SequenceBegun(outcome=Outcome.DONE)

    @activity.defn(name=FileActivity.END_SEQUENCE)
    async def end_sequence(self, call: EndSequence) -> SequenceEnded:
        """The mission sequence has ended well; a timed thread's next start, fixed here."""
        async with self._parts.database.transaction() as connection:
            work_process = await lock(connection, call.work_process_id)
            run = await mission_files.read(connection, call.work_process_id)
            thread = (await mission_files.outlines(connection, call.work_process_id))[call.number]
            life = run.lifecycle
            start = None
            if thread.timing is not None:
                assert call.due is not None
                start = None if call.last else next_start(thread.timing, datetime.fromisoformat(call.due))
                ended = life.loop_ended(call.number, call.loop, thread.timing.quantity, start)
            else:
                assert thread.trigger is not None
                ended = life.event_served(call.number, call.loop, thread.trigger.event, last=call.last)
            # In an aborted mission it may not have been begun, and nobody waits for the next one.
            told = not work_process.superseded and await mission_threads.end_loop(
                connection, call.work_process_id, call.number, call.loop, start, last=call.last
            )
            if told:
                await events.append_for_mission(connection, call.work_process_id, [ended])
        return SequenceEnded(start=None if start is None else _next_start(run, start))

    @activity.defn(name=FileActivity.END_THREAD)
    async def end_thread(self, call: EndThread) -> None:
        """The thread has ended; once."""
        async with self._parts.database.transaction() as connection:
            await lock(connection, call.work_process_id)
            if not await mission_threads.end(connection, call.work_process_id, call.number, _ENDS[call.end]):
                return
            await thread_events.forget(connection, call.work_process_id, call.number)
            if call.error:
                await mission_threads.note_error(connection, call.work_process_id, call.number, call.error)
            life = (await mission_files.read(connection, call.work_process_id)).lifecycle
            if call.end is ThreadEnd.DONE:
                ended = life.thread_ended(call.number)
            elif call.end is ThreadEnd.STOPPED:
                ended = life.thread_stopped(call.number)
            else:
                ended = life.thread_failed(call.number, call.error)
            await events.append_for_mission(connection, call.work_process_id, [ended])
