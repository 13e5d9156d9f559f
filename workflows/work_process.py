"""The mission: reserve agents, run the steps, send their assignments, await the agents, end cleanly.

The workflow decides and waits; its activities act and write the statuses. A cancel, from wherever it comes, sets a flag
that every wait looks at: what runs is brought to its end, then the cancel path stops, releases and ends the run.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from missions.contracts import (
        WORK_PROCESS,
        Activity,
        ActivityInput,
        AgentsGranted,
        AgentsReady,
        AssignmentEnded,
        AssignmentsChecked,
        AssignmentsDispatched,
        AssignmentStarted,
        CancelRequest,
        CheckAssignments,
        DispatchAssignments,
        FinishMission,
        MissionFinished,
        MissionStopped,
        Outcome,
        RaiseAttention,
        RequestNativeCancel,
        RequeueReservation,
        ResendAssignment,
        ResendCancels,
        ReserveAgents,
        Reserved,
        RunStep,
        Signal,
        StepPlan,
        StepRan,
        StopMission,
        WorkProcessStart,
    )
    from missions.errors import Failure, FailureCode
    from missions.statuses import AssignmentStatus, UnconfirmedStart, WorkProcessStatus
    from missions.transitions import ASSIGNMENT_SUCCEEDED

from workflows.board import Board
from workflows.options import SHORT, WITH_HEARTBEAT, ActivityOptions, of_preset
from workflows.search_attributes import MISSION_STATUS
from workflows.through_cancels import through_cancels

Result = TypeVar("Result")

# An activity may write up to three status changes; each has a number of its own, for idempotency.
_TRANSITIONS_PER_ACTIVITY = 3


class _Stop(Exception):
    """The mission is being stopped: leave what you do."""


class _Failed(Exception):
    """The mission fails."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self.failure = failure


@workflow.defn(name=WORK_PROCESS)
class WorkProcess:
    """One mission, from dispatch to its last status."""

    @workflow.init
    def __init__(self, start: WorkProcessStart) -> None:
        self._start = start
        self._board = Board([step.step for step in start.steps])
        self._activities_called = 0
        self._granted = False
        self._ready_round = 0
        self._ended: dict[int, str] = {}
        self._reported: set[int] = set()
        self._planned: set[str] = set()
        self._executed: set[str] = set()
        self._executing = False
        self._failure: Failure | None = None
        self._cancel: CancelRequest | None = None
        self._native_cancel = False

    @workflow.run
    async def run(self, start: WorkProcessStart) -> str:
        """Returns the last status; a failed mission's run ends FAILED, a cancelled one's CANCELED."""
        status = await through_cancels(self._mission(), self._natively_cancelled)
        if status is WorkProcessStatus.CANCELED:
            await self._end_canceled()
        if status is WorkProcessStatus.FAILED and self._failure is not None:
            raise ApplicationError(self._failure.text, type=self._failure.code, non_retryable=True)
        return status

    # --- signals ------------------------------------------------------------------------------------------------

    @workflow.signal(name=Signal.AGENTS_GRANTED)
    def agents_granted(self, grant: AgentsGranted) -> None:
        """The waiting request got its agents."""
        self._granted = True

    @workflow.signal(name=Signal.AGENTS_READY)
    def agents_ready(self, ready: AgentsReady) -> None:
        """Every reserved agent answered `ready`."""
        self._ready_round = max(self._ready_round, ready.round)

    @workflow.signal(name=Signal.ASSIGNMENT_ENDED)
    def assignment_ended(self, report: AssignmentEnded) -> None:
        """An agent's last word on an assignment."""
        self._ended.setdefault(report.assignment_id, report.status)

    @workflow.signal(name=Signal.ASSIGNMENT_STARTED)
    def assignment_started(self, report: AssignmentStarted) -> None:
        """An agent has the assignment that may not have reached it."""
        self._reported.add(report.assignment_id)

    @workflow.signal(name=Signal.CANCEL)
    def cancel(self, request: CancelRequest) -> None:
        """Cancel the mission, as an alternative to the API and to the engine's own cancel."""
        self._cancel = self._cancel or request

    def _natively_cancelled(self, reason: str) -> None:
        self._native_cancel = True
        self._cancel = self._cancel or CancelRequest(reason=reason)

    # --- the mission --------------------------------------------------------------------------------------------

    async def _mission(self) -> WorkProcessStatus:
        timer = self._start_mission_timer()
        try:
            if self._start.reserves:
                await self._reserve()
            await self._run_steps()
            self._check()
            finished = await self._act(
                Activity.FINISH_MISSION,
                FinishMission(**self._call(), status=WorkProcessStatus.SUCCEEDED),
                MissionFinished,
                "release agents, succeed",
            )
            if finished.outcome is Outcome.SUPERSEDED:
                raise _Stop
            self._show_end(WorkProcessStatus.SUCCEEDED)
            return WorkProcessStatus.SUCCEEDED
        except _Failed as failed:
            return await self._fail(failed.failure)
        except _Stop:
            if self._cancel is None and self._failure is not None:
                return await self._fail(self._failure)
            return await self._stop_canceled()
        finally:
            if timer is not None:
                timer.cancel()

    def _start_mission_timer(self) -> "asyncio.Task[None] | None":
        limit = self._start.options.mission_timeout
        return None if limit is None else asyncio.create_task(self._mission_timer(limit))

    async def _mission_timer(self, limit: float) -> None:
        await workflow.sleep(timedelta(seconds=limit), summary="mission time-out")
        self._failure = self._failure or Failure(
            code=FailureCode.MISSION_TIMEOUT, text=f"the mission did not end within {limit:g} s"
        )

    # --- agents -------------------------------------------------------------------------------------------------

    async def _reserve(self) -> None:
        self._board.status(WorkProcessStatus.PREPARING_RESOURCES)
        waiting_since = workflow.time()
        reserved = await self._reserve_agents()
        while True:
            if reserved.outcome is Outcome.SUPERSEDED:
                raise _Stop
            if reserved.failure is not None:
                raise _Failed(reserved.failure)
            if reserved.outcome is Outcome.WAITING:
                await self._wait_for_grant(reserved.waiting, waiting_since)
                reserved = await self._reserve_agents()
                continue
            if reserved.ready or await self._ready(reserved.round):
                return
            reserved = await self._act(
                Activity.REQUEUE_RESERVATION,
                RequeueReservation(**self._call(), round=reserved.round),
                Reserved,
                "agents did not answer: back to the line",
            )

    async def _ready(self, round_: int) -> bool:
        """Wait for the agents' `ready`, telling them again: a queue that outlived its agent swallows messages."""
        deadline = workflow.time() + self._start.ready_timeout
        while True:
            left = deadline - workflow.time()
            if await self._until(
                lambda: self._ready_round >= round_,
                timeout=max(0.0, min(left, self._start.reserve_resend_interval)),
                waiting="the agents' `ready`",
            ):
                return True
            if workflow.time() >= deadline:
                return False
            again = await self._reserve_agents()
            if again.ready:
                return True
            if again.outcome is not Outcome.DONE:
                return False  # put back in line, or superseded: the requeue finds out which

    async def _reserve_agents(self) -> Reserved:
        self._granted = False
        agents = ", ".join(self._start.agents)
        return await self._act(
            Activity.RESERVE_AGENTS,
            ReserveAgents(**self._call()),
            Reserved,
            f"reserve {agents}",
            WITH_HEARTBEAT,
        )

    async def _wait_for_grant(self, why: str, since: float) -> None:
        limit = self._start.options.max_wait
        left = None if limit is None else max(0.0, since + limit - workflow.time())
        if not await self._until(lambda: self._granted, timeout=left, waiting=why or "agents"):
            raise _Failed(
                Failure(
                    code=FailureCode.RESERVATION_TIMEOUT,
                    text=f"the agents were not available within {limit:g} s: {why}",
                )
            )

    # --- steps --------------------------------------------------------------------------------------------------

    async def _run_steps(self) -> None:
        steps = [asyncio.create_task(self._run_step(plan)) for plan in self._start.steps]
        try:
            await asyncio.gather(*steps)
        except (_Failed, _Stop) as error:
            if isinstance(error, _Failed):
                self._failure = self._failure or error.failure
            # The others see that the mission stops, and leave their waits.
            await asyncio.gather(*steps, return_exceptions=True)
            raise

    async def _run_step(self, plan: StepPlan) -> None:
        await self._until(lambda: self._may_start(plan))
        self._board.step(plan.step, "calculating")
        ran = await self._call_step(plan)
        if ran.outcome is Outcome.SUPERSEDED:
            raise _Stop
        if ran.failure is not None:
            self._board.step(plan.step, "failed")
            raise _Failed(ran.failure)
        self._planned.add(plan.step)
        if plan.apply_result and ran.has_results:
            await self._execute(plan)
        self._board.step(plan.step, "done")
        self._executed.add(plan.step)

    def _may_start(self, plan: StepPlan) -> bool:
        before = self._executed if plan.wait_assignments else self._planned
        return all(step in before for step in plan.depends_on)

    async def _call_step(self, plan: StepPlan) -> StepRan:
        call = RunStep(**self._call(), service_request_id=plan.service_request_id, step=plan.step)
        handle = workflow.start_activity(
            plan.uses,
            call,
            result_type=StepRan,
            task_queue=self._start.step_task_queue,
            summary=f"step {plan.step}",
            **of_preset(plan.preset),
        )
        try:
            await self._until(handle.done)
        except _Stop:
            handle.cancel()
            raise
        try:
            ran: StepRan = await handle
            return ran
        except ActivityError as error:
            cause = error.cause or error
            text = f"step {plan.step!r}: {cause}"
            raise _Failed(Failure(code=FailureCode.PLANNING_FAILED, text=text, step=plan.step)) from error

    # --- assignments --------------------------------------------------------------------------------------------

    async def _execute(self, plan: StepPlan) -> None:
        group, groups = 0, 1
        while group < groups:
            self._check()
            sent = await self._act(
                Activity.DISPATCH_ASSIGNMENTS,
                DispatchAssignments(
                    **self._call(), service_request_id=plan.service_request_id, step=plan.step, group=group
                ),
                AssignmentsDispatched,
                f"send group {group + 1} of step {plan.step}",
                WITH_HEARTBEAT,
            )
            if sent.outcome is Outcome.SUPERSEDED:
                raise _Stop
            if sent.failure is not None:
                raise _Failed(sent.failure)
            groups = sent.groups
            if sent.sent:
                self._board.step(plan.step, f"group {group + 1} of {groups} at {sent.agents}")
                self._show_executing()
                await self._await_group(plan, sent)
            group += 1

    async def _await_group(self, plan: StepPlan, sent: AssignmentsDispatched) -> None:
        for key, status in sent.ended.items():
            self._ended.setdefault(int(key), status)
        await self._settle_unconfirmed(sent.unconfirmed)

        def settled() -> bool:
            return self._failed_of(sent.sent) is not None or all(key in self._ended for key in sent.sent)

        limit = self._start.options.assignment_timeout
        waiting = f"{sent.agents}: assignments {', '.join(map(str, sent.sent[:10]))} of step {plan.step}"
        if not await self._until(settled, timeout=limit, waiting=waiting):
            await self._look_up(sent.sent)
            if not settled():
                late = next(key for key in sent.sent if key not in self._ended)
                raise _Failed(
                    Failure(
                        code=FailureCode.ASSIGNMENT_TIMEOUT,
                        text=f"assignment {late} did not end within {limit:g} s",
                        assignment_id=late,
                    )
                )
        failed = self._failed_of(sent.sent)
        if failed is not None:
            raise _Failed(
                Failure(
                    code=FailureCode.ASSIGNMENT_FAILED,
                    text=f"assignment {failed} ended as {self._ended[failed]!r}",
                    assignment_id=failed,
                )
            )

    def _failed_of(self, ids: list[int]) -> int | None:
        return next((key for key in ids if self._ended.get(key, "succeeded") not in ASSIGNMENT_SUCCEEDED), None)

    async def _settle_unconfirmed(self, ids: list[int]) -> None:
        """Assignments that may or may not have reached their agents: the agent's report decides."""

        def silent() -> list[int]:
            return [key for key in ids if key not in self._ended and key not in self._reported]

        options = self._start.options
        if await self._until(
            lambda: not silent(),
            timeout=options.assignment_start_timeout,
            waiting=f"a sign of assignments {ids}, whose sending has an unknown outcome",
        ):
            return
        found = await self._look_up(silent())
        for key in [key for key in silent() if found.get(key) == AssignmentStatus.TO_DISPATCH]:
            if options.unconfirmed_start is UnconfirmedStart.FAIL:
                raise _Failed(
                    Failure(
                        code=FailureCode.ASSIGNMENT_NOT_STARTED,
                        text=f"assignment {key} may not have reached its agent, which said nothing of it",
                        assignment_id=key,
                    )
                )
            if options.unconfirmed_start is UnconfirmedStart.RESEND:
                await self._act(
                    Activity.RESEND_ASSIGNMENT,
                    ResendAssignment(**self._call(), assignment_id=key),
                    None,
                    f"re-send assignment {key}",
                )
            else:
                await self._act(
                    Activity.RAISE_ATTENTION,
                    RaiseAttention(
                        **self._call(),
                        code="assignment_unconfirmed",
                        text=f"assignment {key} may not have reached its agent, which has said nothing of it for"
                        f" {options.assignment_start_timeout:g} s; look at the agent, cancel the mission if need be",
                        assignment_id=key,
                    ),
                    None,
                    "raise attention",
                )

    async def _look_up(self, ids: list[int]) -> dict[int, str]:
        checked = await self._act(
            Activity.CHECK_ASSIGNMENTS,
            CheckAssignments(assignment_ids=ids),
            AssignmentsChecked,
            f"look for reports on {len(ids)} assignments",
        )
        return {int(key): status for key, status in checked.statuses.items()}

    # --- endings ------------------------------------------------------------------------------------------------

    async def _fail(self, failure: Failure) -> WorkProcessStatus:
        self._failure = failure
        stopped = await self._act(
            Activity.STOP_MISSION, StopMission(**self._call(), failure=failure), MissionStopped, "stop what runs"
        )
        if stopped.outcome is Outcome.SUPERSEDED:
            return await self._stop_canceled()
        unconfirmed = await self._await_confirmations(stopped.awaited)
        finished = await self._act(
            Activity.FINISH_MISSION,
            FinishMission(**self._call(), status=WorkProcessStatus.FAILED, failure=failure, unconfirmed=unconfirmed),
            MissionFinished,
            "release agents, fail",
        )
        if finished.outcome is Outcome.SUPERSEDED:
            return await self._stop_canceled()
        self._show_end(WorkProcessStatus.FAILED)
        return WorkProcessStatus.FAILED

    async def _stop_canceled(self) -> WorkProcessStatus:
        """The cancel path. Without a request of its own it found the mission's row `canceling`."""
        self._cancel = self._cancel or CancelRequest()
        self._board.status(WorkProcessStatus.CANCELING)
        workflow.upsert_search_attributes([MISSION_STATUS.value_set(WorkProcessStatus.CANCELING)])
        stopped = await self._act(
            Activity.STOP_MISSION, StopMission(**self._call(), cancel=self._cancel), MissionStopped, "stop what runs"
        )
        unconfirmed = await self._await_confirmations(stopped.awaited)
        await self._act(
            Activity.FINISH_MISSION,
            FinishMission(**self._call(), status=WorkProcessStatus.CANCELED, unconfirmed=unconfirmed),
            MissionFinished,
            "release agents, end canceled",
        )
        self._show_end(WorkProcessStatus.CANCELED)
        return WorkProcessStatus.CANCELED

    async def _await_confirmations(self, awaited: list[int]) -> list[int]:
        """Wait for the agents to confirm that they stopped, asking again; returns what was never confirmed."""

        def unconfirmed() -> list[int]:
            return [key for key in awaited if key not in self._ended]

        for attempt in range(1, self._start.cancel_attempts + 1):
            try:
                await workflow.wait_condition(
                    lambda: not unconfirmed(),
                    timeout=self._start.cancel_resend_interval,
                    timeout_summary=f"until {len(unconfirmed())} agents confirm the cancel",
                )
                return []
            except TimeoutError:
                if attempt < self._start.cancel_attempts:
                    stopped = await self._act(
                        Activity.RESEND_CANCELS,
                        ResendCancels(work_process_id=self._start.work_process_id, assignment_ids=unconfirmed()),
                        MissionStopped,
                        "ask the agents again to cancel",
                    )
                    awaited = stopped.awaited
        return unconfirmed()

    async def _end_canceled(self) -> None:
        """End the run CANCELED, which only a native cancel can: ask for one if none came."""
        reason = self._cancel.reason if self._cancel else ""
        if not self._native_cancel:
            try:
                await self._act(
                    Activity.REQUEST_NATIVE_CANCEL, RequestNativeCancel(reason=reason), None, "end this run as canceled"
                )
                await workflow.wait_condition(lambda: False)
            except (asyncio.CancelledError, ActivityError):
                pass
        raise asyncio.CancelledError(reason)

    # --- small things -------------------------------------------------------------------------------------------

    @property
    def _stopping(self) -> bool:
        return self._cancel is not None or self._failure is not None

    def _check(self) -> None:
        if self._stopping:
            raise _Stop

    async def _until(self, condition: Callable[[], bool], *, timeout: float | None = None, waiting: str = "") -> bool:
        """Wait; False when the time is over. Raises _Stop as soon as the mission is being stopped."""
        try:
            await workflow.wait_condition(
                lambda: self._stopping or condition(), timeout=timeout, timeout_summary=waiting[:200] or None
            )
        except TimeoutError:
            return False
        self._check()
        return True

    def _call(self) -> dict[str, int]:
        """The fields that every activity of the mission gets, with fresh numbers for its status changes."""
        self._activities_called += 1
        return {
            "work_process_id": self._start.work_process_id,
            "attempt": self._start.attempt,
            "transition": self._activities_called * _TRANSITIONS_PER_ACTIVITY,
        }

    async def _act(
        self,
        name: Activity,
        call: ActivityInput | CheckAssignments | ResendCancels | RequestNativeCancel,
        result: type[Result] | None,
        summary: str,
        options: ActivityOptions = SHORT,
    ) -> Result:
        answer: Result = await workflow.execute_activity(
            name, call, result_type=result, summary=summary[:200], **options
        )
        return answer

    def _show_executing(self) -> None:
        self._board.status(WorkProcessStatus.EXECUTING)
        if not self._executing:
            self._executing = True
            workflow.upsert_search_attributes([MISSION_STATUS.value_set(WorkProcessStatus.EXECUTING)])

    def _show_end(self, status: WorkProcessStatus) -> None:
        self._board.status(status)
        workflow.upsert_search_attributes([MISSION_STATUS.value_set(status)])
