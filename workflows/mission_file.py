"""A mission file's run: reserve its instruments, run its threads side by side, end cleanly, also when it is aborted."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from missions.errors import Failure, FailureCode
    from missions.mission_files.contracts import (
        MISSION_FILE_RUN,
        BeginAbort,
        FileActivity,
        FileSignal,
        MissionFileStart,
        ThreadStands,
    )
    from missions.statuses import WorkProcessStatus

from workflows.ending import end_run, fail, stop_canceled, succeed
from workflows.mission import Failed, Stop
from workflows.mission_signals import MissionSignals
from workflows.options import ENDING
from workflows.reserving import reserve
from workflows.running_threads import Threads
from workflows.through_cancels import through_cancels


@workflow.defn(name=MISSION_FILE_RUN)
class MissionFile(MissionSignals):
    """One run of a mission file, from its acceptance to its last status."""

    @workflow.init
    def __init__(self, start: MissionFileStart) -> None:
        super().__init__(start)
        self._threads = Threads(self._mission, start)

    @workflow.run
    async def run(self, start: MissionFileStart) -> str:
        """Returns the last status; a failed mission's run ends FAILED, an aborted one's CANCELED."""
        status = await through_cancels(self._live(), self._natively_cancelled)
        return await end_run(self._mission, status)

    @workflow.signal(name=FileSignal.THREAD_STANDS)
    def thread_stands(self, news: ThreadStands) -> None:
        """A thread has nothing under way, as a pause wishes."""
        self._threads.stands[news.number] = news.pause_number

    async def _live(self) -> WorkProcessStatus:
        mission, threads = self._mission, self._threads
        try:
            mission.begin()
        except Failed as interrupted:
            return await self._clean_up(interrupted.failure)
        try:
            await reserve(mission)
            await mission.while_paused()
            await threads.start()
            await threads.until_ended()
            if threads.aborted:
                raise Failed(Failure(code=FailureCode.THREAD_ABORTED, text=threads.in_words()))
            return await succeed(mission, threads.unconfirmed)
        except Failed as failed:
            return await self._fail(failed.failure)
        except Stop:
            if mission.cancel is None and mission.failure is not None:
                return await self._fail(mission.failure)
            return await self._abort()

    async def _fail(self, failure: Failure) -> WorkProcessStatus:
        await self._threads.stop()
        if self._mission.cancel is not None:
            return await self._abort()
        return await fail(self._mission, failure, self._abort)

    async def _clean_up(self, failure: Failure) -> WorkProcessStatus:
        """Do what the run before this one and its threads cannot do any more."""
        await self._threads.take_over()
        await self._threads.bring_to_inactive()
        return await fail(self._mission, failure, self._abort)

    async def _abort(self) -> WorkProcessStatus:
        """Stop the threads, bring the mission's instruments to INACTIVE, release them."""
        mission, threads = self._mission, self._threads
        mission.board.status(WorkProcessStatus.CANCELING)
        call = BeginAbort(**mission.call(), cancel=mission.cancel, reason=threads.abort_reason, halt=mission.halted)
        await mission.act(FileActivity.BEGIN_ABORT, call, None, "begin the abort", ENDING)
        await threads.stop()
        await threads.bring_to_inactive()
        return await stop_canceled(mission)
