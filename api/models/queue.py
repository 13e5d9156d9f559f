"""What waits, and the limits on missions without agents, on the wire."""

from typing import Any

from pydantic import ConfigDict, Field

from api.models.base import Moment, Page, PageQuery, QueryText, Resource
from api.models.work_processes import WaitingReason
from missions.errors import InvalidInput
from missions.limits import MAX_INTEGER
from missions.requests import MAX_ID, Request
from store.slot_limits import Limits
from store.waiting_queue import Place, WaitsFor


class QueueQuery(PageQuery):
    """Which part of the queue to list."""

    waits_for: WaitsFor | None = Field(None, description="`agents` or `slot`")
    type: QueryText | None = Field(None, description="name of the recipe")


class QueueEntry(Resource):
    """One mission that waits."""

    work_process_id: int = Field(examples=[42])
    type: str = Field(examples=["driving"])
    priority: str = Field(examples=["NORMAL"])
    score: float = Field(description="now: priority + minutes waited; the highest is first", examples=[22.5])
    enqueued_at: Moment
    waits_for: WaitsFor
    place: int = Field(description="among all that wait for the same: for agents, or for a slot", examples=[1])
    attempt: int
    yard_id: int | None
    yard_uid: str | None
    agent_ids: list[int]
    agent_uuids: list[str]
    agent_selector: Any
    waiting_reasons: list[WaitingReason]


class RecipeLimit(Resource):
    """A recipe's missions without agents."""

    name: str
    max_concurrent: int | None = Field(description="the recipe's `maxConcurrent`; null: no limit, or no such recipe")
    running: int
    waiting: int


class SlotLimits(Resource):
    """How many missions without agents may run at once, and how many do."""

    overall: int | None = Field(description="null: no limit", examples=[10])
    running: int
    waiting: int
    recipes: list[RecipeLimit] = Field(description="those that have a limit, or missions without agents now")

    @classmethod
    def of(cls, limits: Limits) -> "SlotLimits":
        """As they are stored and used."""
        return cls.model_validate(vars(limits))


class SlotLimitsBody(Request):
    """The limit for all missions without agents together."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"overall": 10}]})

    overall: int | None = Field(ge=0, le=MAX_INTEGER, description="null: no limit; 0: none is started")


class Queue(Page[QueueEntry]):
    """A page of what waits, with totals of the whole queue."""

    length: int = Field(description="how many wait")
    waiting_for_agents: int
    waiting_for_slot: int
    oldest_wait: float | None = Field(description="seconds that the one waits that came first; null: nobody waits")
    limits: SlotLimits


def write_cursor(place: Place) -> str:
    """The cursor after this place."""
    return f"{place.key}.{place.waits_for}.{place.id}"


def read_cursor(cursor: str | None) -> Place | None:
    """The place in a cursor; raises InvalidInput for one that is not ours."""
    if cursor is None:
        return None
    key, _, rest = cursor.partition(".")
    line, _, number = rest.partition(".")
    numbers = all(part.isascii() and part.isdecimal() and len(part) < 19 for part in (key, number))
    if not numbers or line not in list(WaitsFor) or int(key) > _LAST or int(number) > MAX_ID:
        raise InvalidInput(
            "this cursor is none of ours", field="cursor", value=cursor, remedy="send the `nextCursor` of a page"
        )
    return Place(int(key), WaitsFor(line), int(number))


# Microseconds until the year 9999, past which there are no times.
_LAST = 250_000_000_000 * 1_000_000
