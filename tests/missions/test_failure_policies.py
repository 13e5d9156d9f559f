"""The narrowest scope that says something decides what a failed assignment does."""

import pytest

from missions.errors import InvalidInput
from missions.failure_policies import effective_fallback, effective_policy, fallback_data
from missions.requests import refuse_unstorable


@pytest.mark.parametrize(
    ("assignment", "mission", "effective"),
    [
        ("DEFAULT", "CONTINUE_MISSION", "CONTINUE_MISSION"),
        ("FAIL_MISSION", "CONTINUE_MISSION", "FAIL_MISSION"),
        ("RELEASE_FAILED", "FAIL_MISSION", "RELEASE_FAILED"),
        ("DEFAULT", "DEFAULT", "FAIL_MISSION"),
    ],
)
def test_assignments_policy_wins_over_the_missions(assignment: str, mission: str, effective: str) -> None:
    assert effective_policy(assignment, mission) == effective


@pytest.mark.parametrize(
    ("assignment", "mission", "effective"),
    [("DEFAULT", "DEFAULT", None), ("DEFAULT", "tow", "tow"), ("repair", "tow", "repair"), ("", "tow", "")],
)
def test_assignments_fallback_wins_over_the_missions(assignment: str, mission: str, effective: str | None) -> None:
    assert effective_fallback(assignment, mission) == effective


def test_fallback_gets_the_missions_data_and_what_failed() -> None:
    mission = {"id": 7, "work_process_type_name": "drive", "data": {"goal": [1, 2]}}
    assignment = {"result": {"error": "flat tyre"}, "data": {"to": 3}}
    told = [{"assign": 1, "status": "succeeded", "result": None}]
    assert fallback_data(mission, assignment, told) == {
        "goal": [1, 2],
        "_failed_assignment": {
            "result": {"error": "flat tyre"},
            "context": {"dependencies": told},
            "data": {"to": 3},
            "work_process": {"id": 7, "data": {"goal": [1, 2]}, "recipe": "drive"},
        },
    }


def test_recipe_that_falls_back_on_itself_comes_to_an_end() -> None:
    data: dict[str, object] = {}
    for _ in range(100):
        mission = {"id": 7, "work_process_type_name": "drive", "data": data}
        data = fallback_data(mission, {"result": None, "data": None}, [])
    with pytest.raises(InvalidInput, match="nested deeper"):
        refuse_unstorable({"data": data})
