"""A process dies, or is stopped for a new version of it."""

import asyncio
from collections.abc import Sequence

from faults.kinds.fault import Fault
from faults.stage.stage import WORKERS, Stage

_DEAD_FOR = 2.0
"""Seconds: a supervisor's pause."""
RABBITMQ_GOAL = 15.0


class Killed(Fault):
    """SIGKILL, all of them at once, and started again."""

    def __init__(self, name: str, parts: Sequence[str], *, goal: float = 5.0) -> None:
        self.name, self.goal = f"{name}: SIGKILL", goal
        self._parts = parts

    async def strike(self, stage: Stage) -> None:
        await stage.kill(*self._parts)
        await asyncio.sleep(_DEAD_FOR)

    async def mend(self, stage: Stage) -> None:
        await stage.start(*self._parts)


class OneForGood(Fault):
    """One of two dies and does not come back before all is over that was begun."""

    def __init__(self, name: str, part: str) -> None:
        self.name = f"{name}: one of two killed for good"
        self._part = part

    async def strike(self, stage: Stage) -> None:
        await stage.kill(self._part)

    async def mend(self, stage: Stage) -> None:
        """The other one is there."""


class Deployed(Fault):
    """SIGTERM to all programs, one after the other, each started anew: a rolling deployment."""

    name = "all programs: SIGTERM, one by one"

    async def strike(self, stage: Stage) -> None:
        for part in [*WORKERS, "api"]:
            await stage.stop(part)
            await stage.start(part)

    async def mend(self, stage: Stage) -> None:
        """All are back."""


def kills(thin: Sequence[str], devices: Sequence[str], sdk: Sequence[str]) -> list[Fault]:
    """Each part once; `thin`, `devices`, `sdk`: the processes of agents."""
    return [
        Killed("workers (missions)", ["missions-1", "missions-2"]),
        Killed("workers (intake)", ["intake-1", "intake-2"]),
        Killed("relay", ["relay"]),
        Killed("API", ["api"]),
        Killed("Temporal", ["temporal"]),
        Killed("RabbitMQ", ["rabbitmq"], goal=RABBITMQ_GOAL),
        Killed("PostgreSQL", ["postgres"]),
        Killed("planner", ["planner"]),
        Killed("agents (a quarter of them)", [thin[0], devices[0], sdk[0]]),
        OneForGood("workers (missions)", "missions-2"),
        OneForGood("workers (intake)", "intake-2"),
        Deployed(),
    ]
