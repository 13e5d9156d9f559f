"""`mission_queue.*`: missions one after the other."""

from typing import Annotated

from pydantic import Field

from missions.event_payloads.base import Changed, Payload, WorkProcessId
from missions.statuses import QueueStatus

QueueName = Annotated[str, Field(description="name of the queue", examples=["night shift"])]


class _OfQueue(Payload):
    mission_queue_id: int = Field(description="id of the mission queue", examples=[2])


class MissionQueueCreated(_OfQueue):
    """A queue was made."""

    name: QueueName


class MissionQueueUpdated(_OfQueue):
    """A queue's fields changed."""

    changed: Changed


class QueueFailure(Payload):
    """The mission for which a queue stopped."""

    code: str = Field(description="`mission_` and how the mission ended", examples=["mission_failed"])
    text: str = Field(description="the same in words", examples=["mission 7 is failed, and `stopOnFailure` is set"])
    work_process_id: WorkProcessId


class MissionQueueStatusChanged(_OfQueue):
    """A queue has another status."""

    from_: QueueStatus = Field(
        validation_alias="from", serialization_alias="from", description="status before", examples=["running"]
    )
    to: QueueStatus = Field(description="status now", examples=["stopped"])
    reason: str | None = Field(None, description="why it was cancelled", examples=[None])
    failure: QueueFailure | None = Field(
        None, description="the mission that stopped it", examples=[QueueFailure.example()]
    )


class MissionQueueMissionStarted(_OfQueue):
    """The queue dispatched its next mission."""

    work_process_id: WorkProcessId


class MissionQueueDeleted(_OfQueue):
    """A queue is gone; its missions stay."""

    name: QueueName
