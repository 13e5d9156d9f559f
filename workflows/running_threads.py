"""The threads of a mission file's run: start them, wait for their ends, pause them, stop them."""

import asyncio

from pydantic import BaseModel
from temporalio import workflow
from temporalio.exceptions import ActivityError, ChildWorkflowError, FailureError

with workflow.unsafe.imports_passed_through():
    from datetime import timedelta

    from missions.contracts import Activity, CancelRequest, NotePause, Outcome
    from missions.mission_files.contracts import (
        MISSION_THREAD,
        DisarmThreads,
        EndThread,
        FileActivity,
        MissionFileStart,
        StartedThread,
        StartThreads,
        TakeOverThreads,
        ThreadEnd,
        ThreadEnded,
        ThreadSignal,
        ThreadsStarted,
        ThreadsTakenOver,
        ThreadStart,
    )

from workflows import side_tasks
from workflows.commanding import Commands
from workflows.mission import Mission, Stop
from workflows.options import ENDING

_Handle = workflow.ChildWorkflowHandle[object, ThreadEnded]


class Threads:
    """The threads of one run. `stands`: the last pause for which each has nothing under way."""

    def __init__(self, mission: Mission, start: MissionFileStart) -> None:
        self._mission, self._start = mission, start
        self._known: dict[int, StartedThread] = {}
        self._handles: dict[int, _Handle] = {}
        self._waiting: list[asyncio.Task[None]] = []
        self._ended: dict[int, ThreadEnded] = {}
        self._stopping = False
        self._pause_told = 0
        self.stands: dict[int, int] = {}
        self.abort_reason = ""
        """Why the mission ends by a thread's policy."""

    async def start(self) -> None:
        """Start them all; raises Stop if a cancel came first."""
        started = await self._mission.act(
            FileActivity.START_THREADS, StartThreads(**self._mission.call()), ThreadsStarted, "start the threads"
        )
        self._known = {thread.number: thread for thread in started.threads}
        if started.outcome is Outcome.SUPERSEDED:
            for number in self._known:  # they were started by a try whose worker died, and have no runs
                call = EndThread(work_process_id=self._start.work_process_id, number=number, end=ThreadEnd.STOPPED)
                await self._mission.act(FileActivity.END_THREAD, call, None, f"end thread {number}", ENDING)
            raise Stop
        self._mission.show_executing()
        for number in self._known:  # in their order, in which they do not start
            self._mission.board.step(f"thread {number}", "starts")
        pause = self._mission.pause
        # One that was wished just now: they start with it, and it still has to be seen to hold.
        self._pause_told = pause.number - 1 if pause.paused else pause.number
        await asyncio.gather(*(self._start_one(thread) for thread in started.threads))

    async def take_over(self) -> None:
        """The threads of an ended run are ended too: cancel what they have under way."""
        taken = await self._mission.act(
            FileActivity.TAKE_OVER_THREADS,
            TakeOverThreads(**self._mission.call()),
            ThreadsTakenOver,
            "take over from the threads",
            ENDING,
        )
        self._known = {thread.number: thread for thread in taken.threads}
        commands = self._commands(None)
        await asyncio.gather(*(commands.cancel(key, f"assignment {key}") for key in taken.under_way))

    async def _start_one(self, thread: StartedThread) -> None:
        start = self._start
        handle = await workflow.start_child_workflow(
            MISSION_THREAD,
            ThreadStart(
                work_process_id=start.work_process_id,
                number=thread.number,
                timed=thread.timed,
                retry_pause=start.retry_pause,
                command_timeout=start.command_timeout,
                inactive_timeout=start.inactive_timeout,
                time_scale=start.time_scale,
                cancel_resend_interval=start.cancel_resend_interval,
                cancel_attempts=start.cancel_attempts,
                task_queues=start.task_queues,
                details_url=start.details_url,
                instrument_ids=thread.instrument_ids,
                paused=self._mission.pause.paused,
                pause_number=self._mission.pause.number,
            ),
            id=f"{workflow.info().workflow_id}-thread-{thread.number}",
            result_type=ThreadEnded,
            task_timeout=timedelta(seconds=3),
            parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
            static_summary=f"thread {thread.number} of mission {start.plan_id}"[:150],
            static_details=f"[mission {start.work_process_id}]({start.details_url})\n",
        )
        self._handles[thread.number] = handle
        self._mission.board.step(f"thread {thread.number}", f"runs as {handle.id}")
        self._waiting.append(asyncio.create_task(self._await(thread.number, handle)))

    async def _await(self, number: int, handle: _Handle) -> None:
        ended = ThreadEnded(end=ThreadEnd.ABORTED, error="its end could not be written")
        try:
            ended = await self._end_of(number, handle)
        except ActivityError as error:
            workflow.logger.error("thread %s: %s", number, error)
        self._ended[number] = ended
        self._mission.board.step(f"thread {number}", f"{ended.end} {ended.error}".strip())
        if ended.end is ThreadEnd.ABORT_MISSION and not self.abort_reason:
            self.abort_reason = ended.error

    async def _end_of(self, number: int, handle: _Handle) -> ThreadEnded:
        try:
            ended = await handle
        except ChildWorkflowError as error:
            ended = await self._ended_by_engine(number, error)
            await self._abandoned(number)
        if ended.end is ThreadEnd.STOPPED and not self._stopping:
            ended = ended.model_copy(update={"error": "its run was cancelled in the engine"})
            await self._abandoned(number)
        return ended

    async def _ended_by_engine(self, number: int, error: ChildWorkflowError) -> ThreadEnded:
        """Its run ended without its own last words, such as by a termination: they are said for it."""
        cause = error.cause
        words = f"the thread's run ended: {cause.message if isinstance(cause, FailureError) else cause}"
        call = EndThread(work_process_id=self._start.work_process_id, number=number, end=ThreadEnd.ABORTED, error=words)
        await self._mission.act(FileActivity.END_THREAD, call, None, f"end thread {number}", ENDING)
        return ThreadEnded(end=ThreadEnd.ABORTED, error=words)

    async def _abandoned(self, number: int) -> None:
        """Somebody ended a thread's run alone: its instruments are brought to INACTIVE as by the thread's abort."""
        commands = self._commands(number)
        for agent_id in self._known[number].instrument_ids:
            await commands.to_inactive(agent_id, self._start.inactive_timeout, lambda: self._stopping)

    async def until_ended(self) -> None:
        """Wait for the threads' ends; raises Stop as soon as the mission is being stopped, or is to be by a policy."""
        timed = [number for number, thread in self._known.items() if thread.timed]
        pausing = asyncio.create_task(self._pause_with_mission())
        try:
            if timed and len(timed) < len(self._known):
                await self._until_these(timed)
                await self._mission.act(
                    FileActivity.DISARM_THREADS,
                    DisarmThreads(work_process_id=self._start.work_process_id),
                    None,
                    "the timed threads have ended",
                )
                await self._signal_open(ThreadSignal.TIMED_THREADS_ENDED)
            await self._until_these(list(self._known))
        finally:
            side_tasks.end(pausing)

    async def _until_these(self, numbers: list[int]) -> None:
        await self._mission.until(
            lambda: bool(self.abort_reason) or all(number in self._ended for number in numbers),
            waiting=f"threads {', '.join(map(str, numbers))}",
        )
        if self.abort_reason:
            self._mission.cancel = CancelRequest(reason=self.abort_reason, requested_by="mission_file")
            raise Stop

    @property
    def aborted(self) -> bool:
        """Whether one of them ended by an error."""
        return any(ended.end is not ThreadEnd.DONE for ended in self._ended.values())

    @property
    def unconfirmed(self) -> list[int]:
        """Commands whose devices never confirmed a cancel."""
        return [key for ended in self._ended.values() for key in ended.unconfirmed]

    def in_words(self) -> str:
        """What became of them."""
        failed = {number: ended for number, ended in sorted(self._ended.items()) if ended.end is not ThreadEnd.DONE}
        first = next(iter(failed))
        were = "was" if len(failed) == 1 else "were"
        return f"{len(failed)} of {len(self._ended)} threads {were} aborted; thread {first}: {failed[first].error}"

    async def stop(self) -> None:
        """Stop those that still run, and wait until each has ended."""
        self._stopping = True
        if self._mission.halted:
            await self._signal_open(ThreadSignal.HALT)
        await asyncio.gather(*(thread.cancel() for thread in self._open()), return_exceptions=True)
        halting = asyncio.create_task(self._halt_later())
        if self._waiting:
            await asyncio.gather(*self._waiting)
        side_tasks.end(halting)

    async def _halt_later(self) -> None:
        """A halt may come while the threads wait for their devices to confirm."""
        if not self._mission.halted:
            await workflow.wait_condition(lambda: self._mission.halted)
            await self._signal_open(ThreadSignal.HALT)

    async def bring_to_inactive(self) -> None:
        """Bring the mission's instruments to INACTIVE, side by side; those that were never its own stay."""
        commands, timeout = self._commands(None), self._start.inactive_timeout
        agent_ids = dict.fromkeys(one for thread in self._known.values() for one in thread.instrument_ids)
        await asyncio.gather(*(commands.to_inactive(agent_id, timeout) for agent_id in agent_ids))

    def _commands(self, number: int | None) -> Commands:
        """Those that the mission sends itself; `number`: in place of a thread."""
        return Commands(
            self._start.work_process_id,
            number,
            self._mission.attempt.ended,
            lambda: self._mission.halted,
            cancel_interval=self._start.cancel_resend_interval,
            cancel_attempts=self._start.cancel_attempts,
            run=0 if self._start.takes_over is None else self._start.takes_over.first_transition,
        )

    async def _signal_open(self, signal: ThreadSignal, *content: BaseModel) -> None:
        # One that ends just now takes no signal any more.
        await asyncio.gather(*(thread.signal(signal, args=content) for thread in self._open()), return_exceptions=True)

    def _open(self) -> list[workflow.ExternalWorkflowHandle[object]]:
        # By their ids alone: a child's own handle is of its first run, and reaches none of those as which it was
        # continued (seen).
        return [
            workflow.get_external_workflow_handle(handle.id)
            for number, handle in self._handles.items()
            if number not in self._ended
        ]

    async def _pause_with_mission(self) -> None:
        """Hand on what clients wish; a pause holds once every thread has nothing under way."""
        mission, told = self._mission, self._pause_told
        while True:
            await workflow.wait_condition(lambda: mission.pause.number > told)  # noqa: B023
            told = mission.pause.number
            await self._signal_open(ThreadSignal.PAUSE, mission.pause)
            if not mission.pause.paused:
                mission.board.pause("")
                continue
            await workflow.wait_condition(
                lambda: (
                    mission.pause.number > told  # noqa: B023
                    or all(n in self._ended or self.stands.get(n, 0) >= told for n in self._handles)  # noqa: B023
                )
            )
            if mission.pause.number == told:
                mission.board.pause("paused, until somebody resumes it")
                note = NotePause(**mission.call(), agents_told=mission.pause.immediate)
                await mission.act(Activity.NOTE_PAUSE, note, None, "pause")
