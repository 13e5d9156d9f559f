"""What the bare workflow, its activities and the driver say to each other."""

from enum import StrEnum

from pydantic import BaseModel

TASK_QUEUE = "benchmarks"
AGENTS_READY = "agents_ready"
ASSIGNMENT_ENDED = "assignment_ended"


class ActivityName(StrEnum):
    """The activities, in their order. Two of them are answered by a signal, as agents' answers are."""

    RESERVE = "bare_reserve"
    PLAN = "bare_plan"
    DISPATCH = "bare_dispatch"
    FINISH = "bare_finish"


ANSWERED_BY = {ActivityName.RESERVE: AGENTS_READY, ActivityName.DISPATCH: ASSIGNMENT_ENDED}


class Call(BaseModel):
    """Input of each activity: which run."""

    number: int


class Done(BaseModel):
    """Result of each activity."""

    outcome: str = "done"


class Report(BaseModel):
    """Content of each signal."""

    status: str = "succeeded"
