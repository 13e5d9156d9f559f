"""The workflow replays a closed history of every kind of ending (recorded by `make histories`).

Red: the order of the workflow's commands has changed, and runs that are on their way would hang at the next deploy.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, WorkflowRunner
from temporalio.workflow import NondeterminismError

from engine.client import DATA_CONVERTER
from scripts.record_histories import kinds
from tests.workflows.isolated import SANDBOX
from tests.workflows.mutated import MUTATED
from worker import RUNNER, WORKFLOW_INTERCEPTORS, WORKFLOWS

FOLDER = Path(__file__).with_name("histories")
CLOSED = {
    "succeeded": "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED",
    "failed": "EVENT_TYPE_WORKFLOW_EXECUTION_FAILED",
    "canceled": "EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED",
    "continued": "EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW",
}
FAILURES = {
    "failed_by_a_silent_agent": "agent_silent",
    "failed_assignment": "assignment_failed",
    "failed_planning": "planning_failed",
    "failed_planner_time_out": "planner_timeout",
    "failed_longest_wait": "reservation_timeout",
    "failed_mission_time_out": "mission_timeout",
    "failed_assignment_time_out": "assignment_timeout",
    "failed_unconfirmed_start": "assignment_not_started",
    "failed_mission_file": "thread_aborted",
    "failed_platform_command": "assignment_failed",
}
# Activities that some ending must show, or its history is not of that kind.
SHOWN = {
    "canceled_between_attempts": "end_attempt",
    "succeeded_at_the_second_attempt": "end_attempt",
    "canceled_as_its_row_said": "request_native_cancel",
    "canceled_by_signal": "request_native_cancel",
    "canceled_unconfirmed": "resend_cancels",
    "canceled_mission_file_by_policy": "begin_abort",
    "canceled_mission_file_in_a_command": "bring_to_inactive",
    "succeeded_mission_file": "disarm_threads",
    "succeeded_thread": "end_sequence",
    "succeeded_thread_by_events": "event_raised",
    "succeeded_thread_after_a_pause": "pause",
    "succeeded_thread_in_being_aborted": "bring_to_inactive",
    "succeeded_thread_in_being_stopped": "cancel_command",
    "canceled_queue": "cancel_mission_queue",
    "canceled_queue_as_its_row_said": "request_native_cancel",
    "succeeded_after_a_failed_assignment": "settle_failed_assignment",
    "succeeded_after_a_silent_agent": "requeue_reservation",
    "succeeded_after_a_restart_of_its_agent": "assignment_doubted",
    "succeeded_after_its_assignment_came_back": "agent_listens",
    "succeeded_after_an_unconfirmed_start_was_held": "raise_attention",
    "succeeded_after_an_unconfirmed_start_was_resent": "resend_assignment",
    "succeeded_after_silence_of_an_agent": "agent_silent",
}
STORED = sorted(path.stem for path in FOLDER.glob("*.json"))
each = pytest.mark.parametrize("kind", STORED)


def events(kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / f"{kind}.json").read_text())["events"]
    return found


def history(kind: str) -> WorkflowHistory:
    return WorkflowHistory.from_json(_id_of(kind), (FOLDER / f"{kind}.json").read_text())


def _id_of(kind: str) -> str:
    """The run's id, where another one would not fit: those of its threads are made of it."""
    started = [event.get("startChildWorkflowExecutionInitiatedEventAttributes", {}) for event in events(kind)]
    of_thread = next((one["workflowId"] for one in started if one), "work-process-replayed-thread-0")
    return str(of_thread.rpartition("-thread-")[0])


def replayer(*workflows: type, runner: WorkflowRunner = RUNNER) -> Replayer:
    return Replayer(
        workflows=workflows, data_converter=DATA_CONVERTER, workflow_runner=runner, interceptors=WORKFLOW_INTERCEPTORS
    )


def test_every_kind_of_ending_is_stored() -> None:
    assert kinds() == STORED, "run `make histories`"
    assert set(FAILURES) == {kind for kind in STORED if kind.startswith("failed")}
    assert set(SHOWN) <= set(STORED)


@each
def test_stored_history_is_closed_in_the_way_it_says(kind: str) -> None:
    """An open history replays green whatever comes after its last event."""
    stored = events(kind)
    assert stored[-1]["eventType"] == CLOSED[kind.partition("_")[0]]
    if kind in FAILURES:
        failure = stored[-1]["workflowExecutionFailedEventAttributes"]["failure"]
        assert failure["applicationFailureInfo"]["type"] == FAILURES[kind]
    if kind in SHOWN:
        called = [event.get("activityTaskScheduledEventAttributes", {}) for event in stored]
        signals = [event.get("workflowExecutionSignaledEventAttributes", {}).get("signalName") for event in stored]
        assert SHOWN[kind] in [*(each.get("activityType", {}).get("name") for each in called), *signals]


@each
def test_stored_history_is_small(kind: str) -> None:
    assert (FOLDER / f"{kind}.json").stat().st_size < 100_000


@each
@pytest.mark.parametrize("runner", [RUNNER, SANDBOX], ids=["as the worker runs it", "in the sandbox"])
async def test_workflow_replays(kind: str, runner: WorkflowRunner) -> None:
    await replayer(*WORKFLOWS, runner=runner).replay_workflow(history(kind))


@each
async def test_workflow_with_one_activity_more_does_not(kind: str) -> None:
    with pytest.raises(NondeterminismError):
        await replayer(*MUTATED).replay_workflow(history(kind))
