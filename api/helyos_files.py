"""helyOS's `missions.yml` and `microservices.yml` in our words, as its own loader reads them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from api.yaml_places import Path

# Known to helyOS and without effect there or here.
_UNUSED_RECIPE = ("dispatch_order", "extra_params")
_UNUSED_STEP = ("agent", "override_config")

_RECIPE_NAMES = {
    "maxagents": "numMaxAgents",
    "on_assignment_failure": "onAssignmentFailure",
    "fallback_mission": "fallbackMission",
}
_STEP_NAMES = {
    "service_type": "serviceType",
    "service_config": "serviceConfig",
    "request_order": "requestOrder",
    "apply_result": "applyResult",
    "wait_assignments": "waitAssignments",
}
_SERVICE_NAMES = {
    "enable": "enabled",
    "is_dummy": "isDummy",
    "timeout": "resultTimeout",
    "availability_timeout": "availabilityTimeout",
    "health_endpoint": "healthEndpoint",
}
_CONTEXT_NAMES = {
    "all_agents_data": "requireAgentsData",
    "mission_agents_data": "requireMissionAgentsData",
    "map_data": "requireMapData",
    "require_map_objects": "requireMapObjects",
}


@dataclass(frozen=True)
class Translated:
    """Our words, the way back from a place in them to the place in the file, and what helyOS has no word for."""

    ours: dict[str, Any]
    back: Callable[[Path], Path]
    unknown: list[Path]


def recipe(name: str, entry: Mapping[str, Any]) -> Translated:
    """One entry of `missions:`."""
    ours: dict[str, Any] = {"name": name}
    unknown: list[Path] = []
    for key, value in entry.items():
        if key in ("name", "steps"):  # ours, and elsewhere in helyOS's form
            unknown.append((key,))
        elif key == "recipe":
            steps = value.get("steps") if isinstance(value, dict) else value
            unknown += [(key, inner) for inner in value if inner != "steps"] if isinstance(value, dict) else []
            ours["steps"] = [_step(step) for step in steps] if isinstance(steps, list) else (steps or [])
        elif key == "settings":
            ours[key] = _json(value)
        elif key not in _UNUSED_RECIPE:
            ours[_RECIPE_NAMES.get(key, key)] = value

    def back(path: Path) -> Path:
        if path[:1] == ("steps",):
            return ("recipe", *_renamed(path, _STEP_NAMES))
        return _renamed(path, _RECIPE_NAMES)

    return Translated(ours, back, unknown)


def _step(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    ours = _in_our_words({key: value for key, value in entry.items() if key not in _UNUSED_STEP}, _STEP_NAMES)
    for key in ("dependencies", "serviceConfig"):
        if key in ours:
            ours[key] = _json(ours[key])
    return ours


def service(name: str, entry: Mapping[str, Any]) -> Translated:
    """One entry of `services:`."""
    ours: dict[str, Any] = {"name": name}
    unknown: list[Path] = []
    for key, value in entry.items():
        if key == "name":
            unknown.append((key,))
        elif key == "context" and isinstance(value, dict):
            ours |= {_CONTEXT_NAMES[inner]: said for inner, said in value.items() if inner in _CONTEXT_NAMES}
            unknown += [(key, inner) for inner in value if inner not in _CONTEXT_NAMES]
        elif key == "config":
            ours[key] = _json(value)
        else:
            ours[_SERVICE_NAMES.get(key, key)] = value

    def back(path: Path) -> Path:
        inner = _renamed(path, _CONTEXT_NAMES)
        return ("context", *inner) if inner != path else _renamed(path, _SERVICE_NAMES)

    return Translated(ours, back, unknown)


def _json(value: Any) -> Any:
    """HelyOS writes lists and objects as JSON text; text that is none is left for the model to refuse."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return json.loads(value)
    except ValueError:
        return value


def _in_our_words(entry: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in entry.items()}


def _renamed(path: Path, names: Mapping[str, str]) -> Path:
    theirs = {ours: key for key, ours in names.items()}
    return tuple(theirs.get(part, part) if isinstance(part, str) else part for part in path)
