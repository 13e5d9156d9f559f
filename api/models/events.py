"""What clients ask of the event log, and what they get."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from api.models.base import Page, QueryText, Resource
from missions.event_filters import EventFilter, expand_types
from missions.events import Event
from missions.requests import MAX_ID, Id, Request, SentTime
from missions.statuses import Severity
from store.event_backlogs import Backlog
from store.event_stats import EventStats


def _upper(word: object) -> object:
    return word.upper() if isinstance(word, str) else word


class EventFilterQuery(Request):
    """Which events."""

    # Query values arrive as text.
    model_config = ConfigDict(strict=False)

    mission_id: Id | None = Field(None, description="of one work process")
    type: list[QueryText] = Field(
        default_factory=list, max_length=100, description="`task.failed`, or a family: `task.*`; repeat it for several"
    )
    agent: QueryText | None = Field(None, description="uuid of an agent that said it or that it is about")
    platform: QueryText | None = Field(
        None, description="uuid, alias or id of a platform: events of its mission files, and of it and its instruments"
    )
    severity: Annotated[Severity, BeforeValidator(_upper)] = Field(Severity.INFO, description="at least this")

    def wanted(self) -> EventFilter:
        """The filter without the platform, which the store knows; raises InvalidInput for an unknown type or family."""
        return EventFilter(
            types=expand_types(self.type), mission_id=self.mission_id, agent=self.agent, severity=self.severity
        )


class EventHistoryQuery(EventFilterQuery):
    """Which events, how many and from where."""

    since: SentTime | None = Field(None, description="RFC 3339 with zone")
    until: SentTime | None = Field(None, description="RFC 3339 with zone; that moment is left out")
    after: int | None = Field(
        None, ge=0, le=MAX_ID, description="`nextCursor` or `position` of a page; with `desc`: events before it"
    )
    order: Literal["asc", "desc"] = Field("asc", description="`desc`: newest first")
    limit: int = Field(100, ge=1, le=1000, description="events per page")

    def wanted(self) -> EventFilter:
        """The filter; raises InvalidInput for an unknown type or family."""
        of_events = super().wanted()
        return EventFilter(
            types=of_events.types,
            mission_id=of_events.mission_id,
            agent=of_events.agent,
            severity=of_events.severity,
            since=self.since,
            until=self.until,
        )


class CursorQuery(Request):
    """Where a live stream goes on, and who asks, for those that can send no headers."""

    model_config = ConfigDict(strict=False)

    last_event_id: QueryText | None = Field(
        None, description="as the header `Last-Event-ID`, which wins; without either from now on"
    )
    token: QueryText | None = Field(
        None, description="from `POST /api/v1/events/stream-tokens`, in place of the header `Authorization`"
    )


class EventStreamQuery(EventFilterQuery, CursorQuery):
    """Which events, and from where."""


Looked = Annotated[
    int,
    Field(
        description="the log was looked through up to here, with `desc` downwards from here: "
        "pass it as `after`, with `asc`, to follow what is newer"
    ),
]
ArchivedPosition = Annotated[
    int | None,
    Field(
        description="what may belong before these, up to this position, is archived and left out; null: nothing is",
        examples=[None],
    ),
]
ArchivedNumber = Annotated[
    int | None,
    Field(
        description="the mission's events up to this `mission_sequence` are archived and left out; null: none is",
        examples=[None],
    ),
]


class EventPage(Page[Event]):
    """Events; a page may be short, or empty, before the end: go on while there is a `nextCursor`."""

    position: Looked
    archived_until: ArchivedPosition = None


class EventsOfMission(Page[Event]):
    """A mission's events."""

    archived_until: ArchivedNumber = None


class StreamTokenBody(Request):
    """Nothing: how long a token lasts is fixed."""


class StreamToken(Resource):
    """What opens a live stream until it ends."""

    token: str
    expires_at: datetime


class OutletBacklog(Resource):
    """How far an outlet has come."""

    name: str = Field(examples=["exchange"])
    position: int = Field(description="delivered up to here")
    behind: int = Field(
        description="events that it has still to deliver; of a webhook at most 10,000 that are made ready"
    )
    age: float = Field(description="seconds, of the oldest of them; 0 without one")
    error: str | None = Field(description="why it does not get on")
    error_since: datetime | None
    tries: int = Field(description="since it last got on")
    parked: int = Field(description="events that it put aside, and that were not replayed since")
    enabled: bool = Field(description="false: a webhook that gets nothing until somebody enables it")


class EventCounts(Resource):
    """Counts over a window of time, and how the log stands."""

    window: int = Field(description="seconds, as asked for")
    counted_since: datetime = Field(description="later than asked for if there are more than 100,000 events")
    total: int
    per_minute: float = Field(description="events since `countedSince`, per minute")
    types: dict[str, int]
    families: dict[str, int]
    severities: dict[str, int]
    last_position: int
    oldest_position: int = Field(description="the oldest that is kept; what was before it is archived")
    unpositioned: int = Field(description="events that readers will see once they have a position; usually 0")
    unpositioned_since: datetime | None
    backlog: list[OutletBacklog]
    archive_error: str | None = Field(description="why old events cannot be archived")
    archive_error_since: datetime | None

    @classmethod
    def of(cls, found: EventStats, window: int) -> "EventCounts":
        """The counts as they are shown."""
        families: dict[str, int] = {}
        for name, count in found.types.items():
            family = name.partition(".")[0]
            families[family] = families.get(family, 0) + count
        total = sum(found.types.values())
        seconds = max((found.counted_until - found.counted_since).total_seconds(), 1.0)
        return cls(
            window=window,
            counted_since=found.counted_since,
            total=total,
            per_minute=round(total * 60 / seconds, 2),
            types=found.types,
            families=families,
            severities={severity: found.severities.get(severity, 0) for severity in Severity},
            last_position=found.bounds.last,
            oldest_position=found.bounds.oldest,
            unpositioned=found.unpositioned,
            unpositioned_since=found.unpositioned_since,
            backlog=[_backlog(each) for each in found.backlogs],
            archive_error=found.archive_error,
            archive_error_since=found.archive_error_since,
        )


def _backlog(found: Backlog) -> OutletBacklog:
    return OutletBacklog.model_validate(found, from_attributes=True)
