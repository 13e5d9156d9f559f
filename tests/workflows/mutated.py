"""Changed workflows, which the stored histories must not fit: the replay tests' negative control."""

from temporalio import workflow

from workflows.mission_queue import MissionQueue
from workflows.options import SHORT
from workflows.work_process import WorkProcess

with workflow.unsafe.imports_passed_through():
    from missions.contracts import MISSION_QUEUE, WORK_PROCESS, MissionQueueStart, WorkProcessStart
    from missions.statuses import WorkProcessStatus


@workflow.defn(name=WORK_PROCESS)
class OneActivityMore(WorkProcess):
    """Calls one more activity at the very end, which only closed histories betray."""

    @workflow.init
    def __init__(self, start: WorkProcessStart) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: WorkProcessStart) -> str:
        return await super().run(start)

    async def _live(self) -> WorkProcessStatus:
        status = await super()._live()
        await workflow.execute_activity("one_more", **SHORT)
        return status


@workflow.defn(name=MISSION_QUEUE)
class OneQueueActivityMore(MissionQueue):
    """The same of a queue."""

    @workflow.init
    def __init__(self, start: MissionQueueStart) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: MissionQueueStart) -> str:
        return await super().run(start)

    async def _live(self) -> str | None:
        status = await super()._live()
        await workflow.execute_activity("one_more", **SHORT)
        return status
