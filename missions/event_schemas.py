"""The JSON Schema and an example of each type of event, both made from its models."""

from functools import cache
from typing import Any, Literal

from pydantic import Field, create_model

from missions.errors import NotFound
from missions.event_catalogue import AGENT, API, CATALOGUE
from missions.events import SCHEMA_VERSION, Event, EventType, module_of
from missions.principals import MUSTER, Principal, PrincipalKind

DIALECT = "https://json-schema.org/draft/2020-12/schema"
CONTENT_TYPE = "application/schema+json"


def family(kind: EventType) -> str:
    """What stands before the first dot."""
    return kind.value.partition(".")[0]


_FAMILIES_OF_MISSIONS = ("task", "work_process", "service_request", "assignment", "mission")
OF_MISSIONS = frozenset(kind for kind in EventType if family(kind) in _FAMILIES_OF_MISSIONS) - {
    EventType.MISSION_LOAD_ERROR  # there is no mission of a file that is refused
}
"""The types that always concern a mission; of the others an event may."""


def known_type(name: str) -> EventType:
    """The type of this name; raises NotFound."""
    try:
        return EventType(name)
    except ValueError:
        raise NotFound(
            f"there is no event type {name!r}",
            field="type",
            value=name,
            remedy="list the types (GET /api/v1/events/types)",
        ) from None


@cache
def envelope(kind: EventType) -> type[Event]:
    """The model of whole events of one type."""
    described = CATALOGUE[kind]
    fields: dict[str, Any] = {
        "type": (Literal[kind.value], Field(description=Event.model_fields["type"].description)),
        "payload": (described.payload, Field(description=described.payload.__doc__)),
    }
    name = f"{described.payload.__name__}Event"
    return create_model(name, __base__=Event, __doc__=f"Comes when {described.when}.", **fields)


def schema_url(kind: str, types_url: str) -> str:
    """Where the schema of a type is found; `types_url`: where the list of types is."""
    return f"{types_url}/{kind}"


def payload_schema_url(kind: str, types_url: str) -> str:
    """The part of a type's schema that describes its payload."""
    return f"{schema_url(kind, types_url)}#/$defs/{CATALOGUE[EventType(kind)].payload.__name__}"


def schema(kind: EventType, types_url: str) -> dict[str, Any]:
    """The JSON Schema of whole events of one type."""
    made = envelope(kind).model_json_schema(mode="serialization")
    return {"$schema": DIALECT, "$id": schema_url(kind, types_url), **made, "examples": [example(kind)]}


def example(kind: EventType) -> dict[str, Any]:
    """One event that may come."""
    described = CATALOGUE[kind]
    fields = {name: (field.examples or [None])[0] for name, field in Event.model_fields.items()}
    source = "agent:truck-1" if described.sources[0] == AGENT else described.sources[0]
    if kind not in OF_MISSIONS:
        fields |= dict.fromkeys(("mission_id", "task_id", "correlation_id", "mission_sequence", "attempt"))
    return fields | {
        "type": kind.value,
        "source": source,
        "payload": described.payload.example(),
        "severity": described.severities[0].value,
        "actor": _actor(source).model_dump(mode="json"),
        "meta": {"schema_version": SCHEMA_VERSION, "producer": "muster", "source_module": module_of(source)},
    }


def _actor(source: str) -> Principal:
    if source == API:
        return Principal(kind=PrincipalKind.CLIENT, id="api")
    if source.startswith("agent:"):
        return Principal(kind=PrincipalKind.AGENT, id=source.removeprefix("agent:"), role="agent")
    return MUSTER
