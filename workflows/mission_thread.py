"""One thread of a mission file: its pre sequence at once, its mission sequence by the clock or by events, its post.

A run of its own below the mission's, so that an endless thread can go on as a new run while its mission waits for it.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue

with workflow.unsafe.imports_passed_through():
    from missions.contracts import AssignmentCancelWish, AssignmentEnded, Outcome, PauseWish, Signal
    from missions.mission_files import contracts as of_file
    from missions.mission_files.contracts import (
        MISSION_THREAD,
        FileActivity,
        FileSignal,
        ThreadEnd,
        ThreadEnded,
        ThreadSignal,
        ThreadStart,
    )
    from missions.mission_files.plan import ENDLESS, Command, ErrorPolicy, Method, ThreadPlan
    from missions.mission_files.thread_status import ThreadStatus
    from missions.statuses import AssignmentStatus
    from missions.transitions import ASSIGNMENT_SUCCEEDED

from workflows.acting import act
from workflows.commanding import Commands
from workflows.options import ENDING, WITH_HEARTBEAT
from workflows.through_cancels import through_cancels

_CHECKED = (Method.SET_RESOURCE, Method.GET_RESOURCE)


class _Stopped(Exception):
    """The mission stops this thread."""


class _Aborted(Exception):
    """A command failed, and its policy ends the thread, or the mission."""

    def __init__(self, error: str, *, mission: bool) -> None:
        super().__init__(error)
        self.mission = mission


@workflow.defn(name=MISSION_THREAD)
class MissionThread:
    """One thread, from the grant of its instruments to its end."""

    @workflow.init
    def __init__(self, start: ThreadStart) -> None:
        self._start = start
        self._plan: ThreadPlan | None = None
        self._pre_done, self._loop, self._next = start.pre_done, start.loop, start.start
        self._commands_sent = start.commands
        self._stopping = self._halted = False
        self._pause = PauseWish(paused=start.paused, number=start.pause_number)
        self._raised = self._commanding = False
        self._ended: dict[int, str] = {}
        self._cancels_wished: set[int] = set()
        self._commands = Commands(
            start.work_process_id,
            start.number,
            self._ended,
            lambda: self._halted,
            cancel_interval=start.cancel_resend_interval,
            cancel_attempts=start.cancel_attempts,
        )

    @workflow.run
    async def run(self, start: ThreadStart) -> ThreadEnded:
        """Returns how the thread ended; never fails because a command did."""
        telling = asyncio.create_task(self._tell_of_pauses())
        ended = await through_cancels(self._live(), self._cancelled)
        if ended is None and self._stopping:
            # A run that follows would not hear of the cancel that this one got in its last moment.
            ended = await through_cancels(self._end(ThreadEnd.STOPPED), self._cancelled)
        telling.cancel()
        if ended is None:
            workflow.continue_as_new(self._continued())
        return ended

    @workflow.signal(name=Signal.ASSIGNMENT_ENDED)
    def assignment_ended(self, report: AssignmentEnded) -> None:
        """A device's last word on a command."""
        self._ended.setdefault(report.assignment_id, report.status)

    @workflow.signal(name=Signal.CANCEL_ASSIGNMENT)
    def cancel_command(self, wish: AssignmentCancelWish) -> None:
        """Cancel one command alone; its policy says what follows."""
        self._cancels_wished.add(wish.assignment_id)

    @workflow.signal(name=ThreadSignal.EVENT_RAISED)
    def event_raised(self, _: of_file.EventRaised) -> None:
        """What the thread waits for has happened."""
        self._raised = True

    @workflow.signal(name=ThreadSignal.TIMED_THREADS_ENDED)
    def timed_threads_ended(self) -> None:
        """Nothing more is raised for the thread."""
        self._raised = True

    @workflow.signal(name=ThreadSignal.PAUSE)
    def pause(self, wish: PauseWish) -> None:
        """Hold before the next command, or go on."""
        if wish.number > self._pause.number:
            self._pause = wish

    @workflow.signal(name=ThreadSignal.HALT)
    def halt(self) -> None:
        """Wait for no device to confirm that it stopped."""
        self._halted = True

    @workflow.signal(dynamic=True)
    def others(self, name: str, _: Sequence[RawValue]) -> None:
        """Take what intake tells whoever waits for an assignment; a thread's time-outs settle all of that."""

    def _cancelled(self, _: str) -> None:
        self._stopping = True

    async def _live(self) -> ThreadEnded | None:
        """None: the history has got long, and another run goes on."""
        call = self._call(of_file.LoadThread, begins=self._next is None)
        loaded = await act(FileActivity.LOAD_THREAD, call, of_file.LoadedThread, "load")
        self._plan = plan = loaded.plan
        self._next = self._next or loaded.start
        try:
            if not self._pre_done:
                await self._run_all(of_file.Sequence.PRE, plan.pre)
                self._pre_done = True
                if plan.timing is not None:  # an event-driven thread waits once it is armed, which says so itself
                    await self._show(ThreadStatus.WAITING)
            ended = await (self._timed(plan) if plan.timing is not None else self._triggered(plan))
            if not ended:
                return None
            await self._run_all(of_file.Sequence.POST, plan.post)
            return await self._end(ThreadEnd.DONE)
        except _Aborted as aborted:
            if aborted.mission:
                return await self._end(ThreadEnd.ABORT_MISSION, str(aborted))
            self._commanding = True  # until the instruments are INACTIVE, too
            ended_so = await self._end(ThreadEnd.ABORTED, str(aborted))
            for agent_id in self._start.instrument_ids:
                await self._commands.to_inactive(agent_id, self._start.inactive_timeout, lambda: self._stopping)
            return ended_so
        except _Stopped:
            return await self._end(ThreadEnd.STOPPED)

    async def _timed(self, plan: ThreadPlan) -> bool:
        """Run the mission sequence on its grid; False: another run goes on."""
        assert plan.timing is not None
        while True:
            assert self._next is not None, "a timed thread has a next start until its last loop has ended"
            workflow.set_current_details(f"**waiting** for the start of loop {self._loop + 1}: {self._next.due}")
            await self._until_time(self._next.at, f"the start of loop {self._loop + 1}")
            await self._holding()
            self._loop += 1
            await self._begin_sequence("")
            await self._run_all(of_file.Sequence.MAIN, plan.sequence)
            last = plan.timing.quantity != ENDLESS and self._loop >= plan.timing.quantity
            ended = await self._end_sequence(last)
            if last or ended.start is None:
                return True
            self._next = ended.start
            if workflow.info().is_continue_as_new_suggested():
                return False

    async def _triggered(self, plan: ThreadPlan) -> bool:
        """Run the mission sequence for each event; False: another run goes on."""
        assert plan.trigger is not None
        await act(FileActivity.ARM_THREAD, self._call(of_file.ThreadCall), None, f"wait for {plan.trigger.event}")
        while True:
            await self._holding()
            self._raised = False
            taken = await act(
                FileActivity.TAKE_EVENT,
                self._call(of_file.TakeEvent, served=self._loop),
                of_file.EventTaken,
                f"take the next {plan.trigger.event}",
            )
            if taken.over:
                return True
            if not taken.event:
                workflow.set_current_details(f"**waiting** for {plan.trigger.event} of {plan.trigger.source}")
                await self._until(lambda: self._raised, waiting=f"{plan.trigger.event} of {plan.trigger.source}")
                continue
            self._loop += 1
            await self._begin_sequence(taken.event)
            await self._run_all(of_file.Sequence.MAIN, plan.sequence)
            last = plan.trigger.quantity != ENDLESS and self._loop >= plan.trigger.quantity
            await self._end_sequence(last)
            if last:
                return True
            if workflow.info().is_continue_as_new_suggested():
                return False

    async def _run_all(self, sequence: of_file.Sequence, commands: Sequence[Command]) -> None:
        for index, command in enumerate(commands):
            await self._holding()
            workflow.set_current_details(f"**{_STATUS[sequence]}** loop {self._loop}: {command.text}")
            if command.wait_minutes is not None:
                await self._show(_STATUS[sequence], command.text)
                until = workflow.time() + self._scaled(command.wait_minutes * 60)
                await self._until_time(until, command.text)
            else:
                await self._command(sequence, index, command)

    async def _command(self, sequence: of_file.Sequence, index: int, command: Command) -> None:
        """One command, as often as its policy and `maxRetries` say."""
        assert self._plan is not None
        for attempt in range(1, self._plan.max_retries + 1):
            self._commanding = True
            error = await self._attempt(sequence, index, command)
            self._commanding = False
            if not error or command.on_error is ErrorPolicy.SKIP:
                return
            words = f"{error.removesuffix('.')}. Mission sequence command = {command.text}"
            if command.on_error is ErrorPolicy.ABORT_MISSION:
                raise _Aborted(words, mission=True)
            if command.on_error is ErrorPolicy.ABORT or attempt == self._plan.max_retries:
                raise _Aborted(words, mission=False)
            pause = self._scaled(self._start.retry_pause)
            await self._until_time(workflow.time() + pause, f"try {command.text} again")
            await self._holding()

    async def _attempt(self, sequence: of_file.Sequence, index: int, command: Command) -> str:
        """Send a command and await its end; returns what went wrong, or nothing."""
        self._commands_sent += 1
        sent = await act(
            FileActivity.SEND_COMMAND,
            self._call(of_file.SendCommand, sequence=sequence, index=index, serial=self._commands_sent),
            of_file.CommandSent,
            command.text,
            WITH_HEARTBEAT,
        )
        if sent.outcome is Outcome.SUPERSEDED:
            await self._until(lambda: False, waiting="the mission stops this thread")
        if sent.outcome is Outcome.FAILED:
            return sent.error
        limit = command.timeout or self._start.command_timeout
        key = sent.assignment_id
        status = sent.ended or await self._commands.end_of(
            key, limit, f"{command.device}: {command.text}", lambda: self._stopping or key in self._cancels_wished
        )
        if status is None:
            status = await self._commands.cancel(key, command.device)
            self._check()
            if status is None or status == AssignmentStatus.CANCELED:
                cancelled = "Somebody cancelled it." if key in self._cancels_wished else ""
                return cancelled or f"{command.device} did not end it within {limit:g} s."
        self._check()
        if status in ASSIGNMENT_SUCCEEDED and command.method not in _CHECKED:
            return ""
        checked = await act(
            FileActivity.CHECK_COMMAND,
            self._call(of_file.CheckCommand, assignment_id=sent.assignment_id),
            of_file.CommandChecked,
            f"look what came of {command.text}",
        )
        return checked.error

    async def _begin_sequence(self, event: str) -> None:
        workflow.set_current_details(f"**running** loop {self._loop}")
        call = self._call(of_file.BeginSequence, loop=self._loop, event=event)
        await act(FileActivity.BEGIN_SEQUENCE, call, None, f"begin loop {self._loop}")

    async def _end_sequence(self, last: bool) -> of_file.SequenceEnded:
        call = self._call(of_file.EndSequence, loop=self._loop, last=last, due=self._next and self._next.due)
        return await act(FileActivity.END_SEQUENCE, call, of_file.SequenceEnded, f"end loop {self._loop}")

    async def _end(self, end: ThreadEnd, error: str = "") -> ThreadEnded:
        workflow.set_current_details(f"**{end}** {error}".strip())
        call = self._call(of_file.EndThread, end=end, error=error)
        await act(FileActivity.END_THREAD, call, None, f"end the thread: {end}", ENDING)
        return ThreadEnded(end=end, error=error)

    async def _show(self, status: ThreadStatus, command: str = "") -> None:
        call = self._call(of_file.ShowThread, status=status, command=command)
        await act(FileActivity.SHOW_THREAD, call, None, command or f"{status}")

    def _call(self, kind: type[Any], **more: Any) -> Any:
        return kind(work_process_id=self._start.work_process_id, number=self._start.number, **more)

    def _scaled(self, seconds: float) -> float:
        """So long in the mission's time, in real time."""
        return seconds / self._start.time_scale

    def _check(self) -> None:
        if self._stopping:
            raise _Stopped

    async def _until(self, condition: Callable[[], bool], *, timeout: float | None = None, waiting: str) -> None:
        """Wait, for `timeout` seconds at most; raises _Stopped as soon as the thread is stopped."""
        with contextlib.suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: self._stopping or condition(), timeout=timeout, timeout_summary=waiting[:200]
            )
        self._check()

    async def _until_time(self, moment: float, waiting: str) -> None:
        """Wait until a moment: seconds since 1970."""
        if (left := moment - workflow.time()) > 0:
            await self._until(lambda: False, timeout=left, waiting=waiting)
        self._check()

    async def _holding(self) -> None:
        """Hold while the mission is paused."""
        self._check()
        if self._pause.paused:
            await self._until(lambda: not self._pause.paused, waiting="somebody resumes the mission")

    async def _tell_of_pauses(self) -> None:
        """Tell the mission, for each pause, once no device is under way for this thread."""
        parent = workflow.info().parent
        assert parent is not None, "a thread runs below its mission"
        mission, told = workflow.get_external_workflow_handle(parent.workflow_id), 0
        while True:
            await workflow.wait_condition(
                lambda: self._pause.paused and self._pause.number > told and not self._commanding  # noqa: B023
            )
            told = self._pause.number
            stands = of_file.ThreadStands(number=self._start.number, pause_number=told)
            await mission.signal(FileSignal.THREAD_STANDS, stands)

    def _continued(self) -> ThreadStart:
        changes = {
            "pre_done": self._pre_done,
            "loop": self._loop,
            "start": self._next,
            "commands": self._commands_sent,
            "paused": self._pause.paused,
            "pause_number": self._pause.number,
        }
        return self._start.model_copy(update=changes)


_STATUS = {
    of_file.Sequence.PRE: ThreadStatus.PREPARING,
    of_file.Sequence.MAIN: ThreadStatus.RUNNING,
    of_file.Sequence.POST: ThreadStatus.CLOSING,
}
