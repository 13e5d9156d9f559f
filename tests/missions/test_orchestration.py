"""What an answer may say of the steps after it."""

from typing import Any

import pytest

from missions.errors import FailureCode, PlanningFailed
from missions.orchestration import next_request, skipped_dependents

WHERE = {"step": "plan", "url": "http://planner/"}
DEPENDENTS = ["charge", "report"]


@pytest.mark.parametrize(
    ("orchestration", "skipped"),
    [
        (None, []),
        ({}, []),
        ({"allow_dependent_steps": None}, []),
        ({"allow_dependent_steps": ["report", "charge"]}, []),
        ({"allow_dependent_steps": ["report"]}, ["charge"]),
        ({"allow_dependent_steps": []}, ["charge", "report"]),
        ({"next_step_request": {"charge": 1}}, []),
        ({"current_step": "plan", "next_step": ["anything"]}, []),
    ],
)
def test_dependent_steps_that_are_not_allowed_are_skipped(orchestration: object, skipped: list[str]) -> None:
    assert skipped_dependents({"orchestration": orchestration}, DEPENDENTS, **WHERE) == skipped


@pytest.mark.parametrize("answer", [{}, [], "text", None])
def test_answer_without_orchestration_skips_nothing(answer: object) -> None:
    assert skipped_dependents(answer, DEPENDENTS, **WHERE) == []


@pytest.mark.parametrize(
    ("orchestration", "says"),
    [
        ([], r"orchestration = \[\], not an object"),
        ({"next_step_request": ["charge"]}, r"next_step_request = \['charge'\], not an object"),
        ({"next_step_request": {"drive": {}}}, "named 'drive' in next_step_request, .* are charge, report"),
        ({"nex_step_request": {"drive": {}}}, "named 'drive'"),
        ({"allow_dependent_steps": "charge"}, "allow_dependent_steps = 'charge', not a list"),
        ({"allow_dependent_steps": ["charge", "drive"]}, "named 'drive' in allow_dependent_steps"),
        ({"allow_dependent_steps": [["charge"]]}, r"named \['charge'\]"),
        ({"allow_dependent_steps": [None]}, "named None"),
    ],
)
def test_wrong_orchestration_fails_naming_step_url_and_value(orchestration: object, says: str) -> None:
    with pytest.raises(PlanningFailed, match=says) as refused:
        skipped_dependents({"orchestration": orchestration}, DEPENDENTS, **WHERE)
    failure = refused.value.failure
    assert (failure.code, failure.step, failure.url) == (FailureCode.PLANNING_FAILED, "plan", "http://planner/")
    assert "'plan'" in failure.text
    assert "http://planner/" in failure.text


def test_last_step_has_no_step_to_name() -> None:
    with pytest.raises(PlanningFailed, match="depend on this one are none"):
        skipped_dependents({"orchestration": {"allow_dependent_steps": ["plan"]}}, [], **WHERE)


def answer(**orchestration: Any) -> dict[str, Any]:
    return {"orchestration": orchestration}


@pytest.mark.parametrize("spelling", ["next_step_request", "nex_step_request"])
@pytest.mark.parametrize("request_", [{"to": "charger"}, {}, [1], None])
def test_answer_replaces_what_the_next_step_is_asked(spelling: str, request_: object) -> None:
    assert next_request("charge", [{}, answer(**{spelling: {"charge": request_}})], "data") == request_


def test_step_that_no_answer_names_is_asked_as_usual() -> None:
    answers = [None, "text", {"orchestration": 1}, answer(next_step_request=[]), answer(next_step_request={"b": 1})]
    assert next_request("a", answers, "data") == "data"


def test_of_several_answers_the_last_one_counts() -> None:
    answers = [answer(next_step_request={"a": 1}), answer(nex_step_request={"a": 2}), answer()]
    assert next_request("a", answers, "data") == 2
