"""When faults struck, and which of them explain what would be wrong without them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from faults.stage.crew import odd_agents

AFTERMATH = 30.0
"""Seconds from a fault's end in which it still explains something: a dead connection is found out within 20, also on a
busy machine, and what was sent over it then has an unknown outcome; agents take up to 15 to be back."""
_LOSE_ASSIGNMENTS = ("workers", "RabbitMQ", "agents", "PostgreSQL")
"""Parts, in the names of faults, whose death leaves open whether an agent has its assignment, or still knows of it."""
_MISBEHAVIOUR = "agents: "


@dataclass
class Strike:
    """A fault that was done, in seconds of the clock; while it lasts it has no end."""

    fault: str
    began: float
    ended: float = math.inf


def explain(strikes: Iterable[Strike], parts: Sequence[str], since: float, until: float) -> list[str]:
    """Faults on one of these parts that were on in this time, or had just been."""
    return [
        strike.fault
        for strike in strikes
        if any(part in strike.fault for part in parts) and strike.began <= until and since <= strike.ended + AFTERMATH
    ]


def explain_unknown_outcome(strikes: Iterable[Strike], agent: str, since: float, until: float) -> list[str]:
    """Faults by which nobody knew what became of an assignment of this agent; `since` it was sent."""
    concern = (each for each in strikes if agent in odd_agents() or not each.fault.startswith(_MISBEHAVIOUR))
    return explain(concern, _LOSE_ASSIGNMENTS, since, until)
