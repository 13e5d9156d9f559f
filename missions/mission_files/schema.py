"""The JSON Schema of mission files, for editors: it knows the keys and the forms of values.

What needs more than a look at one value (two threads that clash, devices, loops shorter than their waits) only the
reader says.
"""

from typing import Any

from missions.mission_files.plan import ErrorPolicy, Method
from missions.mission_files.schedules import UNITS
from missions.mission_files.threads import DEFAULT_ATTEMPTS, DEFAULT_POLICY

_TEXT = {"type": ["string", "number", "null"]}
_MOMENT = r"^\d{4}-\d\d?-\d\d?([Tt]|[ \t]+)\d\d?:\d\d:\d\d(\.\d*)?([ \t]*(Z|[-+]\d\d?(:?\d\d)?))?$|^\d{4}-\d\d-\d\d$"
_POSITIVE = r"^\s*\+?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?\s*$"
_CALL = (
    r"^\s*([^,({]*[^,({\s]\s*,)?\s*"
    r"([Ww][Aa][Ii][Tt]\s*\(\s*\+?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?\s*\)"
    rf"|({'|'.join(Method)})\s*\(\s*[^(){{}},\s][^(){{}},]*(\{{.*\}}\s*)?\))\s*$"
)


def mission_file_schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Mission file",
        "description": "What the instruments of one platform do, at times and after events.",
        **_keys(
            {
                "name": _TEXT,
                "version": _TEXT,
                "description": _TEXT,
                "platform": _empty_or(_keys({"platformID": _TEXT})),
                "mission": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/thread"}},
            },
            required=["mission"],
        ),
        "$defs": {
            "thread": _thread(),
            "schedule": _schedule(),
            "sequence": {"type": ["array", "null"], "items": {"$ref": "#/$defs/item"}},
            "item": _item(),
            "policy": {
                "description": "What a failed command does.",
                "enum": [*ErrorPolicy, None, ""],
            },
        },
    }


def _thread() -> dict[str, Any]:
    device = {"type": ["string", "number"], "minLength": 1}
    sequence = {"$ref": "#/$defs/sequence"}
    attempts = _number("Attempts of each command in all.", pattern=r"^\s*\+?0*[1-9]\d*\s*$", minimum=1)
    handling = _keys({"default": {"$ref": "#/$defs/policy"}, "maxRetries": attempts | {"default": DEFAULT_ATTEMPTS}})
    handling["properties"]["default"] = {"$ref": "#/$defs/policy", "default": DEFAULT_POLICY}
    return _keys(
        {
            "missionThread": {"description": "Marks a thread's beginning; takes no value.", "enum": [None, ""]},
            "instrumentID": {
                "description": "The instruments that the thread needs; they are reserved for the mission.",
                "anyOf": [device, {"type": "array", "items": device}],
            },
            "errorHandling": _empty_or(handling),
            "schedule": {"$ref": "#/$defs/schedule"},
            "preMissionSequence": sequence | {"description": "At once, before the first mission sequence."},
            "missionSequence": sequence | {"description": "At each of the thread's times, or after each event."},
            "postMissionSequence": sequence | {"description": "Once, after the last mission sequence."},
        },
        required=["instrumentID", "schedule", "missionSequence"],
    )


def _schedule() -> dict[str, Any]:
    filled = {"not": {"enum": [None, ""]}}
    start = {
        "description": "Wall time in `timeZone`, as 2026-01-31T13:00:00; empty: waits for the event.",
        "anyOf": [{"type": "string", "pattern": _MOMENT}, {"enum": [None, ""]}],
    }
    zone = {
        "type": ["string", "null"],
        "description": "A name of the tz database; empty: UTC.",
        "examples": ["US/Pacific"],
    }
    units = "|".join("".join(f"[{letter.upper()}{letter}]" for letter in unit) for unit in UNITS)
    loop = {
        "quantity": _number("How often; -1: for ever; empty or 0: once.", pattern=r"^\s*(-0*1|\+?\d+)\s*$", minimum=-1),
        "value": _number("From start to start, in `units`.", pattern=_POSITIVE, exclusiveMinimum=0),
        "units": {"anyOf": [{"type": "string", "pattern": f"^\\s*({units})\\s*$"}, {"enum": [None, ""]}]},
    }
    event = {"parentID": _TEXT | {"description": "Whose event."}, "eventID": _TEXT | {"description": "Which event."}}
    waits = {"properties": {"event": _keys(dict.fromkeys(event, filled), required=list(event))}, "required": ["event"]}
    return {
        **_keys(
            {"startTime": start, "timeZone": zone, "loop": _empty_or(_keys(loop)), "event": _empty_or(_keys(event))}
        ),
        "anyOf": [{"properties": {"startTime": filled}, "required": ["startTime"]}, waits],
    }


def _item() -> dict[str, Any]:
    return _keys(
        {
            "command": {
                "type": "string",
                "description": "`DEVICE, method(NAME{values})` or `wait(minutes)`.",
                "pattern": _CALL,
                "examples": ["PRE:CTD_1, set_resource(INTERVAL{3})", "wait(0.5)"],
            },
            "onError": {"$ref": "#/$defs/policy"},
            "timeout": _number("Seconds until the command counts as failed.", pattern=_POSITIVE, exclusiveMinimum=0),
        },
        required=["command"],
    )


def _keys(properties: dict[str, Any], *, required: list[str] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        **({"required": required} if required else {}),
    }


def _empty_or(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [{"enum": [None, ""]}, schema]}


def _number(description: str, *, pattern: str, **limits: float) -> dict[str, Any]:
    """A number, a text that is one, or nothing."""
    return {
        "description": description,
        "anyOf": [{"type": "number", **limits}, {"type": "string", "pattern": pattern}, {"enum": [None, ""]}],
    }
