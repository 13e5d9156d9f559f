"""Each check is shown to fail on bad messages."""

import pytest

from faults.invariants.messages import faults_of, unseen
from faults.invariants.strikes import Strike
from tests.faults.lines import Line, idle, journal, said, sent

GAP: Line = {"agent": "", "what": "gap"}
TOLD = sent("assignment", 1, 7)
CANCEL, RELEASE = sent("cancel", 1, 7), sent("release", 1)
FULL_TIME = [{**CANCEL, "at": 10.0}, {**CANCEL, "at": 20.0}, {**CANCEL, "at": 30.0}]
UNCONFIRMED = "agent a was released by mission 1, which had asked it to stop assignment 7, before it confirmed that"

BAD: dict[str, tuple[list[Line], list[Line], str]] = {
    "an assignment twice": ([TOLD, TOLD], [], "assignment 7 was sent to agent a 2 times"),
    "twice, the broker being away between": ([TOLD, GAP, TOLD], [], "assignment 7 was sent to agent a 2 times"),
    "reserved before it was released": (
        [sent("reserve", 1), sent("reserve", 2), RELEASE],
        [],
        "agent a was reserved by mission 2 before {1} had released it",
    ),
    "asked four times": (
        [*FULL_TIME, {**CANCEL, "at": 40.0}],
        [],
        "agent a was asked 4 times to stop assignment 7",
    ),
    "an instrument asked seven times": (
        [{**CANCEL, "agent": "CTD0A", "at": 10.0 * time} for time in range(7)],
        [],
        "agent CTD0A was asked 7 times to stop assignment 7",
    ),
    "released without a word": ([CANCEL, RELEASE], [idle(agent="a", status="busy")], UNCONFIRMED),
    "confirmed afterwards": ([CANCEL, RELEASE], [said(7, "canceled", at=5.0)], UNCONFIRMED),
    "free, but before it was asked": ([{**CANCEL, "at": 3.0}, {**RELEASE, "at": 4.0}], [idle(at=1.0)], UNCONFIRMED),
    "another assignment's end": ([CANCEL, RELEASE], [said(8, "canceled", at=0.5)], UNCONFIRMED),
    "not the last word": ([CANCEL, RELEASE], [said(7, "executing", at=0.5)], UNCONFIRMED),
    "given up too early": ([*FULL_TIME, {**RELEASE, "at": 31.0}], [idle("busy")], UNCONFIRMED),
}
GOOD: dict[str, tuple[list[Line], list[Line]]] = {
    "an ordinary mission": ([sent("reserve", 1), TOLD, RELEASE, sent("reserve", 2)], [said(7, "succeeded")]),
    "what came back is sent again": ([{**TOLD, "heard": False}, TOLD], []),
    "a reserve twice": ([sent("reserve", 1), sent("reserve", 1), RELEASE, sent("reserve", 2)], []),
    "the broker was away": ([sent("reserve", 1), GAP, sent("reserve", 2)], []),
    "an activity was tried again": ([{**each, "at": each["at"] + late} for each in FULL_TIME for late in (0, 2)], []),
    "confirmed": ([CANCEL, {**RELEASE, "at": 5.0}], [said(7, "canceled", at=4.0)]),
    "idle after it was asked": ([CANCEL, {**RELEASE, "at": 5.0}], [idle("ready", at=4.0)]),
    "it ended by itself before": ([{**CANCEL, "at": 3.0}, {**RELEASE, "at": 5.0}], [said(7, "succeeded", at=1.0)]),
    "given up": ([*FULL_TIME, {**RELEASE, "at": 40.5}], [idle("busy")]),
    "an instrument that its thread asked in vain, and then its mission": (
        [{**each, "agent": "CTD0A", "at": each["at"] + late} for late in (0, 30) for each in FULL_TIME],
        [],
    ),
    "of an agent that writes no journal": ([CANCEL, RELEASE], []),
    "of one that does not write down what it says": ([CANCEL, RELEASE], [{"what": "begin", "assignment": 7}]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_messages_are_found(case: str) -> None:
    messages, words, fault = BAD[case]
    assert list(faults_of(journal(*messages), journal(*words))) == [fault]


@pytest.mark.parametrize("case", GOOD)
def test_good_messages_are_passed(case: str) -> None:
    messages, words = GOOD[case]
    assert list(faults_of(journal(*messages), journal(*words))) == []


def test_requests_of_an_activity_that_was_tried_again_during_a_fault_are_passed() -> None:
    lines = journal(*FULL_TIME, {**CANCEL, "at": 38.5})
    assert list(faults_of(lines, [], [Strike("network to PostgreSQL: 300 ms late", 25, 40)])) == []
    for strike in (Strike("network to PostgreSQL: 300 ms late", 39, 50), Strike("agents: one floods", 25, 40)):
        assert list(faults_of(lines, [], [strike])) == ["agent a was asked 4 times to stop assignment 7"]


BEGUN = {"what": "begin", "mission": 1, "at": 50.0}
LISTENS: Line = {"agent": "", "what": "listens"}


def test_what_an_agent_does_and_a_listening_tap_did_not_see_is_found() -> None:
    lines = journal(LISTENS, TOLD)
    begun = journal({**BEGUN, "assignment": 7}, {**BEGUN, "assignment": 8})
    assert list(unseen(lines, begun)) == ["the tap did not see assignment 8, which agent a began"]


def test_what_may_have_gone_by_in_a_gap_is_passed() -> None:
    begun = journal({**BEGUN, "assignment": 8})
    assert list(unseen(journal(LISTENS, TOLD, {**GAP, "at": 45.0}, {**LISTENS, "at": 46.0}), begun)) == []
    assert list(unseen(journal(TOLD, {**LISTENS, "at": 45.0}), begun)) == []


def test_a_tap_that_saw_nothing_is_found() -> None:
    assert list(unseen([], [])) == ["the tap saw no assignment"]
