"""What a queue does next: the whole table of its decision, and which status may follow which."""

from itertools import product

import pytest

from missions.mission_queues import Move, QueueView, next_move
from missions.statuses import QueueStatus as Q
from missions.statuses import WorkProcessStatus as W
from missions.transitions import MISSION_QUEUE, QUEUE_IDLE, WORK_PROCESS_ENDED, WORK_PROCESS_OPEN

RUNS = WORK_PROCESS_OPEN - {W.DRAFT}


def view(status: Q, **fields: object) -> QueueView:
    return QueueView(status=status, **fields)  # type: ignore[arg-type]  # fields of several types


def every_view() -> list[QueueView]:
    missions = [None, *sorted(RUNS), *sorted(WORK_PROCESS_ENDED)]
    flags = [False, True]
    return [QueueView(*values) for values in product(Q, flags, flags, missions, flags, flags)]


@pytest.mark.parametrize(
    ("queue", "move"),
    [
        (view(Q.RUN), Move.BEGIN),
        (view(Q.RUN, before_its_time=True, has_draft=True), Move.AWAIT_TIME),
        (view(Q.RUNNING, has_draft=True), Move.START_MISSION),
        (view(Q.RUNNING), Move.STOP_EMPTY),
        (view(Q.RUNNING, in_hand=W.EXECUTING, has_draft=True), Move.AWAIT_MISSION),
        (view(Q.RUNNING, in_hand=W.SUCCEEDED, stop_on_failure=True, has_draft=True), Move.START_MISSION),
        (view(Q.RUNNING, in_hand=W.FAILED, has_draft=True), Move.START_MISSION),
        (view(Q.RUNNING, in_hand=W.FAILED, stop_on_failure=True, has_draft=True), Move.STOP_FOR_FAILURE),
        (view(Q.RUNNING, in_hand=W.CANCELED, stop_on_failure=True), Move.STOP_FOR_FAILURE),
        (view(Q.RUNNING, in_hand=W.SUCCEEDED, another_runs=True, has_draft=True), Move.ADOPT_MISSION),
        (view(Q.PAUSED, in_hand=W.EXECUTING, has_draft=True), Move.AWAIT_MISSION),
        (view(Q.PAUSED, in_hand=W.SUCCEEDED, has_draft=True), Move.AWAIT_RESUME),
        (view(Q.PAUSED), Move.AWAIT_RESUME),
        (view(Q.PAUSED, in_hand=W.FAILED, stop_on_failure=True), Move.STOP_FOR_FAILURE),
        (view(Q.CANCELING, in_hand=W.CANCELING), Move.AWAIT_MISSION),
        (view(Q.CANCELING, in_hand=W.CANCELED, stop_on_failure=True, has_draft=True), Move.END_CANCELED),
        (view(Q.CANCELING, in_hand=W.CANCELED, another_runs=True), Move.ADOPT_MISSION),
    ],
)
def test_next_move(queue: QueueView, move: Move) -> None:
    assert next_move(queue) is move


def test_a_mission_starts_only_in_a_running_queue_of_which_none_runs() -> None:
    starting = [queue for queue in every_view() if next_move(queue) is Move.START_MISSION]
    assert starting
    for queue in starting:
        assert queue.status is Q.RUNNING
        assert queue.in_hand not in RUNS
        assert not queue.another_runs
        assert queue.has_draft


def test_an_idle_queue_only_ends_its_run() -> None:
    assert {next_move(queue) for queue in every_view() if queue.status in QUEUE_IDLE} == {Move.END_RUN}


def test_table_knows_every_status_and_every_queue_can_come_to_rest() -> None:
    assert set(MISSION_QUEUE) == set(Q)
    for status in set(Q) - QUEUE_IDLE:
        assert MISSION_QUEUE[status] & (QUEUE_IDLE | {Q.CANCELING})
    for status in QUEUE_IDLE:
        assert MISSION_QUEUE[status] == {Q.RUN}
    assert MISSION_QUEUE[Q.CANCELING] == {Q.CANCELED}


@pytest.mark.parametrize(
    ("move", "status"),
    [
        (Move.BEGIN, Q.RUNNING),
        (Move.STOP_EMPTY, Q.STOPPED),
        (Move.STOP_FOR_FAILURE, Q.STOPPED),
        (Move.END_CANCELED, Q.CANCELED),
    ],
)
def test_every_move_writes_what_the_table_allows(move: Move, status: Q) -> None:
    before = {queue.status for queue in every_view() if next_move(queue) is move}
    assert before
    assert all(status in MISSION_QUEUE[each] for each in before)
