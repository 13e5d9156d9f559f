"""A process dies, or is stopped for a new version of it."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from faults.kinds.fault import Broken, Fault
from faults.load.scripts import Mission
from faults.stage.crew import PROBING
from faults.stage.stage import WORKERS, Ending, Stage
from faults.waiting import until
from fleet.topology import ORDERED_QUEUE

_DEAD_FOR = 2.0
"""Seconds: a supervisor's pause."""
RABBITMQ_GOAL = 15.0


class Killed(Fault):
    """SIGKILL, all of them at once, and started again."""

    def __init__(self, name: str, parts: Sequence[str], *, goal: float = 5.0, touches_api: bool = False) -> None:
        self.name, self.goal, self.touches_api = f"{name}: SIGKILL", goal, touches_api
        self._parts = parts

    async def strike(self, stage: Stage) -> None:
        await stage.kill(*self._parts)
        await asyncio.sleep(_DEAD_FOR)

    async def mend(self, stage: Stage) -> None:
        await stage.start(*self._parts)


class AgentsKilled(Killed):
    """One process of each sort of agents, by chance, and that of the agents by which the recovery is measured."""

    def __init__(self, sorts: Sequence[Sequence[str]]) -> None:
        super().__init__("agents (a quarter of them)", [])
        self._sorts = sorts

    def missions(self, chance: random.Random) -> Sequence[Mission]:
        """None; one process of each sort is chosen."""
        self._parts = [PROBING, *(chance.choice(sort) for sort in self._sorts)]
        return ()


class OneForGood(Fault):
    """One of two dies and does not come back before all is over that was begun."""

    for_good = True

    def __init__(self, name: str, which: Callable[[Stage], Awaitable[str]]) -> None:
        self.name = f"{name}: one of two killed for good"
        self._which = which

    async def strike(self, stage: Stage) -> None:
        await stage.kill(await self._which(stage))

    async def mend(self, stage: Stage) -> None:
        """The other one is there."""


async def _the_second(stage: Stage) -> str:
    return "missions-2"


async def _who_reads(stage: Stage) -> str:
    """The intake that has the agents' messages: the broker gives them to one, and the other one waits."""
    return await until(partial(stage.reader_of, ORDERED_QUEUE), 30, f"nobody reads {ORDERED_QUEUE}")


class Deployed(Fault):
    """SIGTERM to programs, one after the other, each started anew: a rolling deployment."""

    def __init__(self, name: str, parts: Sequence[str], *, touches_api: bool = False) -> None:
        self.name, self.touches_api = name, touches_api
        self._parts = parts

    async def strike(self, stage: Stage) -> None:
        endings: list[Ending] = []
        for part in self._parts:
            endings += await stage.stop(part)
            await stage.start(part)
        if told := disorderly(endings):
            raise Broken("; ".join(told))

    async def mend(self, stage: Stage) -> None:
        """All are back."""


# uvicorn, when it has shut down, ends itself by the signal that it was sent.
_IN_ORDER = {"api": (0, -signal.SIGTERM)}


def disorderly(endings: Sequence[Ending]) -> list[str]:
    """Programs that did not end in order at SIGTERM: who uses its grace up is killed."""
    return [
        f"{end.name} ended with {end.code} after {end.took:.1f} s"
        for end in endings
        if end.code not in _IN_ORDER.get(end.name, (0,))
    ]


def kills(thin: Sequence[str], devices: Sequence[str], sdk: Sequence[str]) -> list[Fault]:
    """Each part once; `thin`, `devices`, `sdk`: the processes of agents."""
    return [
        Killed("workers (missions)", ["missions-1", "missions-2"]),
        Killed("workers (intake)", ["intake-1", "intake-2"]),
        Killed("relay", ["relay"]),
        Killed("API", ["api"], touches_api=True),
        Killed("Temporal", ["temporal"]),
        Killed("RabbitMQ", ["rabbitmq"], goal=RABBITMQ_GOAL),
        Killed("PostgreSQL", ["postgres"]),
        Killed("planner", ["planner"]),
        AgentsKilled([thin, devices, sdk]),
        OneForGood("workers (missions)", _the_second),
        OneForGood("workers (intake)", _who_reads),
        Deployed("workers and relay: SIGTERM, one by one", list(WORKERS)),
        Deployed("API: SIGTERM", ["api"], touches_api=True),
    ]
