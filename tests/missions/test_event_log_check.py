"""The check of emitted events, which every teardown runs, finds what is wrong with them."""

from typing import Any

import pytest

from missions.event_schemas import example
from missions.events import Event, EventType
from tests.support.event_log import faults

OTHER_ID = "019b7c1e-5c3e-7d50-9d2c-0f6a4b1c2d3f"


def event_of(kind: EventType, **values: Any) -> Event:
    return Event.model_validate(example(kind) | {"mission_sequence": 1} | values)


def test_examples_are_faultless() -> None:
    for kind in EventType:
        number = 1 if example(kind)["mission_id"] else None
        assert list(faults([event_of(kind, mission_sequence=number)])) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"type": "task.unheard_of"}, "an unknown type"),
        ({"payload": {}}, "required property"),
        ({"payload": {**example(EventType.TASK_STARTED)["payload"], "x": 1}}, "'x' was unexpected"),
        ({"source": "worker"}, "does not match"),
        ({"source": "queue"}, "source 'queue' is none of"),
        ({"severity": "ERROR"}, "severity ERROR is none of"),
        ({"task_id": "8"}, "ids differ"),
        ({"mission_id": None, "task_id": None, "correlation_id": None, "mission_sequence": None}, "no mission_id"),
        ({"mission_sequence": 2}, "gaps or repeats"),
        ({"causation_id": OTHER_ID}, "is no event's id"),
        ({"meta": {"schema_version": 1, "producer": "muster", "source_module": "api"}}, "does not go with"),
    ],
    ids=str,
)
def test_fault_is_named(change: dict[str, Any], said: str) -> None:
    found = list(faults([event_of(EventType.TASK_STARTED, **change)]))
    assert any(said in fault for fault in found), found


def test_positions_are_given_once() -> None:
    two = [event_of(EventType.TASK_STARTED), event_of(EventType.TASK_STARTED, mission_sequence=2)]
    assert list(faults(two)) == ["sequence 42 is given 2 times"]
