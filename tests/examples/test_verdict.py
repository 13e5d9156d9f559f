"""The demo's verdict: agreement passes, and whoever disagrees is named with what it says."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from examples.verdict import Evidence, Intended, disagreements

DELIVERY, PATROL, PICKUP = 1, 2, 3
INTENDED = [
    Intended("delivery", DELIVERY, ("truck-1", "truck-2"), "succeeded"),
    Intended("patrol", PATROL, ("truck-3",), "canceled"),
    Intended("pick-up", PICKUP, ("truck-2", "truck-3"), "succeeded", waits=True),
]


def hears(at: float, what: str, mission: int, assignment: int | None = None) -> dict[str, Any]:
    record: dict[str, Any] = {"at": at, "hears": what, "mission": mission}
    return record if assignment is None else record | {"assignment": assignment}


def says(at: float, what: str, mission: int | None, assignment: int | None = None, word: str = "") -> dict[str, Any]:
    record: dict[str, Any] = {"at": at, "says": what, "mission": mission}
    return record if assignment is None else record | {"assignment": assignment, "assignment_status": word}


def driven(at: float, mission: int, assignment: int) -> list[dict[str, Any]]:
    return [
        hears(at, "assignment", mission, assignment),
        says(at, "busy", mission, assignment, "executing"),
        says(at + 1, "ready", mission, assignment, "succeeded"),
    ]


def held(mission: int, begin: float, end: float, *drives: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        hears(begin, "reserve", mission),
        says(begin, "ready", mission),
        *drives,
        hears(end, "release", mission),
        says(end, "free", None),
    ]


def logs() -> dict[str, list[dict[str, Any]]]:
    cancelled = [
        hears(12, "assignment", PATROL, 21),
        says(12, "busy", PATROL, 21, "executing"),
        hears(14, "cancel", PATROL, 21),
        says(14, "ready", PATROL, 21, "canceled"),
    ]
    return {
        "truck-1": held(DELIVERY, 10, 20, *driven(12, DELIVERY, 11), *driven(14, DELIVERY, 12)),
        "truck-2": [
            *held(DELIVERY, 10, 20, *driven(14, DELIVERY, 13), *driven(16, DELIVERY, 14)),
            *held(PICKUP, 21, 31, *driven(22, PICKUP, 31), *driven(24, PICKUP, 32)),
        ],
        "truck-3": [
            *held(PATROL, 10, 15, *cancelled),
            *held(PICKUP, 21, 31, *driven(24, PICKUP, 33), *driven(26, PICKUP, 34)),
        ],
    }


def four(first: int) -> list[dict[str, Any]]:
    places = [(0, 0), (1, 1), (1, 2), (2, 3)]
    return [
        {"id": first + index, "group": group, "resultIndex": index, "status": "completed"} for group, index in places
    ]


def evidence() -> Evidence:
    shown = {"attention": [], "waitingReasons": [], "failure": None}
    return Evidence(
        logs=logs(),
        missions={
            DELIVERY: {**shown, "status": "succeeded"},
            PATROL: {**shown, "status": "canceled"},
            PICKUP: {**shown, "status": "succeeded"},
        },
        assignments={
            DELIVERY: four(11),
            PATROL: [{"id": 21, "group": 0, "resultIndex": 0, "status": "canceled"}],
            PICKUP: four(31),
        },
        waited={PICKUP: [{"code": "agent_reserved", "text": "agent truck-2 is reserved by work process 1"}]},
        agents={uuid: {"status": "free", "reservedFor": None} for uuid in logs()},
        runs={DELIVERY: "COMPLETED", PATROL: "CANCELED", PICKUP: "COMPLETED"},
    )


def test_three_witnesses_that_agree_leave_nothing_to_say() -> None:
    assert disagreements(INTENDED, evidence()) == []


Tamper = Callable[[Any], None]


def drop(log: str, **facts: Any) -> Tamper:
    """Remove the records with these facts from a log."""

    def tamper(found: Evidence) -> None:
        kept = [r for r in found.logs[log] if not all(r.get(key) == value for key, value in facts.items())]
        assert len(kept) < len(found.logs[log])
        found.logs[log][:] = kept  # type: ignore[index]

    return tamper


def swap(log: str, one: dict[str, Any], other: dict[str, Any]) -> Tamper:
    def tamper(found: Evidence) -> None:
        records: Any = found.logs[log]
        place = [next(i for i, r in enumerate(records) if want.items() <= r.items()) for want in (one, other)]
        records[place[0]], records[place[1]] = records[place[1]], records[place[0]]

    return tamper


def put(*path: Any, value: Any) -> Tamper:
    """Write another value into the evidence."""

    def tamper(found: Evidence) -> None:
        place: Any = getattr(found, path[0])
        for key in path[1:-1]:
            place = place[key]
        place[path[-1]] = value

    return tamper


def again(log: str, **facts: Any) -> Tamper:
    def tamper(found: Evidence) -> None:
        records: Any = found.logs[log]
        place = next(i for i, r in enumerate(records) if facts.items() <= r.items())
        records.insert(place, records[place])

    return tamper


@pytest.mark.parametrize(
    ("tamper", "complaint"),
    [
        (drop("truck-1", hears="reserve"), "agents' logs: delivery: truck-1 was never reserved for it"),
        (drop("truck-2", hears="release", mission=PICKUP), "pick-up: truck-2 was never released from it"),
        (again("truck-1", hears="assignment", assignment=12), "truck-1 was given assignment 12 more than once"),
        (
            drop("truck-1", assignment=12, assignment_status="succeeded"),
            "delivery: truck-1 last said 'executing' of assignment 12, in a mission that should have succeeded",
        ),
        (
            drop("truck-3", assignment=21, assignment_status="canceled"),
            "patrol: truck-3 was released before it confirmed that assignment 21 is stopped",
        ),
        (
            swap(
                "truck-3", {"assignment": 21, "assignment_status": "canceled"}, {"hears": "release", "mission": PATROL}
            ),
            "patrol: truck-3 was released before it confirmed that assignment 21 is stopped",
        ),
        (put("logs", "truck-3", 5, "assignment_status", value="succeeded"), "patrol: no agent stopped an assignment"),
        (put("logs", "truck-2", 2, "at", value=12.5), "delivery: group 2 started before group 1 had ended"),
        (
            swap("truck-2", {"hears": "release", "mission": DELIVERY}, {"hears": "reserve", "mission": PICKUP}),
            "truck-2 was reserved for mission 3 while mission 1 still held it",
        ),
        (put("logs", "truck-1", -1, "says", value="ready"), "truck-1 is not free at the end, it last said ready"),
        (put("logs", "truck-1", value=[]), "agents' logs: truck-1 is not free at the end, it last said nothing"),
        (put("missions", DELIVERY, "status", value="executing"), "API: delivery: is executing, should be succeeded"),
        (put("missions", PATROL, "status", value="succeeded"), "API: patrol: is succeeded, should be canceled"),
        (put("missions", PATROL, "attention", value=[{"text": "stuck"}]), "API: patrol: needs attention: stuck"),
        (
            put("assignments", PICKUP, 2, "status", value="executing"),
            "API: pick-up: assignment 33 is executing, should have succeeded",
        ),
        (put("assignments", PICKUP, 2, "group", value=2), "API: pick-up: its assignments went out in the order"),
        (put("assignments", PATROL, value=[]), "API: patrol: none of its assignments is canceled"),
        (put("waited", PICKUP, value=[]), "API: pick-up: never said that it waits for another mission's agents"),
        (put("agents", "truck-3", "status", value="busy"), "API: truck-3 is busy, should be free"),
        (put("agents", "truck-3", "reservedFor", value=3), "API: truck-3 is free, reserved for mission 3"),
        (put("runs", DELIVERY, value="RUNNING"), "Temporal: delivery: its run is RUNNING, should be COMPLETED"),
        (put("runs", PATROL, value="COMPLETED"), "Temporal: patrol: its run is COMPLETED, should be CANCELED"),
    ],
)
def test_who_disagrees_is_named(tamper: Tamper, complaint: str) -> None:
    tampered = copy.deepcopy(evidence())
    tamper(tampered)
    found = disagreements(INTENDED, tampered)
    assert any(complaint in problem for problem in found), json.dumps(found, indent=1)


def test_a_mission_that_nobody_knows_is_told_by_all_three() -> None:
    found = disagreements([Intended("ghost", 9, ("truck-1",), "succeeded")], evidence())
    assert {problem.split(":")[0] for problem in found if "ghost" in problem} == {"agents' logs", "API", "Temporal"}
