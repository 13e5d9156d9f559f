"""What the agents of one process heard and did: lines of JSON, there also when the process dies right after."""

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any


class Journal:
    """Written by one process, in all its lives."""

    def __init__(self, file: Path) -> None:
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, agent: str, what: str, **facts: Any) -> None:
        """One line."""
        os.write(self._file, json.dumps({"at": time.time(), "agent": agent, "what": what, **facts}).encode() + b"\n")


def read(file: Path) -> Iterator[dict[str, Any]]:
    """All lines that are whole, in order."""
    if file.exists():
        for line in file.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                yield json.loads(line)


def by_agent(lines: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The lines of each agent; those of a whole process stand with all of its agents."""
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for line in lines:
        for agent in [line["agent"]] if line["agent"] else line["agents"]:
            found[agent].append(line)
    return found
