"""The mission's workflow alone: a real engine, activities with the contracts' names that a test scripts."""

import asyncio
import inspect
import logging
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from pydantic import BaseModel
from temporalio import activity
from temporalio.client import Client, WorkflowHandle, WorkflowHistory
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer, Worker, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from cli.stack.temporal import DYNAMIC_CONFIG, dynamic_config
from engine.client import DATA_CONVERTER
from missions.contracts import (
    MISSION_QUEUE,
    WORK_PROCESS,
    Activity,
    ActivityPreset,
    AdvanceMissionQueue,
    AgentsPaused,
    AssignmentEnded,
    AssignmentReassigned,
    AssignmentsChecked,
    AssignmentsDispatched,
    AssignmentSettled,
    AttemptEnded,
    CancelMissionQueue,
    CancelRequest,
    CheckAssignments,
    DispatchAssignments,
    EndAttempt,
    FinishMission,
    MissionFinished,
    MissionQueueStart,
    MissionStopped,
    NotePause,
    Outcome,
    PauseAgents,
    QueueActivity,
    QueueAdvanced,
    RaiseAttention,
    ReassignAssignment,
    RequestNativeCancel,
    RequeueReservation,
    ResendAssignment,
    ResendCancels,
    ReserveAgents,
    Reserved,
    ReserveSubstitute,
    RunStep,
    SettleFailedAssignment,
    SlotTaken,
    StepPlan,
    StepRan,
    StopMission,
    SubstituteReserved,
    TakeSlot,
    TakesOver,
    TaskQueues,
    WorkProcessStart,
)
from missions.errors import Failure, FailureCode
from tests.support.site import until
from worker import RUNNER, WORKFLOW_INTERCEPTORS, WORKFLOWS
from workflows.search_attributes import ALL_KEYS

Answer = TypeVar("Answer", bound=BaseModel)
Script = Callable[[Any], Any]
"""Called with an activity's input; returns what it answers instead (None: as usual). May be async."""

# The worker goes without; in replays the SDK watches over all of workflows/.
SANDBOX = SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules("missions"))

CACHED = 100
# The engine hands out a task anew only 10 s after a worker that stopped had taken it.
PATIENCE = 30.0
STEP = "microservice"
_DYNAMIC_CONFIG = {**DYNAMIC_CONFIG, "limit.historyCount.suggestContinueAsNew": "50"}


class FakeActivities:
    """What the real ones do to one mission's row, in a few lines; `scripts` change single answers."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.canceling = False
        """Whether the row says so."""
        self.status = ""
        """The last status, once it is written."""
        self.queue = QueueAdvanced(status="running", waiting="mission 1")
        """What a mission queue's row says."""
        self.retry_delay = 0.0
        """Seconds until the next attempt."""
        self.scripts: dict[str, Script] = {}
        self.calls: list[tuple[str, Any]] = []

    def names(self) -> list[str]:
        """The activities that were called, in order; a repeated try counts once."""
        return [name for name, _ in self.calls]

    def inputs(self, name: str) -> list[Any]:
        """What an activity was called with."""
        return [call for called, call in self.calls if called == name]

    async def _act(self, call: BaseModel, usual: Callable[[], Answer]) -> Answer:
        name = activity.info().activity_type
        if activity.info().attempt == 1:
            self.calls.append((name, call))
        script = self.scripts.get(name)
        if script is not None:
            answer = script(call)
            answer = await answer if inspect.isawaitable(answer) else answer
            if answer is not None:
                return answer  # type: ignore[no-any-return]
        return usual()

    @activity.defn(name=Activity.RESERVE_AGENTS)
    async def reserve_agents(self, call: ReserveAgents) -> Reserved:
        superseded, reserved = Reserved(outcome=Outcome.SUPERSEDED), Reserved(outcome=Outcome.DONE, ready=True)
        return await self._act(call, lambda: superseded if self.canceling else reserved)

    @activity.defn(name=Activity.REQUEUE_RESERVATION)
    async def requeue_reservation(self, call: RequeueReservation) -> Reserved:
        return await self._act(call, lambda: Reserved(outcome=Outcome.WAITING, waiting="a silent agent"))

    @activity.defn(name=Activity.TAKE_SLOT)
    async def take_slot(self, call: TakeSlot) -> SlotTaken:
        superseded, taken = SlotTaken(outcome=Outcome.SUPERSEDED), SlotTaken(outcome=Outcome.DONE)
        return await self._act(call, lambda: superseded if self.canceling else taken)

    @activity.defn(name=STEP)
    async def microservice(self, call: RunStep) -> StepRan:
        done = StepRan(outcome=Outcome.DONE, has_results=True)
        return await self._act(call, lambda: StepRan(outcome=Outcome.SUPERSEDED) if self.canceling else done)

    @activity.defn(name=Activity.DISPATCH_ASSIGNMENTS)
    async def dispatch_assignments(self, call: DispatchAssignments) -> AssignmentsDispatched:
        if self.canceling:
            return await self._act(call, lambda: AssignmentsDispatched(outcome=Outcome.SUPERSEDED))
        sent = AssignmentsDispatched(outcome=Outcome.DONE, groups=1, sent=[call.service_request_id], agents="truck")
        return await self._act(call, lambda: sent)

    @activity.defn(name=Activity.CHECK_ASSIGNMENTS)
    async def check_assignments(self, call: CheckAssignments) -> AssignmentsChecked:
        return await self._act(call, lambda: AssignmentsChecked(statuses={}))

    @activity.defn(name=Activity.RESEND_ASSIGNMENT)
    async def resend_assignment(self, call: ResendAssignment) -> AssignmentsDispatched:
        return await self._act(call, lambda: AssignmentsDispatched(outcome=Outcome.DONE))

    @activity.defn(name=Activity.RAISE_ATTENTION)
    async def raise_attention(self, call: RaiseAttention) -> None:
        await self._act(call, lambda: call)

    @activity.defn(name=Activity.NOTE_PAUSE)
    async def note_pause(self, call: NotePause) -> None:
        await self._act(call, lambda: call)

    @activity.defn(name=Activity.RESERVE_SUBSTITUTE)
    async def reserve_substitute(self, call: ReserveSubstitute) -> SubstituteReserved:
        done = SubstituteReserved(outcome=Outcome.DONE, agent_id=8, ready=True)
        return await self._act(call, lambda: done)

    @activity.defn(name=Activity.REASSIGN_ASSIGNMENT)
    async def reassign_assignment(self, call: ReassignAssignment) -> AssignmentReassigned:
        done = AssignmentReassigned(outcome=Outcome.DONE, assignment_id=2, released=7)
        return await self._act(call, lambda: done)

    @activity.defn(name=Activity.PAUSE_AGENTS)
    async def pause_agents(self, call: PauseAgents) -> AgentsPaused:
        return await self._act(call, lambda: AgentsPaused(instant_action_ids=[5]))

    @activity.defn(name=Activity.SETTLE_FAILED_ASSIGNMENT)
    async def settle_failed_assignment(self, call: SettleFailedAssignment) -> AssignmentSettled:
        outcome = Outcome.SUPERSEDED if self.canceling else Outcome.FAILED
        return await self._act(call, lambda: AssignmentSettled(outcome=outcome))

    @activity.defn(name=Activity.STOP_MISSION)
    async def stop_mission(self, call: StopMission) -> MissionStopped:
        if call.failure is not None and self.canceling:
            return await self._act(call, lambda: MissionStopped(outcome=Outcome.SUPERSEDED))
        self.canceling = self.canceling or call.failure is None
        return await self._act(call, lambda: MissionStopped(outcome=Outcome.DONE))

    @activity.defn(name=Activity.RESEND_CANCELS)
    async def resend_cancels(self, call: ResendCancels) -> MissionStopped:
        return await self._act(call, lambda: MissionStopped(outcome=Outcome.DONE, awaited=call.assignment_ids))

    @activity.defn(name=Activity.FINISH_MISSION)
    async def finish_mission(self, call: FinishMission) -> MissionFinished:
        def finish() -> MissionFinished:
            if self.canceling and call.status != "canceled":
                return MissionFinished(outcome=Outcome.SUPERSEDED)
            self.status = call.status
            return MissionFinished(outcome=Outcome.DONE, status=call.status)

        return await self._act(call, finish)

    @activity.defn(name=Activity.END_ATTEMPT)
    async def end_attempt(self, call: EndAttempt) -> AttemptEnded:
        superseded, number = AttemptEnded(outcome=Outcome.SUPERSEDED), call.attempt + 1
        begins = datetime.now(UTC) + timedelta(seconds=self.retry_delay)
        ended = AttemptEnded(
            outcome=Outcome.DONE,
            number=number,
            start_at=begins.isoformat(),
            waits=f"attempt {call.attempt} failed",
            steps=[step("plan", number)],
        )
        return await self._act(call, lambda: superseded if self.canceling else ended)

    @activity.defn(name=Activity.REQUEST_NATIVE_CANCEL)
    async def request_native_cancel(self, call: RequestNativeCancel) -> None:
        await self._act(call, lambda: call)
        info = activity.info()
        assert info.workflow_id is not None
        handle = self.client.get_workflow_handle(info.workflow_id, run_id=info.workflow_run_id)
        await handle.cancel(reason=call.reason)

    @activity.defn(name=QueueActivity.ADVANCE_MISSION_QUEUE)
    async def advance_mission_queue(self, call: AdvanceMissionQueue) -> QueueAdvanced:
        return await self._act(call, lambda: self.queue)

    @activity.defn(name=QueueActivity.CANCEL_MISSION_QUEUE)
    async def cancel_mission_queue(self, call: CancelMissionQueue) -> None:
        self.queue = QueueAdvanced(status="canceling", waiting="mission 1")
        await self._act(call, lambda: call)

    def all(self) -> list[Callable[..., Any]]:
        """For the worker."""
        return [
            self.reserve_agents, self.requeue_reservation, self.take_slot, self.microservice, self.dispatch_assignments,
            self.check_assignments, self.resend_assignment, self.raise_attention, self.note_pause, self.pause_agents,
            self.reserve_substitute, self.reassign_assignment,
            self.settle_failed_assignment, self.stop_mission, self.resend_cancels, self.finish_mission,
            self.end_attempt,
            self.request_native_cancel, self.advance_mission_queue, self.cancel_mission_queue,
        ]  # fmt: skip


class Run:
    """One mission's run."""

    def __init__(self, handle: WorkflowHandle[Any, Any], fake: FakeActivities) -> None:
        self.handle, self.fake = handle, fake

    async def signal(self, name: str, payload: BaseModel) -> None:
        await self.handle.signal(name, payload)

    async def until_called(self, name: str, times: int = 1) -> None:
        async def called() -> bool:
            return self.fake.names().count(name) >= times

        await until(called, PATIENCE, lambda: f"calls: {self.fake.names()}")

    async def until_waiting(self) -> None:
        """Wait until nothing is left to do but to wait: every task is completed, no activity is on its way."""

        async def waits() -> bool:
            raw = (await self.handle.describe()).raw_description
            return not raw.pending_activities and not raw.HasField("pending_workflow_task")

        await until(waits, PATIENCE, lambda: f"calls: {self.fake.names()}")

    async def ended(self) -> str:
        """The run's status, e.g. COMPLETED, once it is closed."""

        async def closed() -> str:
            status = (await self.handle.describe()).status
            assert status is not None
            return "" if status.name == "RUNNING" else status.name

        return str(await until(closed, PATIENCE, lambda: f"calls: {self.fake.names()}"))

    async def failure_type(self) -> str:
        """The code that a FAILED run names."""
        last = [event async for event in self.handle.fetch_history_events()][-1]
        return last.workflow_execution_failed_event_attributes.failure.application_failure_info.type


class Bench:
    """A task queue with a workflow worker and an activity worker, each of which can be stopped."""

    def __init__(self, client: Client, *, max_cached_workflows: int = CACHED) -> None:
        self.client, self._cached = client, max_cached_workflows
        self.fake = FakeActivities(client)
        self.queue = f"isolated-{secrets.token_hex(4)}"
        self._started: list[WorkflowHandle[Any, Any]] = []
        self._tasks: dict[str, tuple[Worker, asyncio.Task[None]]] = {}

    def start_workflows(self) -> None:
        worker = Worker(
            self.client,
            task_queue=self.queue,
            workflows=WORKFLOWS,
            workflow_runner=RUNNER,
            interceptors=WORKFLOW_INTERCEPTORS,
            max_cached_workflows=self._cached,
        )
        self._tasks["workflows"] = worker, asyncio.create_task(worker.run())

    async def stop_workflows(self) -> None:
        worker, task = self._tasks.pop("workflows")
        await worker.shutdown()
        await task

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Bench"]:
        activities = Worker(
            self.client,
            task_queue=self.queue,
            activities=self.fake.all(),
            max_heartbeat_throttle_interval=timedelta(milliseconds=100),
        )
        async with activities:
            self.start_workflows()
            try:
                yield self
            finally:
                if "workflows" in self._tasks:
                    await self.stop_workflows()

    async def start(self, *, steps: list[StepPlan] | None = None, **fields: Any) -> Run:
        """Start a mission with short times; by default it reserves and has one step."""
        start = WorkProcessStart.model_validate(
            {
                "work_process_id": 7,
                "reserves": True,
                "steps": [step("plan", 1)] if steps is None else steps,
                "ready_timeout": 0.3,
                "reserve_resend_interval": 0.1,
                "cancel_resend_interval": 0.3,
                "task_queues": TaskQueues(missions=self.queue, steps=self.queue),
                **fields,
            }
        )
        return await self.run(WORK_PROCESS, start)

    async def run(self, workflow: str, start: BaseModel) -> Run:
        """Start a mission of any kind."""
        handle = await self.client.start_workflow(
            workflow, start, id=f"mission-{secrets.token_hex(6)}", task_queue=self.queue
        )
        self._started.append(handle)
        return Run(handle, self.fake)

    async def start_queue(self) -> Run:
        """Start a mission queue's run."""
        start = MissionQueueStart(
            mission_queue_id=3, name="round", task_queues=TaskQueues(missions=self.queue, steps=self.queue)
        )
        handle = await self.client.start_workflow(
            MISSION_QUEUE, start, id=f"queue-{secrets.token_hex(6)}", task_queue=self.queue
        )
        self._started.append(handle)
        return Run(handle, self.fake)

    async def replay(self) -> None:
        """Replay each run's tasks from its start, as after it left the cache, and all of it in the sandbox."""
        for handle in self._started:
            async for history in self.runs(handle):
                await _replayer(RUNNER).replay_workflows(_each_task(history))
                await _replayer(SANDBOX).replay_workflow(history)

    async def runs(self, handle: WorkflowHandle[Any, Any]) -> AsyncIterator[WorkflowHistory]:
        """The histories of a run and of those as which it was continued."""
        run_id = handle.first_execution_run_id
        while run_id:
            history = await self.client.get_workflow_handle(handle.id, run_id=run_id).fetch_history()
            yield history
            run_id = history.events[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id


def _replayer(runner: WorkflowRunner) -> Replayer:
    return Replayer(
        workflows=WORKFLOWS,
        data_converter=DATA_CONVERTER,
        workflow_runner=runner,
        interceptors=WORKFLOW_INTERCEPTORS,
    )


async def _each_task(history: WorkflowHistory) -> AsyncIterator[WorkflowHistory]:
    """What the worker is given for each task of a run that it does not know any more."""
    for end, event in enumerate(history.events, start=1):
        if event.HasField("workflow_task_started_event_attributes"):
            yield WorkflowHistory(history.workflow_id, history.events[:end])


def step(name: str, number: int, *depends_on: str, preset: ActivityPreset | None = None, **fields: Any) -> StepPlan:
    """A step whose only assignment has the same number."""
    return StepPlan(
        **{
            "service_request_id": number,
            "step": name,
            "uses": STEP,
            "depends_on": list(depends_on),
            "wait_assignments": True,
            "apply_result": True,
            "preset": preset or ActivityPreset(start_to_close=30, heartbeat=2.0, maximum_attempts=1),
            **fields,
        }
    )


def assert_quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody complained: no failed task, no lost exception, no run that could not leave the cache.

    Activities may: one that is cancelled may hear of it when its run is over already.
    """
    records = [record for phase in ("setup", "call", "teardown") for record in caplog.get_records(phase)]
    loud = [record for record in records if record.levelno >= logging.WARNING and record.name != "temporalio.activity"]
    assert [f"{record.name}: {record.getMessage()}" for record in loud] == []


SUCCEEDED = AssignmentEnded(assignment_id=1, status="succeeded")
WAITING = Reserved(outcome=Outcome.WAITING, waiting="agent truck is busy")
BROKEN = StepRan(outcome=Outcome.FAILED, failure=Failure(code=FailureCode.PLANNING_FAILED, text="broken", step="plan"))
TERMINATED = TakesOver(
    first_transition=1000, interrupted=Failure(code=FailureCode.TERMINATED, text="its run was terminated")
)
UNKNOWN = AssignmentsDispatched(outcome=Outcome.DONE, groups=1, sent=[1], unconfirmed=[1], agents="truck")


async def polls(call: Any) -> None:
    """A planner that never has an answer."""
    while True:
        activity.heartbeat()
        await asyncio.sleep(0.05)


async def driving(bench: Bench, **fields: Any) -> Run:
    """A mission whose agent has its assignment."""
    before = bench.fake.names().count(Activity.DISPATCH_ASSIGNMENTS)
    run = await bench.start(**fields)
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS, before + 1)
    await run.until_waiting()
    return run


async def end_assignment(run: Run, number: int = 1) -> None:
    """The agent's last report."""
    await run.signal("assignment_ended", SUCCEEDED.model_copy(update={"assignment_id": number}))


async def cancel_natively(run: Run) -> None:
    """What the UI does."""
    await run.handle.cancel(reason="by the ui")


async def without_a_reason(run: Run) -> None:
    """What `temporal workflow cancel` does."""
    await run.handle.cancel()


async def cancel_by_signal(run: Run) -> None:
    """What a program does that knows the workflow."""
    await run.signal("cancel", CancelRequest(reason="by signal", requested_by="tester"))


Deed = Callable[[Run], Awaitable[None]]


async def assert_canceled(run: Run) -> None:
    """Run and row say the same, and the release came after the stop."""
    assert await run.ended() == "CANCELED"
    assert run.fake.status == "canceled"
    names = run.fake.names()
    assert run.fake.inputs(Activity.FINISH_MISSION)[-1].status == "canceled"
    last_finish = len(names) - 1 - names[::-1].index(Activity.FINISH_MISSION)
    assert names.index(Activity.STOP_MISSION) < last_finish


@asynccontextmanager
async def engine() -> AsyncIterator[Client]:
    """One of its own, whose runs are soon told to continue as new."""
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(Path(sys.executable).with_name("temporal")),
        data_converter=DATA_CONVERTER,
        search_attributes=ALL_KEYS,
        dev_server_extra_args=dynamic_config(_DYNAMIC_CONFIG),
    )
    async with environment:
        yield environment.client


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[Client]:
    """An engine of this test file's own."""
    async with engine() as client:
        yield client


ALSO_WITHOUT_CACHE = pytest.mark.parametrize(
    "bench", [CACHED, 0], ids=["as the worker runs it", "without a cache"], indirect=True
)
"""For a few tests of each kind: with no cache the server sends the whole history with each task of a live run."""


@pytest.fixture
async def bench(
    request: pytest.FixtureRequest, client: Client, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[Bench]:
    """A bench as the worker is; what ran on it is replayed afterwards."""
    bench = Bench(client, max_cached_workflows=getattr(request, "param", CACHED))
    async with bench.running():
        yield bench
    await bench.replay()
    assert_quiet(caplog)
