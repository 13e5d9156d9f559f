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
        log = [event_of(kind, mission_sequence=number)]
        if kind is EventType.TASK_FAILED:  # it says that another attempt follows
            log.append(event_of(EventType.TASK_RETRYING, sequence=43, mission_sequence=2))
        assert list(faults(log)) == []


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
    two = [event_of(EventType.TASK_STARTED), event_of(EventType.TASK_COMPLETED, mission_sequence=2)]
    assert list(faults(two)) == ["sequence 42 is given 2 times"]


FAILED = example(EventType.TASK_FAILED)["payload"]
LAST = {"payload": FAILED | {"will_retry": False}}
NOT_LAST = {"payload": FAILED | {"will_retry": True}}


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ([(EventType.TASK_STARTED, {}), (EventType.TASK_COMPLETED, {}), (EventType.TASK_CANCELLED, {})], "second end"),
        ([(EventType.TASK_FAILED, LAST), (EventType.TASK_FAILED, LAST)], "second end"),
        ([(EventType.TASK_STARTED, {}), (EventType.TASK_STARTED, {})], "comes twice"),
        ([(EventType.TASK_COMPLETED, {}), (EventType.TASK_STARTED, {})], "after its end"),
        ([(EventType.TASK_FAILED, NOT_LAST)], "is followed by None"),
        ([(EventType.TASK_FAILED, NOT_LAST), (EventType.TASK_STARTED, {"attempt": 2})], "is followed by task.started"),
        ([(EventType.TASK_FAILED, NOT_LAST), (EventType.TASK_RETRYING, {"attempt": 2})], "is followed by"),
        (
            [
                (EventType.TASK_STARTED, {}),
                (EventType.TASK_FAILED, NOT_LAST),
                (EventType.TASK_RETRYING, {}),
                (EventType.TASK_STARTED, {"attempt": 2}),
                (EventType.TASK_FAILED, {**LAST, "attempt": 2}),
            ],
            "",
        ),
    ],
)
def test_attempts_have_one_beginning_and_one_end(told: list[tuple[EventType, dict[str, Any]]], said: str) -> None:
    log = [
        event_of(kind, **values, sequence=number, mission_sequence=number)
        for number, (kind, values) in enumerate(told, start=1)
    ]
    found = list(faults(log))
    assert (len(found), said in "".join(found)) == (1 if said else 0, True), found
