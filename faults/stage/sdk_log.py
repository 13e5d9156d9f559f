"""The log of an agent on the SDK (examples/agent.py) in the words of the other agents' journals."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from faults.stage.agents import LAST_WORDS

_Line = dict[str, Any]


def as_journal(log: Iterable[Mapping[str, Any]]) -> Iterator[_Line]:
    """Its lines; results of assignments do not stand in them."""
    working: set[int] = set()
    for line in log:
        at: _Line = {"at": line["at"], "agent": line["agent"]}
        facts = {key: line[key] for key in ("mission", "assignment") if key in line}
        if "hears" in line:
            heard = {"working": sorted(working)} if line["hears"] == "release" else {}
            yield {**at, "what": line["hears"], **facts, **heard}
        elif "says" in line:
            if word := line.get("assignment_status"):
                yield from _done(at, line, working)
                facts["said"] = word
            elif line["says"] == "free" and working:  # it was killed, and remembers nothing
                yield {**at, "agent": "", "agents": [line["agent"]], "what": "started"}
                working.clear()
            yield {**at, "what": "says", "status": line["says"], **facts}
        elif "problem" in line:
            yield {**at, "what": "lost"}


def _done(at: _Line, line: Mapping[str, Any], working: set[int]) -> Iterator[_Line]:
    """What it did when it said a word of an assignment: it has no lines of their own for that."""
    assignment, word = line["assignment"], line["assignment_status"]
    if word == "executing":
        working.add(assignment)
        yield {**at, "what": "begin", "mission": line["mission"], "assignment": assignment}
    elif word in LAST_WORDS:
        working.discard(assignment)
        yield {**at, "what": "stopped" if word == "canceled" else "done", "assignment": assignment}
