"""What the agents' own journals say: nothing is done twice, and no release overtakes a cancel."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from faults.stage.journal import by_agent
from settings import Settings

Line = dict[str, Any]


def faults_of(lines: list[Line], sent: Iterable[Line] = ()) -> Iterator[str]:
    """What is wrong, in words; each agent's lines are in their own order. `sent`: of the tap."""
    begun = Counter((line["agent"], line["assignment"]) for line in lines if line["what"] == "begin")
    for (agent, assignment), times in begun.items():
        if times > 1:
            yield f"agent {agent} executed assignment {assignment} {times} times"
    asked = by_agent(line for line in sent if line["what"] == "cancel")
    for agent, own in by_agent(lines).items():
        at_work = _released_while_working(agent, own, asked.get(agent, []))
        yield from itertools.chain(_driven_for_another(agent, own), at_work)


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


def _released_while_working(agent: str, lines: list[Line], asked: list[Line]) -> Iterator[str]:
    """A release while it still worked for that mission, which it had not said it did not, nor was it given up yet.

    `asked`: requests on their way to it, of which it may have heard none.
    """
    settings, canceled_at, confirmed = Settings(), dict[int, float](), set[int]()
    given_up_after = settings.cancel_attempts * settings.cancel_resend_interval - _CLOCKS
    for line in sorted([*asked, *lines], key=lambda line: line["at"]):
        if line["what"] == "cancel":
            canceled_at.setdefault(line["mission"], line["at"])
        elif line["what"] == "says" and line.get("status") in ("free", "ready") and "assignment" not in line:
            confirmed.update(canceled_at)  # that alone, after a cancel, means that it has stopped
        elif line["what"] == "release" and line.get("working") and line["mission"] not in confirmed:
            since = canceled_at.get(line["mission"], line["at"])
            if line["at"] - since < given_up_after:
                yield f"agent {agent} was released by mission {line['mission']} while it worked on {line['working']}"


_CLOCKS = 5.0
"""Seconds by which what two processes note at one moment differs at most."""
