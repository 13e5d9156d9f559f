"""Contracts cross deploys: an older side reads what a newer one writes, and the other way round."""

import inspect
import json
from enum import StrEnum
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter
from pydantic_core import PydanticUndefined

from missions import contracts
from missions.contracts import Activity, Contract, QueueActivity, QueueSignal, Signal, json_object
from missions.errors import Failure, FailureCode
from missions.mission_files import contracts as of_files
from missions.mission_files import plan
from missions.mission_files import platform_contracts as of_platforms
from missions.mission_files.contracts import FileActivity, FileSignal, ThreadSignal
from missions.mission_files.platform_contracts import PlatformActivity
from missions.recipes import MissionOptions
from missions.statuses import UnconfirmedStart

MODULES = (contracts, of_files, of_platforms)
CONTRACTS = sorted(
    {
        member
        for module in MODULES
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, Contract) and member is not Contract
    },
    key=lambda contract: contract.__name__,
)

# Without these a contract has no meaning; whatever is added later needs a default.
ESSENTIAL = {
    "AdvanceMissionQueue": {"mission_queue_id"},
    "CancelMissionQueue": {"mission_queue_id"},
    "MissionQueueStart": {"mission_queue_id", "task_queues"},
    "QueueAdvanced": {"status"},
    "ActivityInput": {"work_process_id", "attempt", "transition"},
    "AgentFreed": {"assignment_id"},
    "AgentListens": {"assignment_id"},
    "AssignmentDoubted": {"assignment_id"},
    "AgentSilence": {"assignment_id"},
    "AgentTold": {"instant_action_id"},
    "AssignmentCancelWish": {"assignment_id"},
    "AssignmentReassigned": {"outcome"},
    "ReassignAssignment": {"assignment_id", "agent_id"},
    "ReserveSubstitute": {"assignment_id"},
    "SubstituteReserved": {"outcome"},
    "AgentsGranted": {"attempt"},
    "AgentsReady": {"attempt", "round"},
    "AssignmentEnded": {"assignment_id", "status"},
    "AssignmentSettled": {"outcome"},
    "AssignmentStarted": {"assignment_id"},
    "AssignmentsChecked": {"statuses"},
    "AssignmentsDispatched": {"outcome"},
    "AttemptEnded": {"outcome"},
    "CheckAssignments": {"assignment_ids"},
    "Continued": {"pause"},
    "DispatchAssignments": {"service_request_id", "step", "group"},
    "EndAttempt": {"failure"},
    "FinishMission": {"status"},
    "MissionFinished": {"outcome"},
    "MissionStopped": {"outcome"},
    "PauseWish": {"paused", "number"},
    "RaiseAttention": {"code", "text"},
    "RequestNativeCancel": {"reason"},
    "RequeueReservation": {"round"},
    "ResendAssignment": {"assignment_id"},
    "ResendCancels": {"work_process_id", "assignment_ids"},
    "Reserved": {"outcome"},
    "RunStep": {"service_request_id", "step"},
    "SettleFailedAssignment": {"assignment_id"},
    "SlotGranted": {"attempt"},
    "SlotTaken": {"outcome"},
    "StepPlan": {
        "service_request_id", "step", "uses", "depends_on", "wait_assignments", "apply_result", "preset",
    },
    "StepRan": {"outcome"},
    "TaskQueues": {"missions", "steps"},
    "WorkProcessStart": {"work_process_id", "steps", "task_queues"},
    # Of mission files.
    "LoadThread": {"begins"},
    "NextStart": {"at", "due"},
    "Place": {"sequence", "index"},
    "SequenceBegun": {"outcome"},
    "BeginSequence": {"loop"},
    "BringToInactive": {"work_process_id", "number", "agent_id", "sent"},
    "CancelCommand": {"work_process_id", "assignment_id"},
    "CheckCommand": {"work_process_id", "number", "assignment_id"},
    "CommandChecked": {"ended"},
    "CommandSent": {"outcome"},
    "DisarmThreads": {"work_process_id"},
    "EndSequence": {"loop", "last"},
    "EndThread": {"end"},
    "LoadedThread": {"plan"},
    "SendCommand": {"sequence", "index", "serial"},
    "ShowThread": {"status"},
    "StartedThread": {"number", "timed", "instrument_ids"},
    "TakeEvent": {"served"},
    "ThreadCall": {"work_process_id", "number"},
    "ThreadEnded": {"end"},
    "ThreadStands": {"number", "pause_number"},
    "ThreadStart": {
        "work_process_id", "number", "timed", "retry_pause", "command_timeout", "inactive_timeout", "time_scale",
        "cancel_resend_interval", "cancel_attempts", "task_queues",
    },
    "ThreadsStarted": {"outcome"},
    # Of platforms' commands.
    "CommandSentTo": {"agent"},
    "PlatformCommandSent": {"outcome"},
    "PlatformCommandSettled": {"outcome"},
    "SendPlatformCommand": {"platform_id", "command"},
    "SettlePlatformCommand": {"platform_id", "command"},
}  # fmt: skip

# A plan is stored with its run, and is read by later versions.
ESSENTIAL_OF_PLANS: dict[type[BaseModel], set[str]] = {
    plan.MissionPlan: {"threads"},
    plan.ThreadPlan: {"number", "instruments", "max_retries"},
    plan.Timing: {"start"},
    plan.Trigger: {"source", "event"},
    plan.Command: {"text", "on_error"},
}

SAMPLES: dict[str, Any] = {
    "int": 7, "int | None": 7, "float": 1.5, "str": "text", "bool": True, "list[str]": ["a"], "list[int]": [1],
    "dict[str, str]": {"1": "failed"},
}  # fmt: skip


def sample(model: type[BaseModel]) -> dict[str, Any]:
    """A JSON object with the essential fields only."""
    values: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if not field.is_required():
            continue
        annotation: Any = field.annotation
        if inspect.isclass(annotation) and issubclass(annotation, StrEnum):
            values[name] = next(iter(annotation)).value
        elif inspect.isclass(annotation) and issubclass(annotation, BaseModel):
            values[name] = sample(annotation)
        elif annotation == list[contracts.StepPlan]:
            values[name] = [sample(contracts.StepPlan)]
        else:
            values[name] = SAMPLES[annotation.__name__ if type(annotation) is type else str(annotation)]
    return values


def with_news(value: Any) -> Any:
    """The same JSON as a later version may write it: every object has a field more."""
    if isinstance(value, dict) and "1" not in value:
        return {key: with_news(item) for key, item in value.items()} | {"added_later": {"x": [1]}}
    return [with_news(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
def test_contract_reads_what_a_later_version_writes(contract: type[Contract]) -> None:
    plain = sample(contract)
    later = json.dumps(with_news(plain))
    assert TypeAdapter(contract).validate_json(later) == contract.model_validate(plain)


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
def test_only_essential_fields_lack_a_default(contract: type[Contract]) -> None:
    essential = set().union(*(ESSENTIAL.get(base.__name__, set()) for base in contract.__mro__))
    required = {name for name, field in contract.model_fields.items() if field.is_required()}
    assert required <= essential, "runs of the version before it do not send this field: give it a default"


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
def test_contract_survives_the_wire(contract: type[Contract]) -> None:
    value = contract.model_validate(sample(contract))
    assert contract.model_validate_json(value.model_dump_json()) == value
    assert json.loads(json.dumps(json_object(value))) == json_object(value)


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
def test_contract_is_frozen_and_its_defaults_are_not_shared(contract: type[Contract]) -> None:
    assert contract.model_config["frozen"]
    for field in contract.model_fields.values():
        assert field.default is PydanticUndefined or not isinstance(field.default, list | dict)


@pytest.mark.parametrize("part", ESSENTIAL_OF_PLANS, ids=lambda part: part.__name__)
def test_only_essential_parts_of_a_plan_lack_a_default(part: type[BaseModel]) -> None:
    required = {name for name, field in part.model_fields.items() if field.is_required()}
    assert required <= ESSENTIAL_OF_PLANS[part], "plans that are stored do not have this field: give it a default"


def test_failure_inside_an_answer_reads_what_a_later_version_writes() -> None:
    answer = {"outcome": "failed", "failure": {"code": "internal", "text": "x", "added_later": 1}}
    assert contracts.StepRan.model_validate(answer).failure == Failure(code=FailureCode.INTERNAL, text="x")


def test_mission_options_inside_a_start_read_what_a_later_version_writes() -> None:
    start = sample(contracts.WorkProcessStart) | {"options": {"unconfirmed_start": "resend", "added_later": 1}}
    options = contracts.WorkProcessStart.model_validate(start).options
    assert options == MissionOptions(unconfirmed_start=UnconfirmedStart.RESEND)


def test_names_are_what_stored_histories_say() -> None:
    """Renaming one strands the runs that use it."""
    assert contracts.WORK_PROCESS == "WorkProcess"
    assert contracts.MISSION_QUEUE == "MissionQueue"
    assert {*QueueActivity} >= {"advance_mission_queue", "cancel_mission_queue"}
    assert {*QueueSignal} >= {"queue_changed"}
    assert {*Activity} >= {
        "reserve_agents", "requeue_reservation", "dispatch_assignments", "check_assignments", "resend_assignment",
        "raise_attention", "stop_mission", "resend_cancels", "finish_mission", "request_native_cancel",
        "settle_failed_assignment",
    }  # fmt: skip
    assert {*Signal} >= {"agents_granted", "agents_ready", "assignment_ended", "assignment_started", "cancel"}
    assert (of_files.MISSION_FILE_RUN, of_files.MISSION_THREAD) == ("MissionFile", "MissionThread")
    assert of_platforms.PLATFORM_COMMAND_RUN == "PlatformCommand"
    assert {*FileActivity} >= {
        "start_threads", "disarm_threads", "begin_abort", "load_thread", "show_thread", "begin_sequence",
        "end_sequence", "end_thread", "send_command", "check_command", "cancel_command", "bring_to_inactive",
        "arm_thread", "take_event",
    }  # fmt: skip
    assert {*PlatformActivity} >= {"send_platform_command", "settle_platform_command"}
    assert {*FileSignal, *ThreadSignal} >= {"thread_stands", "event_raised", "timed_threads_ended", "pause", "halt"}
