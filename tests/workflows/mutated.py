"""A changed workflow, which the stored histories must not fit: the replay tests' negative control."""

from temporalio import workflow

from workflows.options import SHORT
from workflows.work_process import WorkProcess

with workflow.unsafe.imports_passed_through():
    from missions.contracts import WORK_PROCESS, WorkProcessStart
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
