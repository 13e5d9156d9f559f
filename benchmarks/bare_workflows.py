"""What the engine is measured with: an empty workflow, and one of a mission's shape that does nothing."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from benchmarks.bare_contracts import AGENTS_READY, ASSIGNMENT_ENDED, ActivityName, Call, Done, Report


@workflow.defn(name="BenchmarkEmpty")
class Empty:
    """Starts and ends."""

    @workflow.run
    async def run(self) -> str:
        return "succeeded"


@workflow.defn(name="BenchmarkBareMission")
class BareMission:
    """Four activities and two signals, in a one-step mission's order."""

    @workflow.init
    def __init__(self, number: int) -> None:
        self._call = Call(number=number)
        self._ready = False
        self._ended = False

    @workflow.run
    async def run(self, number: int) -> str:
        await self._act(ActivityName.RESERVE)
        await workflow.wait_condition(lambda: self._ready)
        await self._act(ActivityName.PLAN)
        await self._act(ActivityName.DISPATCH)
        await workflow.wait_condition(lambda: self._ended)
        await self._act(ActivityName.FINISH)
        return "succeeded"

    @workflow.signal(name=AGENTS_READY)
    def agents_ready(self, report: Report) -> None:
        self._ready = True

    @workflow.signal(name=ASSIGNMENT_ENDED)
    def assignment_ended(self, report: Report) -> None:
        self._ended = True

    async def _act(self, name: ActivityName) -> None:
        await workflow.execute_activity(
            name, self._call, result_type=Done, start_to_close_timeout=timedelta(seconds=30)
        )
