"""The tables of docs/events.md, made of the catalogue."""

import json
from typing import Any

from missions.event_catalogue import CATALOGUE
from missions.event_schemas import example, family
from missions.events import Event, EventType


def catalogue() -> str:
    """The envelope of events, and every type by family."""
    lines = ["## The envelope", "", *_fields(Event.model_json_schema(mode="serialization"))]
    lines += ["", "```json", json.dumps(example(EventType.TASK_STARTED), indent=2), "```"]
    shown = ""
    for kind in CATALOGUE:
        if family(kind) != shown:
            shown = family(kind)
            lines += ["", f"## `{shown}.*`"]
        lines += ["", *_event_type(kind)]
    return "\n".join(lines) + "\n"


def _event_type(kind: EventType) -> list[str]:
    described = CATALOGUE[kind]
    model = described.payload
    words = (described.severities, described.sources)
    severities, sources = (" or ".join(f"`{word}`" for word in each) for each in words)
    return [
        f"### `{kind}`",
        "",
        f"{model.__doc__} **When:** {described.when}.",
        f"**Severity:** {severities}. **Source:** {sources}.",
        "",
        *_fields(model.model_json_schema(mode="serialization")),
        "",
        "```json",
        json.dumps(model.example(), indent=2),
        "```",
    ]


def _fields(schema: dict[str, Any]) -> list[str]:
    """A table of an object's fields, and of the objects in it."""
    definitions = schema.get("$defs", {})
    lines = _table(schema, definitions)
    for part in definitions.values():
        if part["type"] == "object":
            lines += ["", f"{part['title']}: {part['description']}", "", *_table(part, definitions)]
    return lines


def _table(schema: dict[str, Any], definitions: dict[str, Any]) -> list[str]:
    lines = ["| field | type | meaning |", "|---|---|---|"]
    for name, field in schema["properties"].items():
        meaning = _meaning(field, definitions)
        words = _words(field, meaning, definitions)
        if words:
            meaning += f" ({', '.join(f'`{word}`' for word in words)})"
        lines.append(f"| `{name}` | {_type(field, definitions)} | {meaning} |")
    return lines


def _meaning(field: dict[str, Any], definitions: dict[str, Any]) -> str:
    """A field's own, or that of what it holds."""
    own = field.get("description") or definitions.get(_name(field), {}).get("description", "")
    return str(own)


def _name(field: dict[str, Any]) -> str:
    return str(field.get("$ref", "")).rpartition("/")[2]


def _type(field: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_type(one, definitions) for one in field["anyOf"])
    if "$ref" in field:
        name = _name(field)
        return name if definitions[name]["type"] == "object" else str(definitions[name]["type"])
    if field.get("type") == "array":
        return f"array of {_type(field['items'], definitions)}"
    if field.get("format") == "date-time":
        return "time"
    return str(field.get("type", "any"))


def _words(field: dict[str, Any], meaning: str, definitions: dict[str, Any]) -> list[str]:
    """What a field may say, if that is a closed list that its meaning does not name."""
    for one in field.get("anyOf", [field]):
        known = definitions.get(_name(one), one)
        if "enum" in known and not all(word in meaning for word in known["enum"]):
            return list(known["enum"])
    return []
