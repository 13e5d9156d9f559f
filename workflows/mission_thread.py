"""One thread of a mission file: its pre sequence at once, its mission sequence by the clock or by events, its post.

A run of its own below the mission's, so that an endless thread can go on as a new run while its mission waits for it.
"""

import asyncio
import contextlib
from collections.abc import Sequence

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from missions.contracts import AssignmentCancelWish, AssignmentEnded, Outcome, PauseWish, Signal
    from missions.mission_files.contracts import (
        MISSION_THREAD,
        BeginSequence,
        EndSequence,
        EndThread,
        EventRaised,
        EventTaken,
        FileActivity,
        FileSignal,
        LoadedThread,
        LoadThread,
        SequenceBegun,
        SequenceEnded,
        ShowThread,
        TakeEvent,
        ThreadCall,
        ThreadEnd,
        ThreadEnded,
        ThreadSignal,
        ThreadStands,
        ThreadStart,
    )
    from missions.mission_files.plan import ENDLESS, ThreadPlan, Timing, Trigger
    from missions.mission_files.thread_status import Sequence as Part
    from missions.mission_files.thread_status import ThreadStatus

from workflows import side_tasks
from workflows.acting import act
from workflows.options import ENDING
from workflows.thread_commands import run_all
from workflows.thread_state import Aborted, Continues, Stopped, Thread
from workflows.through_cancels import through_cancels


@workflow.defn(name=MISSION_THREAD)
class MissionThread:
    """One thread, from the grant of its instruments to its end."""

    @workflow.init
    def __init__(self, start: ThreadStart) -> None:
        self._thread = Thread(start)

    @workflow.run
    async def run(self, start: ThreadStart) -> ThreadEnded:
        """Returns how the thread ended; never fails because a command did."""
        telling = asyncio.create_task(self._tell_of_pauses())
        ended = await through_cancels(self._live(), self._cancelled)
        if ended is None and self._thread.stopping:
            # A run that follows would not hear of the cancel that this one got in its last moment.
            ended = await through_cancels(self._end(ThreadEnd.STOPPED), self._cancelled)
        side_tasks.end(telling)
        if ended is None:
            workflow.continue_as_new(self._thread.continued())
        return ended

    @workflow.signal(name=Signal.ASSIGNMENT_ENDED)
    def assignment_ended(self, report: AssignmentEnded) -> None:
        """A device's last word on a command."""
        self._thread.ended.setdefault(report.assignment_id, report.status)

    @workflow.signal(name=Signal.CANCEL_ASSIGNMENT)
    def cancel_command(self, wish: AssignmentCancelWish) -> None:
        """Cancel one command alone; its policy says what follows."""
        self._thread.cancels_wished.add(wish.assignment_id)

    @workflow.signal(name=ThreadSignal.EVENT_RAISED)
    def event_raised(self, _: EventRaised) -> None:
        """What the thread waits for has happened."""
        self._thread.raised = True

    @workflow.signal(name=ThreadSignal.TIMED_THREADS_ENDED)
    def timed_threads_ended(self) -> None:
        """Nothing more is raised for the thread."""
        self._thread.raised = True

    @workflow.signal(name=ThreadSignal.PAUSE)
    def pause(self, wish: PauseWish) -> None:
        """Hold before the next command, or go on."""
        if wish.number > self._thread.pause.number:
            self._thread.pause = wish

    @workflow.signal(name=ThreadSignal.HALT)
    def halt(self) -> None:
        """Wait for no device to confirm that it stopped."""
        self._thread.halted = True

    @workflow.signal(dynamic=True)
    def others(self, name: str, _: Sequence[RawValue]) -> None:
        """Take what intake tells whoever waits for an assignment; a thread's time-outs settle all of that."""

    def _cancelled(self, _: str) -> None:
        self._thread.stopping = True

    async def _live(self) -> ThreadEnded | None:
        """None: the history has got long, and another run goes on."""
        thread = self._thread
        try:
            plan = await self._load()
            if not thread.pre_done:
                await run_all(thread, Part.PRE, plan.pre, plan.max_retries)
                thread.pre_done = True
                if plan.timing is not None:  # an event-driven thread waits once it is armed, which says so itself
                    shown = thread.call(ShowThread, status=ThreadStatus.WAITING)
                    await act(FileActivity.SHOW_THREAD, shown, None, "wait")
            if thread.place is None or thread.place.sequence is not Part.POST:
                if plan.timing is not None:
                    await self._timed(plan, plan.timing)
                elif plan.trigger is not None:
                    await self._triggered(plan, plan.trigger)
            await run_all(thread, Part.POST, plan.post, plan.max_retries)
            return await self._end(ThreadEnd.DONE)
        except Continues:
            return None
        except Aborted as aborted:
            if aborted.mission:
                return await self._end(ThreadEnd.ABORT_MISSION, str(aborted))
            thread.commanding = True  # until the instruments are INACTIVE, too
            ended = await self._end(ThreadEnd.ABORTED, str(aborted))
            for agent_id in thread.start.instrument_ids:
                await thread.commands.to_inactive(agent_id, thread.start.inactive_timeout, lambda: thread.stopping)
            return ended
        except Stopped:
            return await self._end(ThreadEnd.STOPPED)

    async def _load(self) -> ThreadPlan:
        """What the thread is to do. A stop does not wait for it: nothing has been done yet that needs an end."""
        thread = self._thread
        call = thread.call(LoadThread, begins=thread.next is None)
        loading = asyncio.create_task(act(FileActivity.LOAD_THREAD, call, LoadedThread, "load"))
        await workflow.wait_condition(lambda: thread.stopping or loading.done())
        if not loading.done():
            loading.cancel()
            with contextlib.suppress(ActivityError):
                await loading
        thread.check()
        loaded = loading.result()
        thread.next = thread.next or loaded.start
        return loaded.plan

    async def _timed(self, plan: ThreadPlan, timing: Timing) -> None:
        """Run the mission sequence on its grid."""
        thread = self._thread
        while True:
            assert thread.next is not None, "a timed thread has a next start until its last loop has ended"
            if thread.place is None:
                workflow.set_current_details(f"**waiting** for the start of loop {thread.loop + 1}: {thread.next.due}")
                await thread.until_time(thread.next.at, f"the start of loop {thread.loop + 1}")
                await self._begin_sequence("")
            await run_all(thread, Part.MAIN, plan.sequence, plan.max_retries)
            last = timing.quantity != ENDLESS and thread.loop >= timing.quantity
            ended = await self._end_sequence(last)
            if last or ended.start is None:
                return
            thread.next = ended.start
            self._continue_between_loops()

    async def _triggered(self, plan: ThreadPlan, trigger: Trigger) -> None:
        """Run the mission sequence for each event."""
        thread = self._thread
        await act(FileActivity.ARM_THREAD, thread.call(ThreadCall), None, f"wait for {trigger.event}")
        while True:
            if thread.place is None:
                event = await self._next_event(trigger)
                if event is None:
                    return
                await self._begin_sequence(event)
            await run_all(thread, Part.MAIN, plan.sequence, plan.max_retries)
            last = trigger.quantity != ENDLESS and thread.loop >= trigger.quantity
            await self._end_sequence(last)
            if last:
                return
            self._continue_between_loops()

    async def _next_event(self, trigger: Trigger) -> str | None:
        """Wait for it, and take it; None: none will come."""
        thread = self._thread
        while True:
            await thread.holding()
            thread.raised = False
            call = thread.call(TakeEvent, served=thread.loop)
            taken = await act(FileActivity.TAKE_EVENT, call, EventTaken, f"take the next {trigger.event}")
            if taken.event or taken.over:
                return taken.event or None
            self._continue_between_loops()
            workflow.set_current_details(f"**waiting** for {trigger.event} of {trigger.source}")
            await thread.until(lambda: thread.raised, waiting=f"{trigger.event} of {trigger.source}")

    def _continue_between_loops(self) -> None:
        if workflow.info().is_continue_as_new_suggested():
            raise Continues

    async def _begin_sequence(self, event: str) -> None:
        thread = self._thread
        await thread.holding()
        loop = thread.loop + 1
        workflow.set_current_details(f"**running** loop {loop}")
        call = thread.call(BeginSequence, loop=loop, event=event)
        begun = await act(FileActivity.BEGIN_SEQUENCE, call, SequenceBegun, f"begin loop {loop}")
        if begun.outcome is Outcome.SUPERSEDED:
            await thread.until_stopped()
        thread.loop = loop

    async def _end_sequence(self, last: bool) -> SequenceEnded:
        thread = self._thread
        call = thread.call(EndSequence, loop=thread.loop, last=last, due=thread.next and thread.next.due)
        return await act(FileActivity.END_SEQUENCE, call, SequenceEnded, f"end loop {thread.loop}")

    async def _end(self, end: ThreadEnd, error: str = "") -> ThreadEnded:
        workflow.set_current_details(f"**{end}** {error}".strip())
        call = self._thread.call(EndThread, end=end, error=error)
        await act(FileActivity.END_THREAD, call, None, f"end the thread: {end}", ENDING)
        return ThreadEnded(end=end, error=error, unconfirmed=self._thread.unconfirmed)

    async def _tell_of_pauses(self) -> None:
        """Tell the mission, for each pause, once no device is under way for this thread."""
        thread, parent = self._thread, workflow.info().parent
        assert parent is not None, "a thread runs below its mission"
        mission, told = workflow.get_external_workflow_handle(parent.workflow_id), 0
        while True:
            await workflow.wait_condition(
                lambda: thread.pause.paused and thread.pause.number > told and not thread.commanding  # noqa: B023
            )
            told = thread.pause.number
            stands = ThreadStands(number=thread.start.number, pause_number=told)
            await mission.signal(FileSignal.THREAD_STANDS, stands)
