"""Changed workflows, which the stored histories must not fit: the replay tests' negative control. And patched ones."""

from temporalio import workflow

from workflows.mission_file import MissionFile
from workflows.mission_queue import MissionQueue
from workflows.mission_thread import MissionThread
from workflows.options import SHORT
from workflows.platform_command import PlatformCommand
from workflows.work_process import WorkProcess

with workflow.unsafe.imports_passed_through():
    from missions.contracts import MISSION_QUEUE, WORK_PROCESS, MissionQueueStart, WorkProcessStart
    from missions.mission_files.contracts import (
        MISSION_FILE_RUN,
        MISSION_THREAD,
        MissionFileStart,
        ThreadEnded,
        ThreadStart,
    )
    from missions.mission_files.platform_contracts import PLATFORM_COMMAND_RUN, PlatformCommandStart
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


@workflow.defn(name=MISSION_FILE_RUN)
class OneFileActivityMore(MissionFile):
    """The same of a mission file's run."""

    @workflow.init
    def __init__(self, start: MissionFileStart) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: MissionFileStart) -> str:
        return await super().run(start)

    async def _live(self) -> WorkProcessStatus:
        status = await super()._live()
        await workflow.execute_activity("one_more", **SHORT)
        return status


@workflow.defn(name=MISSION_THREAD)
class OneThreadActivityMore(MissionThread):
    """The same of a thread."""

    @workflow.init
    def __init__(self, start: ThreadStart) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: ThreadStart) -> ThreadEnded:
        return await super().run(start)

    async def _live(self) -> ThreadEnded | None:
        ended = await super()._live()
        await workflow.execute_activity("one_more", **SHORT)
        return ended


@workflow.defn(name=PLATFORM_COMMAND_RUN)
class OneCommandActivityMore(PlatformCommand):
    """The same of a platform's command."""

    @workflow.init
    def __init__(self, start: PlatformCommandStart) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: PlatformCommandStart) -> str:
        return await super().run(start)

    async def _live(self) -> WorkProcessStatus:
        status = await super()._live()
        await workflow.execute_activity("one_more", **SHORT)
        return status


MUTATED = (OneActivityMore, OneQueueActivityMore, OneFileActivityMore, OneThreadActivityMore, OneCommandActivityMore)


@workflow.defn(name=WORK_PROCESS)
class PatchedMission(WorkProcess):
    """One more at the very beginning, for new runs only."""

    @workflow.init
    def __init__(self, start: WorkProcessStart) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: WorkProcessStart) -> str:
        return await super().run(start)

    async def _live(self) -> WorkProcessStatus:
        if workflow.patched("one-more"):
            await workflow.execute_activity("one_more", **SHORT)
        return await super()._live()


@workflow.defn(name=MISSION_THREAD)
class PatchedThread(MissionThread):
    """The same of a thread."""

    @workflow.init
    def __init__(self, start: ThreadStart) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: ThreadStart) -> ThreadEnded:
        return await super().run(start)

    async def _live(self) -> ThreadEnded | None:
        if workflow.patched("one-more"):
            await workflow.execute_activity("one_more", **SHORT)
        return await super()._live()


PATCHED = (PatchedMission, PatchedThread)
