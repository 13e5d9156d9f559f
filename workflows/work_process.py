"""The mission: reserve agents, run the steps, send their assignments, await the agents, end cleanly.

The workflow decides and waits; its activities act and write the statuses. A cancel, from wherever it comes, sets a flag
that every wait looks at: what runs is brought to its end, then the cancel path stops, releases and ends the run.
"""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from missions.contracts import (
        WORK_PROCESS,
        AgentFreed,
        AgentListens,
        AgentSilence,
        AgentTold,
        AssignmentCancelWish,
        AssignmentDoubted,
        AssignmentStarted,
        Signal,
        SlotGranted,
        WorkProcessStart,
    )
    from missions.statuses import WorkProcessStatus

from workflows.ending import end_run, fail, stop_canceled, succeed
from workflows.mission import Failed, Stop
from workflows.mission_signals import MissionSignals
from workflows.reserving import reserve
from workflows.scheduling import wait_for_start
from workflows.stepping import Steps
from workflows.taking_slot import take_slot
from workflows.through_cancels import through_cancels
from workflows.time_limit import TimeLimit
from workflows.wishes import Wishes


@workflow.defn(name=WORK_PROCESS)
class WorkProcess(MissionSignals):
    """One mission, from dispatch to its last status."""

    @workflow.init
    def __init__(self, start: WorkProcessStart) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: WorkProcessStart) -> str:
        """Returns the last status; a failed mission's run ends FAILED, a cancelled one's CANCELED."""
        while (status := await through_cancels(self._live(), self._natively_cancelled)) is WorkProcessStatus.DISPATCHED:
            # Nothing is awaited since the cancels were looked at, so none that has come gets lost.
            if self._mission.cancel is None:
                workflow.continue_as_new(self._mission.continued())
        return await end_run(self._mission, status)

    @workflow.signal(name=Signal.SLOT_GRANTED)
    def slot_granted(self, grant: SlotGranted) -> None:
        """A mission without agents may run now."""
        self._mission.attempt.granted |= grant.attempt == self._mission.attempt.number

    @workflow.signal(name=Signal.ASSIGNMENT_STARTED)
    def assignment_started(self, report: AssignmentStarted) -> None:
        """An agent has the assignment that may not have reached it."""
        self._mission.attempt.reported.add(report.assignment_id)

    @workflow.signal(name=Signal.ASSIGNMENT_DOUBTED)
    def assignment_doubted(self, news: AssignmentDoubted) -> None:
        """An agent checked in anew before it said anything of its assignment."""
        self._mission.attempt.reported.discard(news.assignment_id)
        self._mission.attempt.doubted[news.assignment_id] = self._mission.agents_clock.now()

    @workflow.signal(name=Signal.AGENT_LISTENS)
    def agent_listens(self, news: AgentListens) -> None:
        """An agent that an assignment could not be sent to may listen now."""
        self._mission.attempt.listening.add(news.assignment_id)

    @workflow.signal(name=Signal.AGENT_TOLD)
    def agent_told(self, told: AgentTold) -> None:
        """An instant action of a pause went out, or came back."""
        self._mission.attempt.told[told.instant_action_id] = told.listening

    @workflow.signal(name=Signal.AGENT_SILENT)
    def agent_silent(self, news: AgentSilence) -> None:
        """An assignment's agent has been silent for too long, or speaks again."""
        self._mission.attempt.searching.discard(news.assignment_id)
        if news.silent:
            self._mission.attempt.silent[news.assignment_id] = news.text
        else:
            self._mission.attempt.silent.pop(news.assignment_id, None)

    @workflow.signal(name=Signal.AGENT_FREED)
    def agent_freed(self, news: AgentFreed) -> None:
        """An agent is free that could take over a silent one's assignment."""
        self._mission.attempt.searching.discard(news.assignment_id)

    @workflow.signal(name=Signal.CANCEL_ASSIGNMENT)
    def cancel_assignment(self, wish: AssignmentCancelWish) -> None:
        """Cancel one assignment; its row says `canceling`."""
        self._mission.attempt.cancels_wished.add(wish.assignment_id)

    async def _live(self) -> WorkProcessStatus:
        """One attempt after the other. DISPATCHED: the history has got long, and another run makes the next one."""
        time_limit = TimeLimit(self._mission)
        try:
            while True:
                status = await self._try(time_limit)
                if status is not WorkProcessStatus.DISPATCHED or workflow.info().is_continue_as_new_suggested():
                    return status
        finally:
            time_limit.end()

    async def _try(self, time_limit: TimeLimit) -> WorkProcessStatus:
        mission, wishes = self._mission, Wishes(self._mission)
        try:
            mission.begin()
            await wait_for_start(mission)
            time_limit.start()
            if mission.start.reserves:
                await reserve(mission)
            if mission.start.takes_slot:
                await take_slot(mission)
            await Steps(mission).run()
            return await succeed(mission)
        except Failed as failed:
            return await fail(mission, failed.failure)
        except Stop:
            if mission.cancel is None and mission.failure is not None:
                return await fail(mission, mission.failure)
            return await stop_canceled(mission)
        finally:
            wishes.end()
