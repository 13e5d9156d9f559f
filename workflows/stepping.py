"""Run a recipe's graph of steps: ready steps in parallel, each as soon as those before it allow."""

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from missions.contracts import Outcome, RunStep, StepPlan, StepRan
    from missions.errors import Failure, FailureCode

from workflows.assigning import execute
from workflows.mission import Failed, Mission, Stop, fault_of_ours
from workflows.options import of_preset
from workflows.side_tasks import end


class Steps:
    """The steps of one mission."""

    def __init__(self, mission: Mission) -> None:
        self._mission = mission
        self._planned: set[str] = set()
        self._executed: set[str] = set()
        self._skipped: set[str] = set()

    async def run(self) -> None:
        """Return once every step and its assignments are done; raises Failed, Stop."""
        steps = [asyncio.create_task(self._run_step(plan)) for plan in self._mission.attempt.steps]
        try:
            await asyncio.gather(*steps)
        except (Failed, Stop) as error:
            if isinstance(error, Failed):
                self._mission.fails(error.failure)
            # The others see that the mission stops, and leave their waits.
            await asyncio.gather(*steps, return_exceptions=True)
            raise

    async def _run_step(self, plan: StepPlan) -> None:
        await self._mission.until(lambda: plan.step in self._skipped or self._may_start(plan))
        if plan.step in self._skipped:
            return
        await self._mission.while_paused()
        self._mission.show_calculating()
        self._mission.board.step(plan.step, "calculating")
        ran = await self._call_step(plan)
        if ran.outcome is Outcome.SUPERSEDED:
            raise Stop
        if ran.failure is not None:
            self._mission.board.step(plan.step, "failed")
            raise Failed(ran.failure)
        self._skipped.update(ran.skipped)
        for step in ran.skipped:
            self._mission.board.step(step, "skipped")
        self._planned.add(plan.step)
        if plan.apply_result and ran.has_results:
            await execute(self._mission, plan)
        self._mission.board.step(plan.step, "done")
        self._executed.add(plan.step)

    def _may_start(self, plan: StepPlan) -> bool:
        before = self._executed if plan.wait_assignments else self._planned
        return all(step in before for step in plan.depends_on)

    async def _call_step(self, plan: StepPlan) -> StepRan:
        call = RunStep(**self._mission.call(), service_request_id=plan.service_request_id, step=plan.step)
        handle = workflow.start_activity(
            plan.uses,
            call,
            result_type=StepRan,
            task_queue=self._mission.start.task_queues.steps,
            summary=f"step {plan.step}",
            **of_preset(plan.preset),
        )
        try:
            await self._mission.until(handle.done)
        except Stop:
            end(handle)
            raise
        try:
            ran: StepRan = await handle
            return ran
        except ActivityError as error:
            failure = fault_of_ours(error)
            if failure is not None:
                raise Failed(failure.model_copy(update={"step": plan.step})) from error
            cause = error.cause or error
            text = f"step {plan.step!r}: {cause}"
            raise Failed(Failure(code=FailureCode.PLANNING_FAILED, text=text, step=plan.step)) from error
