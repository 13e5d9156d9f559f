"""The log of an agent on the SDK is read as a journal."""

from typing import Any

from faults.invariants import journals
from faults.stage.sdk_log import as_journal

Line = dict[str, Any]
HEARS, BEGINS, ENDS = (
    {"hears": "assignment", "mission": 1, "assignment": 7, "task": "drive"},
    {"says": "busy", "mission": 1, "assignment": 7, "assignment_status": "executing"},
    {"says": "ready", "mission": 1, "assignment": 7, "assignment_status": "succeeded"},
)
FREE, RELEASE = {"says": "free", "mission": None}, {"hears": "release", "mission": 1}


def translated(*log: Line) -> list[Line]:
    return list(as_journal({"at": float(at), "agent": "sdk-1", **line} for at, line in enumerate(log)))


def test_an_assignment_is_begun_done_and_spoken_of() -> None:
    lines = translated(HEARS, BEGINS, ENDS, RELEASE)
    assert [line["what"] for line in lines] == ["assignment", "begin", "says", "done", "says", "release"]
    assert lines[4] == {
        **{"at": 2.0, "agent": "sdk-1", "what": "says", "status": "ready"},
        **{"mission": 1, "assignment": 7, "said": "succeeded"},
    }


def test_what_is_wrong_in_it_is_found() -> None:
    twice = "agent sdk-1 executed assignment 7 2 times"
    at_work = "agent sdk-1 was released by mission 1 while it worked on [7]"
    assert list(journals.faults_of(translated(HEARS, BEGINS, ENDS, HEARS, BEGINS, ENDS))) == [twice]
    assert list(journals.faults_of(translated(HEARS, BEGINS, RELEASE))) == [at_work]


def test_an_agent_that_is_free_though_it_was_at_work_was_killed() -> None:
    other = {**BEGINS, "mission": 2, "assignment": 8}
    assert list(journals.faults_of(translated(BEGINS, FREE, other))) == []
    assert list(journals.faults_of(translated(BEGINS, other))) == [
        "agent sdk-1 began for mission 2 while it worked for {1}"
    ]
    assert translated({"problem": "ConnectionError: gone"})[0]["what"] == "lost"
