"""The transition table: closed, always cancellable, and the diagram is made from it."""

import re

import pytest

from missions.statuses import AssignmentStatus as A
from missions.statuses import ServiceRequestStatus as R
from missions.statuses import WorkProcessStatus as W
from missions.transitions import (
    AGENT_MAY_REPORT,
    ASSIGNMENT,
    ASSIGNMENT_ENDED,
    ASSIGNMENT_UNSENT,
    CLIENT_MAY_CREATE,
    CLIENT_MAY_WRITE,
    SERVICE_REQUEST_ENDED,
    WORK_PROCESS,
    WORK_PROCESS_ENDED,
    WORK_PROCESS_OPEN,
    may_follow,
    work_process_diagram,
)


def reachable(start: W) -> set[W]:
    seen = {start}
    waiting = [start]
    while waiting:
        new = WORK_PROCESS[waiting.pop()] - seen
        seen |= new
        waiting += new
    return seen


def test_table_knows_every_status() -> None:
    assert set(WORK_PROCESS) == set(W)
    assert set(ASSIGNMENT) == set(A)


def test_every_status_is_reached_from_a_draft() -> None:
    assert reachable(W.DRAFT) == set(W)


def test_ended_statuses_have_no_successors_and_are_three() -> None:
    assert {W.SUCCEEDED, W.FAILED, W.CANCELED} == WORK_PROCESS_ENDED
    assert not any(WORK_PROCESS[status] for status in WORK_PROCESS_ENDED)


@pytest.mark.parametrize("status", sorted(WORK_PROCESS_OPEN - {W.DRAFT, W.CANCELING}))
def test_every_open_mission_may_be_cancelled(status: W) -> None:
    assert may_follow(status, W.CANCELING)


def test_draft_is_cancelled_at_once_for_it_has_no_run() -> None:
    assert may_follow(W.DRAFT, W.CANCELED)
    assert not may_follow(W.DRAFT, W.CANCELING)


def test_canceling_always_becomes_canceled() -> None:
    assert reachable(W.CANCELING) == {W.CANCELING, W.CANCELED}


@pytest.mark.parametrize("status", sorted(WORK_PROCESS_OPEN - {W.DRAFT, W.CANCELING}))
def test_every_dispatched_mission_may_fail(status: W) -> None:
    assert W.FAILED in reachable(status)


def test_no_status_follows_itself() -> None:
    assert not [status for status, following in WORK_PROCESS.items() if status in following]
    reported_twice = {A.EXECUTING, A.ACTIVE}  # an agent's progress
    assert {status for status, following in ASSIGNMENT.items() if status in following} == reported_twice


def test_success_comes_only_after_the_assignments_are_completed_or_where_there_are_none() -> None:
    assert [s for s in W if may_follow(s, W.SUCCEEDED)] == [W.CALCULATING, W.ASSIGNMENTS_COMPLETED]


def test_clients_write_wishes_only() -> None:
    assert {W.DRAFT, W.DISPATCHED} == CLIENT_MAY_CREATE
    assert {W.DISPATCHED, W.CANCELING} == CLIENT_MAY_WRITE


def test_ended_assignments_stay_ended() -> None:
    for status in ASSIGNMENT_ENDED:
        assert ASSIGNMENT[status] <= {A.COMPLETED}, "`completed` is helyOS's note of the agent's `succeeded`"


@pytest.mark.parametrize("status", sorted(set(A) - ASSIGNMENT_ENDED - ASSIGNMENT_UNSENT))
def test_assignment_at_an_agent_may_end_in_every_way(status: A) -> None:
    assert ASSIGNMENT[status] >= ASSIGNMENT_ENDED


def test_agent_cannot_put_its_assignment_back_in_line() -> None:
    assert not AGENT_MAY_REPORT & (ASSIGNMENT_UNSENT | {A.CANCELING})


def test_service_request_ends_in_every_known_way() -> None:
    assert {R.READY, R.FAILED, R.TIME_OUT, R.CANCELED, R.SKIPPED} == SERVICE_REQUEST_ENDED


def test_cancelling_with_two_l_is_read_as_canceling() -> None:
    assert W.read("cancelling") is W.CANCELING
    assert W.read("preparing resources") is W.PREPARING_RESOURCES
    with pytest.raises(ValueError, match="cancelld"):
        W.read("cancelld")


def test_diagram_is_the_table() -> None:
    lines = work_process_diagram().splitlines()
    assert lines[0] == "stateDiagram-v2"
    drawn = {tuple(match.groups()) for line in lines if (match := re.fullmatch(r"    (\S+) --> (\S+)", line))}
    assert len(drawn) == len(lines) - 1
    words = {status: status.replace(" ", "_") for status in W}
    starts = {("[*]", words[status]) for status in CLIENT_MAY_CREATE}
    ends = {(words[status], "[*]") for status in WORK_PROCESS_ENDED}
    edges = {(words[a], words[b]) for a, following in WORK_PROCESS.items() for b in following}
    assert drawn == starts | edges | ends
