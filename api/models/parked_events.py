"""Parked events on the wire."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import Field

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
    status: ParkedStatus = Field(description="`replaying` until its outlet has tried again")

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "ParkedEvent":
        """The parked event of a row."""
        status = ParkedStatus.PARKED if row["replay_requested_at"] is None else ParkedStatus.REPLAYING
        return cls.model_validate({**row, "status": status if row["replayed_at"] is None else ParkedStatus.REPLAYED})
