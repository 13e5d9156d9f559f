"""The network between two parts fails; both parts live."""

import asyncio
from collections.abc import Sequence

from faults.kinds.fault import Fault
from faults.kinds.kills import RABBITMQ_GOAL
from faults.stage.stage import Stage

_CUT_FOR = 3.0
_SLOW_FOR = 10.0
_STILL_FOR = 12.0
"""Seconds: longer than any request may take."""
_DELAY = 0.3
_FOUND_OUT_AND_BACK = 20.0
"""Seconds: a dead connection is found out within 15 s at most."""


class Cut(Fault):
    """All connections are reset, and new ones too."""

    def __init__(self, part: str, links: Sequence[str], goal: float) -> None:
        self.name, self.goal, self._links = f"network to {part}: cut", goal, links

    async def strike(self, stage: Stage) -> None:
        for link in self._links:
            await stage.network.cut(link)
        await asyncio.sleep(_CUT_FOR)

    async def mend(self, stage: Stage) -> None:
        await _mend(stage, self._links)


class Stalled(Fault):
    """Nothing passes, nothing is closed; then all goes on, what was on its way too."""

    def __init__(self, part: str, links: Sequence[str], goal: float) -> None:
        self.name, self.goal, self._links = f"network to {part}: stalled", goal, links

    async def strike(self, stage: Stage) -> None:
        for link in self._links:
            await stage.network.stall(link)
        await asyncio.sleep(_STILL_FOR)

    async def mend(self, stage: Stage) -> None:
        await _mend(stage, self._links)


class HalfOpen(Fault):
    """What is connected is dead, and both ends take it for alive; who connects anew gets through.

    Nothing comes back: the recovery is from the moment at which the connections died.
    """

    goal = _FOUND_OUT_AND_BACK

    def __init__(self, part: str, links: Sequence[str]) -> None:
        self.name, self._links = f"network to {part}: half-open", links

    async def strike(self, stage: Stage) -> None:
        for link in self._links:
            await stage.network.half_open(link)

    async def mend(self, stage: Stage) -> None:
        """New connections are well all the time; that the old ones are dead must be found out."""


class Delayed(Fault):
    """All takes longer, each way."""

    def __init__(self, part: str, links: Sequence[str], goal: float) -> None:
        self.name, self.goal, self._links = f"network to {part}: {_DELAY * 1000:g} ms late", goal, links

    async def strike(self, stage: Stage) -> None:
        for link in self._links:
            await stage.network.delay(link, _DELAY)
        await asyncio.sleep(_SLOW_FOR)

    async def mend(self, stage: Stage) -> None:
        await _mend(stage, self._links)


async def _mend(stage: Stage, links: Sequence[str]) -> None:
    for link in links:
        await stage.network.mend(link)


# Whose network, over which links, and how soon missions flow again. Agents on helyOS's SDK do not look for a dead
# connection (their heartbeat is 3600 s), so theirs is never half-open here.
_PARTS = {
    "PostgreSQL": (("postgres",), ("postgres",), 5.0),
    "RabbitMQ": (("rabbitmq",), ("rabbitmq",), RABBITMQ_GOAL),
    "agents": (("agents", "sdk"), ("agents",), RABBITMQ_GOAL),
    "Temporal": (("temporal",), ("temporal",), 5.0),
    "planner": (("planner",), ("planner",), 5.0),
}


def network_faults() -> list[Fault]:
    """Each link in each way."""
    faults: list[Fault] = []
    for part, (links, forgotten, goal) in _PARTS.items():
        faults += [
            Cut(part, links, goal),
            Stalled(part, links, goal),
            HalfOpen(part, forgotten),
            Delayed(part, links, goal),
        ]
    return faults
