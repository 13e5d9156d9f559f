"""What came of a command: whether it did what it was to do, as its device says."""

from collections.abc import Mapping
from typing import Any

from missions.mission_files.plan import Method
from missions.statuses import AssignmentStatus
from missions.transitions import ASSIGNMENT_SUCCEEDED


def error_of(status: AssignmentStatus, data: Any, result: Any, noted: str) -> str:
    """Why a command failed, in words; empty if it did not. `data`, `result`: of its assignment, which has ended.

    A value that was set must be read back equal (the original does so; here the device tells it as `value`).
    """
    said: Mapping[str, Any] = result if isinstance(result, Mapping) else {}
    if status not in ASSIGNMENT_SUCCEEDED:
        return noted or _words(said.get("error")) or _words(result) or f"The command ended as {status.value}."
    command = data["command"]
    if command["method"] not in (Method.SET_RESOURCE, Method.SET_AGENT) or not (command["args"] or command["kwargs"]):
        return ""
    wanted = command["kwargs"] or (command["args"][0] if len(command["args"]) == 1 else command["args"])
    if "value" not in said:
        return f"Parameter {command['name']} not set: the instrument does not say what its value is."
    if said["value"] != wanted:
        return f"Parameter {command['name']} not set: it is {said['value']!r}, and not {wanted!r}."
    return ""


def _words(said: Any) -> str:
    if said is None or said == "" or said == {}:
        return ""
    text = said if isinstance(said, str) else str(said)
    return text if len(text) <= 1000 else text[:1000] + "…"
