"""Each check is shown to fail on a bad journal."""

from typing import Any

import pytest

from faults.invariants.journals import faults_of
from faults.stage.journal import Journal, read
from tests.faults.lines import Line, journal, sent

BEGIN: Line = {"what": "begin", "mission": 1, "assignment": 7}
DONE: Line = {"what": "done", "assignment": 7}
OTHER: Line = {"what": "begin", "mission": 2, "assignment": 8}
STARTED: Line = {"agent": "", "agents": ["a"], "what": "started"}
CANCEL: Line = {"what": "cancel", "mission": 1, "assignment": 7}
FREE: Line = {"what": "says", "status": "free", "mission": 1}
RELEASE: Line = {"what": "release", "mission": 1, "working": []}
AT_WORK: Line = {**RELEASE, "working": [7]}

BAD: dict[str, tuple[list[Line], str]] = {
    "an assignment twice": ([BEGIN, DONE, BEGIN], "agent a executed assignment 7 2 times"),
    "twice, though it was killed between": ([BEGIN, STARTED, BEGIN], "agent a executed assignment 7 2 times"),
    "two missions at once": ([BEGIN, OTHER], "agent a began for mission 2 while it worked for {1}"),
    "released at work": ([BEGIN, AT_WORK], "agent a was released by mission 1 while it worked on [7]"),
    "released at once after the cancel": (
        [BEGIN, CANCEL, AT_WORK],
        "agent a was released by mission 1 while it worked on [7]",
    ),
    "released at work after a word of its assignment": (
        [BEGIN, CANCEL, {**FREE, "assignment": 7, "said": "executing"}, AT_WORK],
        "agent a was released by mission 1 while it worked on [7]",
    ),
    "released at work for another's cancel": (
        [BEGIN, {**CANCEL, "mission": 2}, {**AT_WORK, "at": 99.0}],
        "agent a was released by mission 1 while it worked on [7]",
    ),
}
GOOD: dict[str, list[Line]] = {
    "one after the other": [BEGIN, DONE, RELEASE, OTHER],
    "another agent": [BEGIN, {**OTHER, "agent": "b"}],
    "killed between": [BEGIN, STARTED, OTHER],
    "stopped between": [BEGIN, CANCEL, {**DONE, "what": "stopped"}, RELEASE, OTHER],
    "said to be free when it was cancelled": [BEGIN, CANCEL, FREE, AT_WORK],
    "given up": [BEGIN, CANCEL, {**AT_WORK, "at": 40.0}],
    "commands are not driven": [{**BEGIN, "command": "RUN"}, {**OTHER, "command": "RUN"}],
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_journal_is_found(case: str) -> None:
    lines, fault = BAD[case]
    assert list(faults_of(journal(*lines))) == [fault]


@pytest.mark.parametrize("case", GOOD)
def test_a_good_journal_is_passed(case: str) -> None:
    assert list(faults_of(journal(*GOOD[case]))) == []


def test_three_requests_of_which_none_was_heard_are_given_up_too() -> None:
    asked = [sent("cancel", 1, 7, agent="a", at=second) for second in (2.0, 12.0, 22.0)]
    at_work = "agent a was released by mission 1 while it worked on [7]"
    assert list(faults_of(journal(BEGIN, {**AT_WORK, "at": 32.0}), asked)) == []
    assert list(faults_of(journal(BEGIN, {**AT_WORK, "at": 12.5}), asked)) == [at_work]
    another = [{**line, "mission": 2} for line in asked]
    assert list(faults_of(journal(BEGIN, {**AT_WORK, "at": 32.0}), another)) == [at_work]


def test_journals_are_read_from_their_files_without_a_line_that_was_cut(tmp_path: Any) -> None:
    file = tmp_path / "journal"
    for _ in range(2):
        Journal(file).write("a", "begin", mission=1, assignment=7)
    with file.open("a") as open_:
        open_.write('{"at": 1, "agent": "a", "wh')
    assert list(faults_of([*read(file), *read(tmp_path / "none")])) == ["agent a executed assignment 7 2 times"]
