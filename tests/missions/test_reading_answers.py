"""What a service's answer means, for every status word."""

from typing import Any

import pytest

from missions.errors import PlanningFailed
from missions.planner_answers import PlannedAssignment, planned_assignments, read_answer
from missions.statuses import FailurePolicy
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
        ({"status": "pending", "request_id": "x" * 1001}, "a request_id of 1001 characters"),
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
        {"agent_id": 6, "agent_uuid": "", "assignment": 0},
    ) == [
        PlannedAssignment(0, 3, None, {"n": 1}),
        PlannedAssignment(1, 4, None, [1]),
        PlannedAssignment(2, None, "truck", "go"),
        PlannedAssignment(3, 5, "truck", 0),
        PlannedAssignment(4, 6, None, 0),
    ]


def test_result_is_an_old_word_for_results_and_for_assignment() -> None:
    one = [PlannedAssignment(0, 3, None, {"n": 1})]
    assert planned_assignments({"result": {"agent_id": 3, "result": {"n": 1}}}, **WHERE) == one
    assert planned_assignments({"results": [{"agent_id": 3, "result": {"n": 1}}]}, **WHERE) == one


def test_entry_has_its_order_failure_policy_and_fallback() -> None:
    told = {"assignment_order": 2, "on_assignment_failure": "RELEASE_FAILED", "fallback_mission": "recover"}
    (entry,) = planned({"agent_id": 1, "assignment": {}, **told})
    assert entry == PlannedAssignment(0, 1, None, {}, 2, FailurePolicy.RELEASE_FAILED, "recover")


@pytest.mark.parametrize("empty", [None, ""])
def test_empty_policy_and_fallback_are_the_missions(empty: object) -> None:
    told = {"assignment_order": None, "on_assignment_failure": empty, "fallback_mission": empty}
    assert planned({"agent_id": 1, "assignment": {}, **told}) == [PlannedAssignment(0, 1, None, {})]


@pytest.mark.parametrize("result", [{"route": [1, 2]}, {"result": {"n": 1}}])
def test_result_that_names_nobody_is_the_assignment_of_every_agent_of_the_mission(result: dict[str, Any]) -> None:
    both = [PlannedAssignment(0, 3, None, result), PlannedAssignment(1, 8, None, result)]
    assert planned_assignments({"result": result}, **WHERE, agent_ids=[3, 8]) == both
    assert planned_assignments({"result": result}, **WHERE) == []


@pytest.mark.parametrize("result", [{"agent_id": 3}, {"agent_uuid": "truck"}, {"assignment": {}}, [{"n": 1}], "go"])
def test_result_that_is_an_incomplete_entry_is_nobodys_assignment(result: object) -> None:
    with pytest.raises(PlanningFailed, match=r"results\[0\]"):
        planned_assignments({"result": result}, **WHERE, agent_ids=[3])


def test_answer_without_a_service_is_its_activitys() -> None:
    with pytest.raises(PlanningFailed, match="step 'plan': its activity answered"):
        planned_assignments({"results": [1]}, step="plan", url=None)


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
        ({"assignment": {}, "agent_uuid": 7}, r"results\[1\].agent_uuid = 7"),
        ({"assignment": {}, "agent_id": "x"}, r"results\[1\].agent_id = 'x'"),
        ({"assignment": {}, "agent_id": True}, r"results\[1\].agent_id = True"),
        ({"assignment": {}, "agent_id": 1.5}, r"results\[1\].agent_id = 1.5"),
        ({"assignment": {}, "agent_id": "²"}, r"results\[1\].agent_id = '²'"),
        *(
            ({"agent_id": 1, "assignment": {}, field: value}, rf"results\[1\].{field} = {value!r}")
            for field, value in (
                ("assignment_order", "1"),
                ("assignment_order", 1.0),
                ("assignment_order", False),
                ("assignment_order", -1),
                ("on_assignment_failure", "EXPLODE"),
                ("on_assignment_failure", 0),
                ("fallback_mission", 7),
            )
        ),
    ],
)
def test_bad_entry_fails_naming_its_place(entry: object, says: str) -> None:
    with pytest.raises(PlanningFailed, match=says):
        planned({"agent_id": 1, "assignment": {}}, entry)


@pytest.mark.parametrize("odd", ["9" * 5000, "x" * 1_000_000, ["x" * 1_000_000] * 20, {"a": ["x"] * 1_000_000}])
def test_odd_value_is_told_in_a_few_words(odd: object) -> None:
    with pytest.raises(PlanningFailed, match=r"results\[0\]\.agent_id") as failed:
        planned({"agent_id": odd, "assignment": {}})
    assert len(failed.value.failure.text) < 300
