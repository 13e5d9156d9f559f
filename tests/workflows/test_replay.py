"""The workflows replay a closed history of every kind of ending (table: endings.py; recorded by `make histories`).

Red: the order of the workflow's commands has changed, and runs that are on their way would hang at the next deploy.
"""

import json
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, WorkflowRunner
from temporalio.workflow import NondeterminismError

from engine.client import DATA_CONVERTER
from missions.contracts import Activity, QueueActivity, QueueSignal, Signal
from missions.mission_files.contracts import FileActivity, FileSignal, ThreadSignal
from missions.mission_files.platform_contracts import PlatformActivity
from scripts.record_histories import kinds
from tests.workflows.endings import ENDINGS
from tests.workflows.isolated import SANDBOX
from tests.workflows.mutated import MUTATED, PATCHED
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
    "failed_platform_command_time_out": "assignment_timeout",
    "failed_by_a_fault_of_ours": "internal",
    "failed_cancel_of_an_assignment": "assignment_failed",
    "failed_group": "agent_held",
    "failed_last_attempt": "planning_failed",
    "failed_mission_file_by_its_instruments": "agent_not_listening",
    "failed_mission_file_with_a_cancelled_thread": "thread_aborted",
    "failed_mission_file_with_a_terminated_thread": "thread_aborted",
    "failed_reservation": "agent_not_listening",
    "failed_step_by_an_exception": "planning_failed",
    "failed_wait_for_a_slot": "reservation_timeout",
    "failed_as_its_run_was_terminated": "terminated",
    "failed_mission_file_that_was_terminated": "terminated",
}
# Activities and signals that some ending must show, or its history is not of that kind.
SHOWN = {
    "canceled_between_attempts": "end_attempt",
    "succeeded_at_the_second_attempt": "end_attempt",
    "canceled_as_its_row_said": "request_native_cancel",
    "canceled_by_signal": "request_native_cancel",
    "canceled_unconfirmed": "resend_cancels",
    "canceled_mission_file_by_policy": "begin_abort",
    "failed_mission_file_that_was_terminated": "take_over_threads",
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
    "succeeded_once_another_agent_was_freed": "agent_freed",
    "succeeded_after_an_unconfirmed_start_began": "assignment_started",
    "succeeded_after_waiting_for_a_slot": "slot_granted",
    "succeeded_after_a_pause_that_came_back": "raise_attention",
    "succeeded_after_a_deferred_pause": "note_pause",
    "canceled_in_a_pause": "note_pause",
    "canceled_while_its_attempt_ends": "end_attempt",
    "canceled_twice": "cancel",
    "canceled_by_a_halt_of_its_failure": "halt",
    "canceled_mission_file_with_a_stubborn_instrument": "raise_attention",
    "failed_mission_file_with_a_terminated_thread": "end_thread",
    "succeeded_mission_file_after_a_pause": "thread_stands",
    "succeeded_thread_with_the_timed_ones": "timed_threads_ended",
    "succeeded_thread_after_a_cancelled_command": "cancel_assignment",
    "succeeded_thread_in_being_halted": "halt",
}
# Beside activities and signals: what else a workflow has its runs do.
COMMANDS = {
    "timerStartedEventAttributes": "a timer",
    "timerCanceledEventAttributes": "a timer that is not awaited to its end",
    "activityTaskCancelRequestedEventAttributes": "an activity that is cancelled",
    "startChildWorkflowExecutionInitiatedEventAttributes": "a child",
    "requestCancelExternalWorkflowExecutionInitiatedEventAttributes": "a run that is cancelled",
    "signalExternalWorkflowExecutionInitiatedEventAttributes": "a signal to another run",
    "upsertWorkflowSearchAttributesEventAttributes": "search attributes",
    "workflowExecutionContinuedAsNewEventAttributes": "another run",
}
KNOWN: tuple[type[StrEnum], ...] = (
    Activity, QueueActivity, FileActivity, PlatformActivity, Signal, QueueSignal, FileSignal, ThreadSignal,
)  # fmt: skip
STORED = sorted(path.stem for path in FOLDER.glob("*.json"))
each = pytest.mark.parametrize("kind", STORED)


@cache
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


def names(kind: str) -> set[str]:
    """The activities that a run called, and the signals that it got."""
    called = [event.get("activityTaskScheduledEventAttributes", {}) for event in events(kind)]
    signals = [event.get("workflowExecutionSignaledEventAttributes", {}) for event in events(kind)]
    return {one["activityType"]["name"] for one in called if one} | {one["signalName"] for one in signals if one}


def test_every_kind_of_ending_is_stored() -> None:
    assert kinds() == STORED, "run `make histories`"
    rows = [kind for of in ENDINGS.values() for endings in of.values() for kind in endings.values()]
    assert sorted(rows) == STORED, "each history has one row in endings.py"
    assert set(FAILURES) == {kind for kind in STORED if kind.startswith("failed")}
    assert set(SHOWN) <= set(STORED)


@pytest.mark.parametrize("workflow", ENDINGS)
def test_table_names_histories_of_the_right_workflow(workflow: str) -> None:
    kinds_of = {kind for endings in ENDINGS[workflow].values() for kind in endings.values()}
    of = {events(kind)[0]["workflowExecutionStartedEventAttributes"]["workflowType"]["name"] for kind in kinds_of}
    assert of == {workflow}


def test_every_workflow_has_rows() -> None:
    assert {workflow.__name__ for workflow in WORKFLOWS} == set(ENDINGS)


def test_everything_that_workflows_know_happens_in_a_stored_history() -> None:
    happened = set[str]().union(*map(names, STORED))
    assert {str(name) for kind in KNOWN for name in kind} - happened == set()
    done = {key for kind in STORED for event in events(kind) for key in event}
    assert {words for key, words in COMMANDS.items() if key not in done} == set()


@each
def test_stored_history_is_closed_in_the_way_it_says(kind: str) -> None:
    """An open history replays green whatever comes after its last event."""
    stored = events(kind)
    assert stored[-1]["eventType"] == CLOSED[kind.partition("_")[0]]
    if kind in FAILURES:
        failure = stored[-1]["workflowExecutionFailedEventAttributes"]["failure"]
        assert failure["applicationFailureInfo"]["type"] == FAILURES[kind]
    if kind in SHOWN:
        assert SHOWN[kind] in names(kind)
    assert (FOLDER / f"{kind}.json").stat().st_size < 100_000, "small enough to be stored"


@each
async def test_workflow_replays(kind: str) -> None:
    await replayer(*WORKFLOWS).replay_workflow(history(kind))


@pytest.mark.parametrize("kind", [next(iter(endings.values())) for of in ENDINGS.values() for endings in of.values()])
async def test_workflow_replays_in_the_sandbox(kind: str) -> None:
    await replayer(*WORKFLOWS, runner=SANDBOX).replay_workflow(history(kind))


@each
async def test_workflow_with_one_activity_more_does_not(kind: str) -> None:
    with pytest.raises(NondeterminismError):
        await replayer(*MUTATED).replay_workflow(history(kind))


@pytest.mark.parametrize("kind", ["succeeded", "canceled_as_another_run", "succeeded_thread", "continued_thread"])
async def test_workflow_with_one_activity_more_below_a_patch_does(kind: str) -> None:
    await replayer(*PATCHED).replay_workflow(history(kind))
