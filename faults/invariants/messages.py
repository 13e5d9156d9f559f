"""What the broker carried to agents: nothing twice, each release in its place, no release before the cancel's end."""

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from faults.stage.agents import LAST_WORDS
from faults.stage.tap import GAP

Line = dict[str, Any]

CANCEL_ATTEMPTS = 3
_ROUND = 8.0
"""Seconds: requests that come closer are one, of an activity that was tried again; else they are ten apart."""
_NEAR = 0.5
"""Seconds by which the times of the agent and of the tap may differ."""


def faults_of(sent: Iterable[Line], said: Iterable[Line]) -> Iterator[str]:
    """What is wrong. `sent`: of the tap; `said`: the agents' journals, for those that have one."""
    by_agent: defaultdict[str, list[Line]] = defaultdict(list)
    journals: defaultdict[str, list[Line]] = defaultdict(list)
    gaps = []
    for line in sent:
        if line["what"] == GAP:
            gaps.append(line)
        else:
            by_agent[line["agent"]].append(line)
    for line in said:
        for agent in [line["agent"]] if line["agent"] else line["agents"]:
            journals[agent].append(line)
    for agent, lines in by_agent.items():
        yield from _sent_twice(agent, lines)
        yield from _reserved_before_released(agent, sorted([*lines, *gaps], key=lambda line: line["at"]))
        yield from _asked_too_often(agent, lines)
        if agent in journals:
            yield from _released_before_confirmed(agent, lines, journals[agent])


def _sent_twice(agent: str, lines: list[Line]) -> Iterator[str]:
    """What went to a queue of the agent more than once; what came back may be sent again."""
    went: defaultdict[int, int] = defaultdict(int)
    for line in lines:
        if line["what"] == "assignment" and line["heard"]:
            went[line["assignment"]] += 1
    for assignment, times in went.items():
        if times > 1:
            yield f"assignment {assignment} was sent to agent {agent} {times} times"


def _reserved_before_released(agent: str, lines: list[Line]) -> Iterator[str]:
    held: set[int] = set()
    for line in lines:
        match line["what"]:
            case "gap":  # a release may have gone by unseen
                held.clear()
            case "reserve":
                if others := held - {line["mission"]}:
                    yield f"agent {agent} was reserved by mission {line['mission']} before {others} had released it"
                held.add(line["mission"])
            case "release":
                held.discard(line["mission"])


def _asked_too_often(agent: str, lines: list[Line]) -> Iterator[str]:
    times: defaultdict[int, list[float]] = defaultdict(list)
    for line in lines:
        if line["what"] == "cancel":
            times[line["assignment"]].append(line["at"])
    for assignment, at in times.items():
        rounds = _rounds(at)
        if rounds > CANCEL_ATTEMPTS:
            yield f"agent {agent} was asked {rounds} times to stop assignment {assignment}"


def _rounds(times: Collection[float]) -> int:
    return 1 + sum(later - earlier > _ROUND for earlier, later in itertools.pairwise(sorted(times))) if times else 0


def _released_before_confirmed(agent: str, lines: list[Line], said: list[Line]) -> Iterator[str]:
    """A release by a mission that had asked for a stop, without the agent's word, and not given up."""
    for release in (line for line in lines if line["what"] == "release"):
        before = [
            line
            for line in lines
            if line["what"] == "cancel" and line["mission"] == release["mission"] and line["at"] <= release["at"]
        ]
        for assignment in {line["assignment"] for line in before}:
            asked = [line["at"] for line in before if line["assignment"] == assignment]
            given_up = _rounds(asked) >= CANCEL_ATTEMPTS and release["at"] - max(asked) > _ROUND
            if not (given_up or _confirmed(said, assignment, min(asked), release["at"])):
                yield (
                    f"agent {agent} was released by mission {release['mission']}, which had asked it to stop"
                    f" assignment {assignment}, before it confirmed that"
                )


def _confirmed(said: list[Line], assignment: int, asked_at: float, released_at: float) -> bool:
    """A last word on the assignment, or an idle one after the request."""
    for line in said:
        if line["what"] != "says" or line["at"] > released_at + _NEAR:
            continue
        if line.get("assignment") == assignment and line["said"] in LAST_WORDS:
            return True
        if "assignment" not in line and line["status"] in ("free", "ready") and line["at"] >= asked_at - _NEAR:
            return True
    return False
