"""Events on the wire: the envelope keeps spec 4's field names; the types of events are listed like all else."""

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Discriminator, Field

from api.models.base import Page, Resource
from api.models.events import ArchivedNumber, ArchivedPosition, Looked
from missions.event_catalogue import CATALOGUE
from missions.event_schemas import envelope
from missions.events import Event
from missions.statuses import Severity

if TYPE_CHECKING:
    AnyEvent = Event
else:
    AnyEvent = Annotated[Union[tuple(envelope(kind) for kind in CATALOGUE)], Discriminator("type")]  # noqa: UP007
"""An event of any type, for descriptions: what is read from the log is answered as it is (`Event`)."""


class MissionEventPage(Page[AnyEvent]):
    """One page of a mission's events. `nextCursor`: where the next one begins; null at the end."""

    archived_until: ArchivedNumber = None


class LoggedEventPage(Page[AnyEvent]):
    """A page of the log; it may be short, or empty, before the end: go on while there is a `nextCursor`."""

    position: Looked
    archived_until: ArchivedPosition = None


class EventTypeInfo(Resource):
    """One type of event."""

    type: str = Field(description="its name; on the broker the routing key", examples=["task.failed"])
    description: str = Field(description="what it says", examples=["An attempt failed."])
    when: str = Field(description="when it comes", examples=["an attempt failed"])
    severities: list[Severity] = Field(description="how much it matters; the usual one first", examples=[["ERROR"]])
    sources: list[str] = Field(description="who produces it", examples=[["mission_worker"]])
    schema_url: str = Field(
        description="where its JSON Schema is", examples=["http://127.0.0.1:8000/api/v1/events/types/task.failed"]
    )
