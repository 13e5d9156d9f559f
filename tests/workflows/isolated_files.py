"""The workflows of mission files alone, with activities that answer as a test says: see isolated.py."""

import secrets
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import Client, WorkflowHandle, WorkflowHistory

from missions.contracts import Outcome, TaskQueues
from missions.mission_files import contracts as of_file
from missions.mission_files.contracts import MISSION_FILE_RUN, FileActivity, MissionFileStart
from missions.mission_files.plan import Command, ErrorPolicy, Method, ThreadPlan, Timing, Trigger
from tests.workflows.isolated import CACHED, Bench, FakeActivities, Run, assert_quiet

INTERVAL = 0.05
"""Seconds between two starts of a timed thread, by the fake grid."""


def command(name: str, on_error: ErrorPolicy = ErrorPolicy.RETRY, **fields: Any) -> Command:
    """A command of the only instrument."""
    return Command(
        text=f"CTD, execute_resource({name})",
        device="CTD",
        method=Method.EXECUTE_RESOURCE,
        name=name,
        on_error=on_error,
        **fields,
    )


def pause(minutes: float) -> Command:
    """A `wait(…)`."""
    return Command(text=f"wait({minutes:g})", wait_minutes=minutes, on_error=ErrorPolicy.RETRY)


def timed(*sequence: Command, number: int = 0, quantity: int = 1, **fields: Any) -> ThreadPlan:
    """A timed thread; its first start is at once."""
    timing = Timing(start=datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None), value=1, quantity=quantity)
    return ThreadPlan(
        **{"number": number, "instruments": ["CTD"], "max_retries": 3, "timing": timing, "sequence": sequence, **fields}
    )


def triggered(*sequence: Command, number: int = 0, quantity: int = -1, **fields: Any) -> ThreadPlan:
    """An event-driven thread."""
    trigger = Trigger(source="CTD", event="atStep", quantity=quantity)
    return ThreadPlan(
        **{
            "number": number,
            "instruments": ["CTD"],
            "max_retries": 3,
            "trigger": trigger,
            "sequence": sequence,
            **fields,
        }
    )


def _start(at: float) -> of_file.NextStart:
    return of_file.NextStart(at=at, due=datetime.fromtimestamp(at, UTC).isoformat())


class FakeFileActivities(FakeActivities):
    """What the real ones do, in a few lines. A command succeeds at once unless a script says otherwise."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.plans: list[ThreadPlan] = []
        self.events: list[str] = []
        """What is raised for the event-driven thread."""
        self.disarmed = False

    def sent(self) -> list[str]:
        """The names of the commands that were sent, in order."""
        names = []
        for call in self.inputs(FileActivity.SEND_COMMAND):
            plan = self.plans[call.number]
            of = {"pre": plan.pre, "main": plan.sequence, "post": plan.post}[call.sequence]
            names.append(of[call.index].name)
        return names

    @activity.defn(name=FileActivity.START_THREADS)
    async def start_threads(self, call: of_file.StartThreads) -> of_file.ThreadsStarted:
        started = of_file.ThreadsStarted(
            outcome=Outcome.DONE,
            threads=[
                of_file.StartedThread(number=plan.number, timed=plan.timing is not None, instrument_ids=[5])
                for plan in self.plans
            ],
        )
        superseded = of_file.ThreadsStarted(outcome=Outcome.SUPERSEDED)
        return await self._act(call, lambda: superseded if self.canceling else started)

    @activity.defn(name=FileActivity.TAKE_OVER_THREADS)
    async def take_over_threads(self, call: of_file.TakeOverThreads) -> of_file.ThreadsTakenOver:
        threads = [
            of_file.StartedThread(number=plan.number, timed=plan.timing is not None, instrument_ids=[5])
            for plan in self.plans
        ]
        return await self._act(call, lambda: of_file.ThreadsTakenOver(threads=threads, under_way=[1]))

    @activity.defn(name=FileActivity.LOAD_THREAD)
    async def load_thread(self, call: of_file.LoadThread) -> of_file.LoadedThread:
        plan = self.plans[call.number]
        start = None if plan.timing is None else _start(time.time())
        return await self._act(call, lambda: of_file.LoadedThread(plan=plan, start=start))

    @activity.defn(name=FileActivity.SHOW_THREAD)
    async def show_thread(self, call: of_file.ShowThread) -> None:
        await self._act(call, lambda: call)

    @activity.defn(name=FileActivity.BEGIN_SEQUENCE)
    async def begin_sequence(self, call: of_file.BeginSequence) -> of_file.SequenceBegun:
        outcome = Outcome.SUPERSEDED if self.canceling else Outcome.DONE
        return await self._act(call, lambda: of_file.SequenceBegun(outcome=outcome))

    @activity.defn(name=FileActivity.END_SEQUENCE)
    async def end_sequence(self, call: of_file.EndSequence) -> of_file.SequenceEnded:
        start = None
        if not call.last and call.due is not None:
            start = _start(datetime.fromisoformat(call.due).timestamp() + INTERVAL)
        return await self._act(call, lambda: of_file.SequenceEnded(start=start))

    @activity.defn(name=FileActivity.END_THREAD)
    async def end_thread(self, call: of_file.EndThread) -> None:
        await self._act(call, lambda: call)

    @activity.defn(name=FileActivity.SEND_COMMAND)
    async def send_command(self, call: of_file.SendCommand) -> of_file.CommandSent:
        sent = of_file.CommandSent(outcome=Outcome.DONE, assignment_id=call.serial, ended="succeeded")
        superseded = of_file.CommandSent(outcome=Outcome.SUPERSEDED)
        return await self._act(call, lambda: superseded if self.canceling else sent)

    @activity.defn(name=FileActivity.CHECK_COMMAND)
    async def check_command(self, call: of_file.CheckCommand) -> of_file.CommandChecked:
        failed = of_file.CommandChecked(ended=True, status="failed", error="It is broken.")
        return await self._act(call, lambda: failed)

    @activity.defn(name=FileActivity.CANCEL_COMMAND)
    async def cancel_command(self, call: of_file.CancelCommand) -> of_file.CommandChecked:
        return await self._act(call, lambda: of_file.CommandChecked(ended=True, status="canceled"))

    @activity.defn(name=FileActivity.BRING_TO_INACTIVE)
    async def bring_to_inactive(self, call: of_file.BringToInactive) -> of_file.CommandSent:
        step = of_file.CommandSent(outcome=Outcome.DONE, assignment_id=1000, ended="succeeded")
        there = of_file.CommandSent(outcome=Outcome.DONE)
        return await self._act(call, lambda: there if call.sent else step)

    @activity.defn(name=FileActivity.ARM_THREAD)
    async def arm_thread(self, call: of_file.ThreadCall) -> None:
        await self._act(call, lambda: call)

    @activity.defn(name=FileActivity.TAKE_EVENT)
    async def take_event(self, call: of_file.TakeEvent) -> of_file.EventTaken:
        def take() -> of_file.EventTaken:
            if call.served < len(self.events):
                return of_file.EventTaken(event=self.events[call.served])
            return of_file.EventTaken(over=self.disarmed)

        return await self._act(call, take)

    @activity.defn(name=FileActivity.DISARM_THREADS)
    async def disarm_threads(self, call: of_file.DisarmThreads) -> None:
        self.disarmed = True
        await self._act(call, lambda: call)

    @activity.defn(name=FileActivity.BEGIN_ABORT)
    async def begin_abort(self, call: of_file.BeginAbort) -> None:
        self.canceling = True
        await self._act(call, lambda: call)

    def all(self) -> list[Callable[..., Any]]:
        return [
            *super().all(),
            self.start_threads, self.load_thread, self.show_thread, self.begin_sequence, self.end_sequence,
            self.end_thread, self.send_command, self.check_command, self.cancel_command, self.bring_to_inactive,
            self.arm_thread, self.take_event, self.disarm_threads, self.begin_abort, self.take_over_threads,
        ]  # fmt: skip


class FileRun(Run):
    """The run of a mission file."""

    fake: FakeFileActivities

    def thread(self, number: int = 0) -> WorkflowHandle[Any, Any]:
        """A thread's run, whatever it was continued as."""
        return self.fake.client.get_workflow_handle(f"{self.handle.id}-thread-{number}")


class FileBench(Bench):
    """A bench for mission files."""

    fake: FakeFileActivities

    def __init__(self, client: Client, *, max_cached_workflows: int = CACHED) -> None:
        super().__init__(client, max_cached_workflows=max_cached_workflows)
        self.fake = FakeFileActivities(client)

    async def run_file(self, *plans: ThreadPlan, **fields: Any) -> FileRun:
        """Run a mission file of these threads; a minute of it is 10 ms."""
        self.fake.plans = list(plans)
        start = MissionFileStart.model_validate(
            {
                "work_process_id": 7,
                "steps": [],
                "plan_id": "m-1",
                "threads": len(plans),
                "time_scale": 6000,
                "command_timeout": 0.5,
                "inactive_timeout": 0.3,
                "cancel_resend_interval": 0.3,
                "task_queues": TaskQueues(missions=self.queue, steps=self.queue),
                **fields,
            }
        )
        handle = await self.client.start_workflow(
            MISSION_FILE_RUN, start, id=f"file-{secrets.token_hex(6)}", task_queue=self.queue
        )
        self._started.append(handle)
        self._started += [
            self.client.get_workflow_handle(f"{handle.id}-thread-{number}") for number in range(len(plans))
        ]
        return FileRun(handle, self.fake)

    async def runs(self, handle: WorkflowHandle[Any, Any]) -> AsyncIterator[WorkflowHistory]:
        """Those of a thread, too, which the mission's run started; if it came so far."""
        if handle.first_execution_run_id is None:
            known = [one async for one in self.client.list_workflows(f'WorkflowId = "{handle.id}"')]
            for execution in known:
                yield await self.client.get_workflow_handle(handle.id, run_id=execution.run_id).fetch_history()
            return
        async for history in super().runs(handle):
            yield history


@pytest.fixture
async def file_bench(
    request: pytest.FixtureRequest, client: Client, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[FileBench]:
    """A bench as the worker is; what ran on it is replayed afterwards."""
    bench = FileBench(client, max_cached_workflows=getattr(request, "param", CACHED))
    async with bench.running():
        yield bench
    await bench.replay()
    assert_quiet(caplog)


ALSO_WITHOUT_CACHE = pytest.mark.parametrize(
    "file_bench", [CACHED, 0], ids=["as the worker runs it", "without a cache"], indirect=True
)
