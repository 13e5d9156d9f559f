"""What the agents' own journals say: nothing is done twice, and no release overtakes a cancel."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from faults.stage.journal import read

Line = dict[str, Any]


class Journals:
    """All journals of a stage; each line is judged once, since they only grow."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._files = list(files)

    def faults(self) -> Iterator[str]:
        """What is wrong, in words."""
        for file in self._files:
            yield from faults_of(list(read(file)))


def faults_of(lines: list[Line]) -> Iterator[str]:
    """What is wrong in the journal of one process."""
    begun = Counter((line["agent"], line["assignment"]) for line in lines if line["what"] == "begin")
    for (agent, assignment), times in begun.items():
        if times > 1:
            yield f"agent {agent} executed assignment {assignment} {times} times"
    by_agent: defaultdict[str, list[Line]] = defaultdict(list)
    for line in lines:
        for agent in [line["agent"]] if line["agent"] else line["agents"]:
            by_agent[agent].append(line)
    for agent, own in by_agent.items():
        yield from itertools.chain(_driven_for_another(agent, own), _released_while_working(agent, own))


def _driven_for_another(agent: str, lines: list[Line]) -> Iterator[str]:
    """An assignment of one mission while that of another is going on: two missions hold the agent."""
    working: dict[int, int] = {}
    for line in lines:
        match line["what"]:
            case "started":  # it was killed, and remembers nothing
                working.clear()
            case "begin" if "command" not in line:
                others = {mission for mission in working.values() if mission != line["mission"]}
                if others:
                    yield f"agent {agent} began for mission {line['mission']} while it worked for {others}"
                working[line["assignment"]] = line["mission"]
            case "done" | "stopped":
                working.pop(line["assignment"], None)


def _released_while_working(agent: str, lines: list[Line]) -> Iterator[str]:
    """A release while it still worked for that mission, though nobody had given it up yet."""
    canceled_at: dict[int, float] = {}
    for line in lines:
        if line["what"] == "cancel":
            canceled_at.setdefault(line["mission"], line["at"])
        elif line["what"] == "release" and line.get("working"):
            asked = canceled_at.get(line["mission"])
            if asked is None or line["at"] - asked < GIVEN_UP_AFTER:
                yield f"agent {agent} was released by mission {line['mission']} while it worked on {line['working']}"


GIVEN_UP_AFTER = 25.0
"""Seconds: three requests, ten apart, and the last one's time; less what the clocks of processes differ."""
