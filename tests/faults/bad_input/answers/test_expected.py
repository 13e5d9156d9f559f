"""Expectations that can fail."""

from dataclasses import replace
from typing import Any

import pytest

from faults.bad_input.answers.expected import LONGEST_REASON, End, Ended, differences, fine, late, refused


def failed(code: str = "planning_failed", text: str = "results[0] is odd", **fields: Any) -> Ended:
    return Ended("failed", {"code": code, "text": text}, fields.get("assigned", ()), fields.get("asked", 1))


SUCCEEDED = Ended("succeeded", None, ("one",), 1)


@pytest.mark.parametrize(
    ("ended", "end"),
    [
        (failed(), refused("results[0]")),
        (failed(text="RESULTS[0]"), refused("other", "results[0]")),
        (replace(failed(), asked=2, answers=2), refused("results[0]")),
        (failed("planner_timeout", "gave no result within 4 s", asked=3), late()),
        (failed("planner_timeout", "always HTTP 503", asked=3), late("HTTP 503")),
        (SUCCEEDED, fine("one")),
        (Ended("succeeded", None, ("one", "two"), 2), fine("two", "one", retried=True)),
    ],
)
def test_mission_that_ended_as_expected(ended: Ended, end: End) -> None:
    assert differences(ended, [end]) == ""


@pytest.mark.parametrize(
    ("ended", "end", "said"),
    [
        (failed(asked=2), refused("results[0]"), "asked 2 times"),
        (replace(failed(), asked=3, answers=2), refused("results[0]"), "asked 3 times"),
        (SUCCEEDED, refused("results[0]"), "succeeded, expected failed"),
        (failed(), fine("one"), "failed, expected succeeded"),
        (failed("internal"), refused("results[0]"), "'internal'"),
        (failed(text="something is odd"), refused("results[0]"), "names none of"),
        (failed(text=""), refused("results[0]"), "0 characters"),
        (failed(text="results[0]" + "x" * LONGEST_REASON), refused("results[0]"), "characters"),
        (failed(assigned=("two",)), refused("results[0]"), "went to ('two',)"),
        (failed("planner_timeout", "gave no result within 4 s"), late(), "not asked again"),
        (Ended("succeeded", None, ("one", "one"), 1), fine("one"), "went to"),
        (SUCCEEDED, fine("one", retried=True), "not asked again"),
    ],
)
def test_mission_that_ended_otherwise(ended: Ended, end: End, said: str) -> None:
    assert said in differences(ended, [end])


def test_one_of_several_ends_is_enough() -> None:
    assert differences(SUCCEEDED, [refused("x"), fine("one")]) == ""
    assert differences(failed("internal"), [refused("x"), fine("one")]).count(" / ") == 1
