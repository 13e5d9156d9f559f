"""What a client asks of a mission, as pure data: checked for form here, for what it names in store/drafts.py."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel

from missions.errors import InvalidInput
from missions.events import utc_now
from missions.failure_policies import DEFAULT_FALLBACK
from missions.nesting import MAX_DEPTH
from missions.priorities import Priority
from missions.recipes import MOST_RETRIES
from missions.statuses import AgentClass, FailurePolicy

MAX_ID = 2**63 - 1
"""The largest id: ids are bigint in the database."""

# An engine counts timers in nanoseconds, and a mission of another age is a typing error.
_LONGEST_SCHEDULE = timedelta(days=3653)

MAX_NODES = 1_000_000
"""How many values a document may hold; stops YAML aliases that multiply each other."""

Id = Annotated[int, Field(ge=1, le=MAX_ID)]
Words = Annotated[str, Field(max_length=10_000)]
Name = Annotated[str, Field(min_length=1, max_length=200)]


@dataclass(frozen=True)
class Unstorable:
    """A place in a document and why PostgreSQL (or JSON) cannot hold what is there."""

    path: str
    value: object
    detail: str
    remedy: str


def find_unstorable(document: object) -> Unstorable | None:
    """The first value that is no JSON, or that PostgreSQL refuses: NUL, lone surrogates, NaN, too deep."""
    waiting: list[tuple[tuple[str, ...], object]] = [((), document)]
    seen = 0
    while waiting:
        path, value = waiting.pop()
        seen += 1
        if seen > MAX_NODES:
            return Unstorable("", None, f"holds more than {MAX_NODES} values", "send less at once")
        problem = _problem(value, len(path))
        if problem is not None:
            return Unstorable(".".join(path), value, *problem)
        if isinstance(value, dict):
            for key, item in value.items():
                problem = _problem(key, 0) if isinstance(key, str) else ("a key is no text", "write keys as text")
                if problem is not None:
                    return Unstorable(".".join(path), key, *problem)
                waiting.append(((*path, key), item))
        elif isinstance(value, list):
            waiting.extend(((*path, str(index)), item) for index, item in enumerate(value))
    return None


def _problem(value: object, depth: int) -> tuple[str, str] | None:
    """Detail and remedy, or None if the value can be stored."""
    if isinstance(value, str):
        if "\x00" in value:
            return "contains the character NUL, which PostgreSQL cannot store", "remove \\u0000"
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                return "contains half of a surrogate pair, which is no text", "send valid Unicode"
    elif isinstance(value, float):
        if not math.isfinite(value):
            return "is no finite number", "send a finite number, or null"
    elif isinstance(value, dict | list):
        if depth > MAX_DEPTH:
            return f"is nested deeper than {MAX_DEPTH} levels", "flatten it"
    elif value is not None and not isinstance(value, int):
        return f"is a {type(value).__name__}, which JSON does not know", "use text, numbers, lists and objects"
    return None


def refuse_unstorable(document: object) -> None:
    """Raise InvalidInput for the first value that cannot be stored."""
    found = find_unstorable(document)
    if found is not None:
        place = found.path or "the body"
        raise InvalidInput(f"{place} {found.detail}", field=found.path or None, value=found.value, remedy=found.remedy)


AnyPriority = Annotated[
    Priority,
    BeforeValidator(Priority.read),
    WithJsonSchema({"anyOf": [{"enum": [p.name for p in Priority]}, {"enum": [p.value for p in Priority]}]}),
]


_DATE = r"\d{4}-\d\d-\d\d"
_TIME = r"\d\d:\d\d(:\d\d(\.\d+)?)?"
_RFC_3339 = re.compile(rf"{_DATE}[Tt ]{_TIME}([Zz]|[+-]\d\d:?\d\d)", re.ASCII)


def _rfc_3339(value: object) -> object:
    # Without it, digits alone would be read as seconds since 1970.
    if isinstance(value, datetime) or (isinstance(value, str) and _RFC_3339.fullmatch(value)):
        return value
    raise ValueError(
        "is no time as RFC 3339 with a zone; send text such as 2030-01-31T06:00:00Z (in an address, + is %2B)"
    )


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is not within the years 1 to 9999; send a time that is, in UTC too") from None


SentTime = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_rfc_3339), AfterValidator(_in_utc)]
"""A time as a client writes it; in UTC."""


def _not_in_another_age(moment: datetime | None) -> datetime | None:
    if moment is not None and moment > utc_now() + _LONGEST_SCHEDULE:
        raise ValueError(f"{moment.isoformat()} is more than ten years away; send an earlier one")
    return moment


StartTime = Annotated[SentTime | None, AfterValidator(_not_in_another_age)]


class Request(BaseModel):
    """Base of everything that clients send: camelCase, exact types, no unknown fields, storable."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
    )

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, document: object) -> object:
        if isinstance(document, dict):
            refuse_unstorable(document)
        return document


class Point(Request):
    """A place in the yard's frame, in metres."""

    x: float
    y: float


class AgentSelector(Request):
    """Which agents would do; the nearest that are free are taken, else those with the lowest ids."""

    agent_class: Annotated[AgentClass, Field(strict=False)] = AgentClass.VEHICLE
    agent_type: Name | None = Field(None, examples=["truck"])
    operation_types: list[Name] = Field(
        default_factory=list, max_length=100, description="what it can do, beside `operationTypesRequired`"
    )
    yard_id: Id | None = Field(None, description="where it stands; the mission's yard if neither this nor `yardUid`")
    yard_uid: Name | None = None
    nearest_to: Point | None = Field(None, description="by the agents' last poses")
    battery_above: float | None = Field(None, ge=0, description="compared with the agent's sensor `battery`")
    count: int = Field(1, ge=1, le=1_000, description="how many agents")

    def columns(self, *, yard_id: int, operation_types: list[str]) -> dict[str, object]:
        """The values that it is looked up with, for a mission in this yard that needs these operation types."""
        return {
            "yard": self.yard_id or yard_id,
            "class": self.agent_class.value,
            "type": self.agent_type,
            "operations": sorted({*self.operation_types, *operation_types}),
            "battery": self.battery_above,
            "x": None if self.nearest_to is None else self.nearest_to.x,
            "y": None if self.nearest_to is None else self.nearest_to.y,
            "count": self.count,
        }


class MissionChanges(Request):
    """The fields of a mission that a client may set; only those that were given count (`model_fields_set`)."""

    work_process_type_name: Name = Field("", description="name of the recipe", examples=["driving"])
    yard_id: Id | None = Field(
        None, description="the yard, by id or by `yardUid`; a mission without agents needs none", examples=[1]
    )
    yard_uid: Name | None = Field(None, description="the yard, by uid")
    agent_ids: list[Id] = Field(
        default_factory=list, max_length=10_000, description="the agents, by id or by `agentUuids`", examples=[[1]]
    )
    agent_uuids: list[Name] = Field(default_factory=list, max_length=10_000, description="the agents, by uuid")
    agent_selector: AgentSelector | None = Field(
        None, description="instead of naming agents: which ones would do", examples=[{"agentType": "truck"}]
    )
    data: dict[str, Any] = Field(
        default_factory=dict, description="forwarded to the services as `request`", examples=[{"goal": [3, 4]}]
    )
    wait_free_agent: bool = Field(True, description="reserve the agents first; false: pile up assignments")
    description: Words | None = None
    process_type: Words | None = None
    operation_types_required: list[Name] = Field(default_factory=list, max_length=100)
    on_assignment_failure: Annotated[FailurePolicy, Field(strict=False)] = Field(
        FailurePolicy.DEFAULT, description="DEFAULT: the recipe's", examples=["CONTINUE_MISSION"]
    )
    fallback_mission: Name = Field(
        DEFAULT_FALLBACK, description="recipe for the agent that RELEASE_FAILED released; DEFAULT: the recipe's"
    )
    priority: AnyPriority = Field(
        Priority.NORMAL, description="LOW (10), NORMAL (20), HIGH (30) or CRITICAL (40)", examples=["NORMAL"]
    )
    max_retries: int | None = Field(
        None,
        ge=0,
        le=MOST_RETRIES,
        description="attempts in all: 3 means three, 0 and 1 mean one; null: the recipe's",
        examples=[3],
    )
    sched_start_at: StartTime = Field(
        None, description="start not before; RFC 3339 with zone", examples=["2030-01-31T06:00:00Z"]
    )
    mission_queue_id: Id | None = Field(None, description="the queue that runs it; null: none")
    run_order: int | None = Field(
        None, ge=-(2**30), le=2**30, description="its place in the queue, lowest first, then by id; null: the last"
    )

    def given(self, *names: str) -> bool:
        """Whether any of these fields was sent."""
        return not self.model_fields_set.isdisjoint(names)


class NewMission(MissionChanges):
    """A mission to be created; the recipe must be named."""

    work_process_type_name: Name = Field(description="name of the recipe", examples=["driving"])


def in_order(values: Sequence[Any]) -> list[Any]:
    """The values once each, in the order in which they were first named."""
    return list(dict.fromkeys(values))
