"""Parked events on the wire."""

from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import Field, computed_field

from api.models.base import Moment, PageQuery, QueryText, Resource


class ParkedStatus(StrEnum):
    """What became of a parked event."""

    PARKED = "parked"
    REPLAYING = "replaying"
    REPLAYED = "replayed"


class ParkedEventsQuery(PageQuery):
    """Which parked events."""

    outlet: QueryText | None = Field(None, description="of this outlet alone", examples=["exchange"])


class ParkedEvent(Resource):
    """An event that an outlet put aside, since it could not be delivered while others could."""

    id: int = Field(examples=[1])
    outlet: str = Field(examples=["exchange"])
    sequence: int = Field(description="its position in the log")
    event_id: UUID
    type: str = Field(examples=["task.failed"])
    error: str = Field(description="why, at the last try")
    tries: int
    parked_at: Moment
    replay_requested_at: Moment | None
    replayed_at: Moment | None
    event: dict[str, Any] = Field(description="the event itself")

    @computed_field  # type: ignore[prop-decorator]  # pydantic's own advice
    @property
    def status(self) -> ParkedStatus:
        """`replaying` until its outlet has tried again."""
        if self.replayed_at is not None:
            return ParkedStatus.REPLAYED
        return ParkedStatus.PARKED if self.replay_requested_at is None else ParkedStatus.REPLAYING
