"""What the broker carried to agents: nothing twice, each release in its place, no release before the cancel's end."""

import itertools
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from faults.invariants.strikes import Strike, explain
from faults.stage.agents import LAST_WORDS
from faults.stage.crew import platforms
from faults.stage.journal import by_agent
from faults.stage.tap import GAP, LISTENS
from settings import Settings

Line = dict[str, Any]

_ATTEMPTS = Settings().cancel_attempts
_DEVICES = frozenset(ctd for platform in platforms() for ctd in platform.ctds)
_ROUND = 0.8 * Settings().cancel_resend_interval
"""Seconds: requests that come closer are one, of an activity that was tried again."""
_TRY_AGAIN = ("workers", "PostgreSQL", "RabbitMQ", "Temporal")
"""Parts, in the names of faults, by which an activity is tried again, the second time after more than that."""
_NEAR = 0.5
"""Seconds by which the times of the agent and of the tap may differ."""
_ON_ITS_WAY = 30.0
"""Seconds that an assignment takes at most to its agent, whose network may stall meanwhile."""


def faults_of(sent: Iterable[Line], said: Iterable[Line], strikes: Sequence[Strike] = ()) -> Iterator[str]:
    """What is wrong. `sent`: of the tap; `said`: the agents' journals, for those that have one."""
    sent = list(sent)
    # Devices write down only what they do.
    journals = {agent: own for agent, own in by_agent(said).items() if any(line["what"] == "says" for line in own)}
    gaps = [line for line in sent if line["what"] == GAP]
    for agent, lines in by_agent(line for line in sent if line["agent"]).items():
        yield from _sent_twice(agent, lines)
        yield from _reserved_before_released(agent, sorted([*lines, *gaps], key=lambda line: line["at"]))
        yield from _asked_too_often(agent, lines, strikes)
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


def _asked_too_often(agent: str, lines: list[Line], strikes: Sequence[Strike]) -> Iterator[str]:
    # The thread that had told an instrument asks it, and where it does not answer the mission does, before its release.
    allowed = _ATTEMPTS * (2 if agent in _DEVICES else 1)
    times: defaultdict[int, list[float]] = defaultdict(list)
    for line in lines:
        if line["what"] == "cancel":
            times[line["assignment"]].append(line["at"])
    for assignment, at in times.items():
        rounds = _rounds(at)
        if rounds > allowed and not explain(strikes, _TRY_AGAIN, min(at), max(at)):
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
            given_up = _rounds(asked) >= _ATTEMPTS and release["at"] - max(asked) > _ROUND
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


def unseen(sent: Iterable[Line], said: Iterable[Line]) -> Iterator[str]:
    """What agents began though the tap, which listened all the time, saw nothing of it: it is blind."""
    sent = list(sent)
    seen = {line["assignment"] for line in sent if line["what"] == "assignment"}
    if not seen:
        yield "the tap saw no assignment"
        return
    listened = list(_listened(sent))
    for line in said:
        if line["what"] != "begin" or line["assignment"] in seen:
            continue
        if any(since <= line["at"] - _ON_ITS_WAY and line["at"] <= until for since, until in listened):
            yield f"the tap did not see assignment {line['assignment']}, which agent {line['agent']} began"


def _listened(sent: Iterable[Line]) -> Iterator[tuple[float, float]]:
    """From when until when the tap heard all."""
    since = math.inf
    for line in sent:
        if line["what"] == LISTENS:
            since = line["at"]
        elif line["what"] == GAP:
            yield since, line["at"]
            since = math.inf
    yield since, math.inf
