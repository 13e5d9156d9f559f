"""What a service's answer means, for every status word."""

from typing import Any

import pytest

from missions.errors import PlanningFailed
from missions.planner_answers import PlannedAssignment, planned_assignments, read_answer
from missions.statuses import ServiceRequestStatus as R

WHERE = {"step": "plan", "url": "http://planner/"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"status": "successful", "results": []}, R.READY),
        ({"status": "success"}, R.READY),
        ({"status": "ready", "results": [1]}, R.READY),
        ({"results": []}, R.READY),
        ({"result": {}}, R.READY),
        ({"status": None, "results": [], "request_id": "j"}, R.READY),
        ({"request_id": "j"}, R.PENDING),
        ({"status": "pending", "request_id": "j"}, R.PENDING),
        ({"status": "pending", "results": [1]}, R.PENDING),
        ({"status": "failed", "results": [1]}, R.FAILED),
        ({"status": "canceled"}, R.CANCELED),
        ({"status": "cancelled"}, R.CANCELED),
        ({"status": "weird", "results": [1]}, R.READY),
    ],
)
def test_status_word_is_understood(body: dict[str, Any], status: R) -> None:
    assert read_answer(body, **WHERE).status is status


@pytest.mark.parametrize("uid", ["j", 7])
def test_job_id_is_text(uid: object) -> None:
    assert read_answer({"status": "pending", "request_id": uid}, **WHERE).request_uid == str(uid)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ([], r"answered \[\], not a JSON object"),
        (None, "answered None"),
        ("ready", "answered 'ready'"),
        ({}, "neither a status nor results"),
        ({"status": "weird"}, "the unknown status 'weird'"),
        ({"status": "weird", "results": []}, "the unknown status 'weird'"),
        ({"status": 1}, "the unknown status 1"),
        ({"status": ["ready"]}, "the unknown status"),
    ],
)
def test_what_is_no_answer_fails_naming_step_and_url(body: object, says: str) -> None:
    with pytest.raises(PlanningFailed, match=says) as refused:
        read_answer(body, **WHERE)
    failure = refused.value.failure
    assert (failure.step, failure.url) == ("plan", "http://planner/")
    assert len(failure.text) < 300


def planned(*entries: object) -> list[PlannedAssignment]:
    return planned_assignments({"results": list(entries)}, **WHERE)


def test_agent_is_named_by_id_or_uuid() -> None:
    assert planned(
        {"agent_id": 3, "assignment": {"n": 1}},
        {"agent_id": "4", "assignment": [1]},
        {"agent_uuid": "truck", "assignment": "go"},
        {"agent_id": 5, "agent_uuid": "truck", "assignment": 0},
    ) == [
        PlannedAssignment(0, 3, None, {"n": 1}),
        PlannedAssignment(1, 4, None, [1]),
        PlannedAssignment(2, None, "truck", "go"),
        PlannedAssignment(3, 5, None, 0),
    ]


def test_result_is_an_old_word_for_results_and_for_assignment() -> None:
    one = [PlannedAssignment(0, 3, None, {"n": 1})]
    assert planned_assignments({"result": {"agent_id": 3, "result": {"n": 1}}}, **WHERE) == one
    assert planned_assignments({"results": [{"agent_id": 3, "result": {"n": 1}}]}, **WHERE) == one


@pytest.mark.parametrize("body", [{}, {"results": []}, {"results": None}, {"results": None, "result": None}])
def test_answer_without_results_plans_nothing(body: dict[str, Any]) -> None:
    assert planned_assignments(body, **WHERE) == []


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("x", r"results\[1\] = 'x', not an object"),
        (None, r"results\[1\] = None"),
        ({"agent_id": 1}, r"results\[1\] without an `assignment`"),
        ({"assignment": {}}, r"results\[1\] without agent_id or agent_uuid"),
        ({"assignment": {}, "agent_uuid": 7}, r"results\[1\] without agent_id or agent_uuid"),
        ({"assignment": {}, "agent_id": "x"}, r"results\[1\].agent_id = 'x'"),
        ({"assignment": {}, "agent_id": True}, r"results\[1\].agent_id = True"),
        ({"assignment": {}, "agent_id": 1.5}, r"results\[1\].agent_id = 1.5"),
        ({"assignment": {}, "agent_id": "²"}, r"results\[1\].agent_id = '²'"),
    ],
)
def test_bad_entry_fails_naming_its_place(entry: object, says: str) -> None:
    with pytest.raises(PlanningFailed, match=says):
        planned({"agent_id": 1, "assignment": {}}, entry)
