"""The table of events is whole, and its schemas and examples are right."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from missions.errors import NotFound
from missions.event_catalogue import CATALOGUE, event
from missions.event_payloads.base import Payload
from missions.event_payloads.mission_queue import QueueFailure
from missions.event_payloads.task import TaskCreated, TaskFailed
from missions.event_payloads.work_process import WaitingReason, WorkProcessAttentionRaised, WorkProcessStatusChanged
from missions.event_schemas import envelope, example, family, known_type, payload_schema_url, schema
from missions.events import EventType, module_of
from missions.principals import MUSTER
from missions.statuses import Severity

TYPES_URL = "http://muster.example/api/v1/events/types"
# Spec 4's, in its words, with two more of task.retrying.
FIELDS = {
    EventType.TASK_CREATED: {"task_id", "mission_type", "priority", "created_at"},
    EventType.TASK_STARTED: {"task_id", "mission_type", "priority", "score", "retry_count", "started_at"},
    EventType.TASK_COMPLETED: {"task_id", "mission_type", "duration_ms", "completed_at"},
    EventType.TASK_FAILED: {
        "task_id", "mission_type", "error", "error_type", "retry_count", "max_retries", "will_retry", "duration_ms",
        "failed_at",
    },
    EventType.TASK_RETRYING: {
        "task_id", "mission_type", "retry_count", "max_retries", "next_attempt", "retried_at", "delay_ms",
        "next_attempt_at",
    },
    EventType.TASK_CANCELLED: {"task_id", "cancelled_by", "cancelled_at", "reason"},
}  # fmt: skip


def test_every_type_is_in_the_catalogue_with_a_model_of_its_own() -> None:
    assert set(CATALOGUE) == set(EventType)
    assert len({described.payload for described in CATALOGUE.values()}) == len(CATALOGUE)


@pytest.mark.parametrize("kind", FIELDS)
def test_task_events_have_the_fields_of_the_specification(kind: EventType) -> None:
    assert set(CATALOGUE[kind].payload.model_fields) == FIELDS[kind]
    assert set(FIELDS) == {kind for kind in EventType if family(kind) == "task"}


@pytest.mark.parametrize(
    "model",
    [*(described.payload for described in CATALOGUE.values()), WaitingReason, QueueFailure],
    ids=lambda model: model.__name__,
)
def test_every_field_has_a_meaning_and_an_example(model: type[Payload]) -> None:
    assert model.__doc__
    assert [name for name, field in model.model_fields.items() if not field.description or not field.examples] == []
    assert model.model_validate(model.example()).as_json() == model.example()


@pytest.mark.parametrize("kind", EventType)
def test_example_is_valid_and_another_type_is_not(kind: EventType) -> None:
    made = schema(kind, TYPES_URL)
    Draft202012Validator.check_schema(made)
    validator = Draft202012Validator(made)
    validator.validate(example(kind))
    assert envelope(kind).model_validate(example(kind)).model_dump(mode="json", by_alias=True) == example(kind)
    for wrong in ({"type": "task.unheard_of"}, {"payload": {**example(kind)["payload"], "x": 1}}, {"source": "me"}):
        assert not validator.is_valid(example(kind) | wrong)
    assert not validator.is_valid({name: value for name, value in example(kind).items() if name != "sequence"})


def test_schema_knows_its_address_and_its_payloads() -> None:
    made = schema(EventType.TASK_FAILED, TYPES_URL)
    assert made["$id"] == f"{TYPES_URL}/task.failed"
    assert made["properties"]["type"]["const"] == "task.failed"
    address, _, pointer = payload_schema_url("task.failed", TYPES_URL).partition("#/$defs/")
    assert (address, made["$defs"][pointer]["title"]) == (made["$id"], "TaskFailed")


def test_event_takes_type_and_usual_severity_from_its_payload() -> None:
    new = event(TaskFailed.model_validate(TaskFailed.example()), source="mission_worker", actor=MUSTER)
    assert (new.type, new.severity) == (EventType.TASK_FAILED, Severity.ERROR)
    created = TaskCreated.model_validate(TaskCreated.example())
    assert event(created, source="api", actor=MUSTER).payload == TaskCreated.example()
    changed = WorkProcessStatusChanged.model_validate({"from": "draft", "to": "dispatched"})
    assert event(changed, source="api", actor=MUSTER).payload == {"from": "draft", "to": "dispatched"}


def test_consequence_names_its_cause() -> None:
    cause, new = (
        event(TaskCreated.model_validate(TaskCreated.example()), source="api", actor=MUSTER) for _ in range(2)
    )
    assert new.cause is None
    assert new.caused_by(cause).cause == cause.number
    assert new.caused_by(cause).number == new.number != cause.number


def test_what_a_mission_shows_is_told_in_the_words_of_events() -> None:
    shown: dict[str, Any] = {"code": "c", "text": "t", "agentId": 1, "since": "2026-01-02T03:04:05.678000+00:00"}
    told = {"code": "c", "text": "t", "agent_id": 1, "since": "2026-01-02T03:04:05.678000Z"}
    assert WaitingReason.of(shown).as_json() == told | {"step": None}
    of_activity = WorkProcessAttentionRaised.of(shown | {"assignmentId": None, "activityId": "12"})
    assert of_activity.as_json() == told | {"assignment_id": None, "activity_id": "12"}


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(ValidationError):
        TaskCreated.model_validate({**TaskCreated.example(), "colour": "red"})


def test_unknown_type_is_refused_with_a_remedy() -> None:
    with pytest.raises(NotFound, match="unheard_of") as refused:
        known_type("task.unheard_of")
    assert "/api/v1/events/types" in (refused.value.remedy or "")


@pytest.mark.parametrize(
    ("source", "module"),
    [("api", "api"), ("agent:truck-1", "fleet"), ("queue", "missions"), ("mission_worker", "missions")],
)
def test_module_follows_from_the_source(source: str, module: str) -> None:
    assert module_of(source) == module
