"""The parts of the docs that are made from the code: `python -m tests.docs.generated` writes them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from missions.mission_files.schema import mission_file_schema
from missions.transitions import work_process_diagram
from settings import Settings
from tests.docs.event_tables import catalogue
from tests.docs.mission_file_cases import case_tables

DOCS = Path(__file__).parents[2] / "docs"


# For settings that say nothing of themselves in settings.py.
MEANINGS = {
    "api_port": "port that the API listens on",
    "database_pool_size": "connections of one process to PostgreSQL, at most",
    "database_pool_timeout": "longest wait for one of them",
    "anonymous_exchange": "where agents check in",
    "uplink_exchange": "from agents",
    "downlink_exchange": "to agents",
    "mqtt_exchange": "from and to agents that speak MQTT",
    "stream_exchange": "passing messages to agents, with the key `agent.<uuid>.stream`",
    "cancel_resend_interval": "an agent that has not confirmed a cancel is told again",
    "planner_poll_initial": "until the first look at a pending job",
    "planner_poll_max": "between two looks, at most",
    "max_concurrent_steps": "services called and polled by one worker at a time",
    "max_cached_workflows": "missions that one worker keeps in memory",
    "graceful_shutdown": "a process that is told to stop finishes what it has in hand this long",
}


def settings_table() -> str:
    """Every setting: variable, default, meaning."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        meaning = field.description or MEANINGS[name]
        choices = [item.pattern for item in field.metadata if getattr(item, "pattern", None)]
        if choices:
            words = choices[0].strip("^$()").split("|")
            meaning += ": " + " or ".join(f"`{word}`" for word in words)
        lines.append(f"| `MUSTER_{name.upper()}` | {_default(field.default)}{unit(name)} | {meaning} |")
    return "\n".join(lines) + "\n"


def unit(name: str) -> str:
    """Of a setting's value."""
    if name.endswith("_bytes"):
        return " bytes"
    # All settings with decimals are times.
    return " s" if isinstance(Settings.model_fields[name].default, float) else ""


def _default(default: Any) -> str:
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    if default in ("", None, [], ()):
        return "–"
    if isinstance(default, tuple):
        return f"`{','.join(map(str, default))}`"
    return f"{default:g}" if isinstance(default, float) else f"`{default}`"


def diagram() -> str:
    """The statuses of a mission."""
    return f"```mermaid\n{work_process_diagram()}```\n"


PARTS: dict[str, tuple[str, Callable[[], str]]] = {
    "configuration.md": ("settings", settings_table),
    "users.md": ("status diagram", diagram),
    "events.md": ("catalogue", catalogue),
    "mission-file-conformance.md": ("cases", case_tables),
}


SCHEMA = DOCS / "mission-file.schema.json"


def mission_file_schema_text() -> str:
    """The JSON Schema of mission files."""
    return json.dumps(mission_file_schema(), indent=2, ensure_ascii=False) + "\n"


def with_generated_part(file: str) -> str:
    """The file as it should be."""
    name, make = PARTS[file]
    before, begin, rest = (DOCS / file).read_text().partition(f"<!-- {name}: generated -->\n")
    _, end, after = rest.partition(f"<!-- /{name} -->\n")
    assert "" not in (begin, end), f"docs/{file} has no place for {name!r}"
    return before + begin + make() + end + after


if __name__ == "__main__":
    for each in PARTS:
        (DOCS / each).write_text(with_generated_part(each))
    SCHEMA.write_text(mission_file_schema_text())
