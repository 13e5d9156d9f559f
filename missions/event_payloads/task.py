"""`task.*`: what a mission's watchers need (spec 4), with exactly its fields; `task.retrying` says when, too."""

from typing import Annotated

from pydantic import Field

from missions.errors import FailureCode
from missions.event_payloads.base import Payload, UnixSeconds

_PRIORITIES = ["LOW", "NORMAL", "HIGH", "CRITICAL"]

TaskId = Annotated[str, Field(description="id of the mission, as text", examples=["7"])]
MissionType = Annotated[str, Field(description="name of the mission's recipe", examples=["driving"])]
PriorityName = Annotated[
    str,
    Field(description="LOW, NORMAL, HIGH or CRITICAL", examples=["NORMAL"], json_schema_extra={"enum": _PRIORITIES}),
]
MaxRetries = Annotated[int, Field(description="attempts allowed in all; 0: one, and no retry", examples=[3], ge=0)]
Duration = Annotated[float, Field(description="milliseconds since the attempt started", examples=[1234.5], ge=0)]


class TaskCreated(Payload):
    """A mission is to be done."""

    task_id: TaskId
    mission_type: MissionType
    priority: PriorityName
    created_at: UnixSeconds


class TaskStarted(Payload):
    """An attempt has its agents, or needs none."""

    task_id: TaskId
    mission_type: MissionType
    priority: PriorityName
    score: float = Field(
        description="score in the waiting line at the grant: priority + minutes waited", examples=[20.5]
    )
    retry_count: int = Field(description="failures so far: 0 at the first attempt", examples=[0], ge=0)
    started_at: UnixSeconds


class TaskCompleted(Payload):
    """The mission succeeded."""

    task_id: TaskId
    mission_type: MissionType
    duration_ms: Duration
    completed_at: UnixSeconds


class TaskFailed(Payload):
    """An attempt failed."""

    task_id: TaskId
    mission_type: MissionType
    error: str = Field(description="what went wrong, in words", examples=["step 'plan': the service did not answer"])
    error_type: FailureCode = Field(description="the same as a code", examples=["planner_timeout"])
    retry_count: int = Field(description="failures so far, with this one", examples=[1], ge=1)
    max_retries: MaxRetries
    will_retry: bool = Field(description="whether another attempt follows", examples=[True])
    duration_ms: Duration
    failed_at: UnixSeconds


class TaskRetrying(Payload):
    """Another attempt will follow."""

    task_id: TaskId
    mission_type: MissionType
    retry_count: int = Field(description="failures so far: 1 before the first retry", examples=[1], ge=1)
    max_retries: MaxRetries
    next_attempt: int = Field(description="number of the attempt that follows", examples=[2], ge=2)
    retried_at: UnixSeconds
    delay_ms: float = Field(description="milliseconds until that attempt", examples=[2000.0], ge=0)
    next_attempt_at: float = Field(description="when it begins: seconds since 1970, UTC", examples=[1767323047.678])


class TaskCancelled(Payload):
    """The mission was cancelled."""

    task_id: TaskId
    cancelled_by: str = Field(description="who asked: `kind:id` of the actor", examples=["client:api"])
    cancelled_at: UnixSeconds
    reason: str = Field(description="why, in the asker's words; may be empty", examples=["not needed any more"])
