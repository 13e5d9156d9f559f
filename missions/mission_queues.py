"""What a mission queue does next, as a pure decision (helyOS D.5, with pause, stop and failures as documented)."""

from dataclasses import dataclass
from enum import StrEnum

from missions.statuses import QueueStatus, WorkProcessStatus
from missions.transitions import QUEUE_IDLE, WORK_PROCESS_ENDED

_FAILED = frozenset({WorkProcessStatus.FAILED, WorkProcessStatus.CANCELED})


class Move(StrEnum):
    """The next step of a queue."""

    END_RUN = "end_run"
    BEGIN = "begin"
    ADOPT_MISSION = "adopt_mission"
    START_MISSION = "start_mission"
    AWAIT_TIME = "await_time"
    AWAIT_MISSION = "await_mission"
    AWAIT_RESUME = "await_resume"
    STOP_FOR_FAILURE = "stop_for_failure"
    STOP_EMPTY = "stop_empty"
    END_CANCELED = "end_canceled"


@dataclass(frozen=True)
class QueueView:
    """What the decision needs.

    `in_hand`: status of the mission that the queue started last, or adopted. `another_runs`: somebody dispatched a
    mission of the queue by hand.
    """

    status: QueueStatus
    stop_on_failure: bool = False
    before_its_time: bool = False
    in_hand: WorkProcessStatus | None = None
    another_runs: bool = False
    has_draft: bool = False


def next_move(queue: QueueView) -> Move:
    """What to do now. One mission at a time: nothing starts, and no cancel ends, while one of the queue runs."""
    if queue.status in QUEUE_IDLE:
        return Move.END_RUN
    if queue.status is QueueStatus.RUN:
        return Move.AWAIT_TIME if queue.before_its_time else Move.BEGIN
    if queue.in_hand is not None and queue.in_hand not in WORK_PROCESS_ENDED:
        return Move.AWAIT_MISSION
    canceling = queue.status is QueueStatus.CANCELING
    if queue.stop_on_failure and queue.in_hand in _FAILED and not canceling:
        return Move.STOP_FOR_FAILURE
    if queue.another_runs:
        return Move.ADOPT_MISSION
    if canceling:
        return Move.END_CANCELED
    if queue.status is QueueStatus.PAUSED:
        return Move.AWAIT_RESUME
    return Move.START_MISSION if queue.has_draft else Move.STOP_EMPTY
