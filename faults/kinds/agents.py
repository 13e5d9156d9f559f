"""Agents misbehave: in missions of their own, while all others go on."""

import itertools
import random
from collections.abc import Sequence

from faults.kinds.fault import Fault
from faults.load import oddities
from faults.load.oddities import Script
from faults.load.scripts import Mission
from faults.results import Sort
from faults.stage.crew import ODD, bystanders, odd_agents
from faults.stage.journal import read
from faults.stage.stage import Stage
from faults.waiting import until


class Misbehaviour(Fault):
    """All odd agents at once, each in one of these ways."""

    def __init__(self, name: str, *scripts: Script) -> None:
        self.name, self.recovers = f"agents: {name}", False
        self._scripts = scripts

    def missions(self, chance: random.Random) -> Sequence[Mission]:
        """One for each agent, each script as often as any other."""
        ways = list(itertools.islice(itertools.cycle(self._scripts), len(odd_agents())))
        chance.shuffle(ways)
        return [script(chance, agent) for script, agent in zip(ways, odd_agents(), strict=True)]

    async def strike(self, stage: Stage) -> None:
        """Its missions do it."""

    async def mend(self, stage: Stage) -> None:
        """Nothing is broken."""


class NoFlood(Fault):
    """The missions that a flood is measured by, without one."""

    name = "agents: none floods, to compare with"
    sort = Sort.COMPARISON
    recovers = False

    def missions(self, chance: random.Random) -> Sequence[Mission]:
        """As many as beside a flood."""
        return [oddities.beside(oddities.BESIDE_NOTHING, agent) for agent in bystanders()]

    async def strike(self, stage: Stage) -> None:
        """Leave all as it is."""

    async def mend(self, stage: Stage) -> None:
        """There is nothing to mend."""


class Flood(Fault):
    """One agent says as much as it can; others' missions are measured meanwhile."""

    name = "agents: one floods"
    recovers = False  # how the others fare meanwhile is compared at the end

    def __init__(self) -> None:
        self._floods = 0

    def missions(self, chance: random.Random) -> Sequence[Mission]:
        """The one that floods, and those beside it."""
        others = [oddities.beside(oddities.BESIDE, agent) for agent in bystanders()]
        return [oddities.flood(odd_agents()[0]), *others]

    async def strike(self, stage: Stage) -> None:
        """Returns when it has begun."""
        self._floods += 1

        async def floods() -> bool:
            begun = [line for line in read(stage.crew.journal(ODD)) if line["what"] == "floods"]
            return len(begun) >= self._floods

        await until(floods, 120, "the agent does not begin to flood")

    async def mend(self, stage: Stage) -> None:
        """It ends by itself."""


def misbehaviours() -> list[Fault]:
    """Each once."""
    return [
        Misbehaviour("each report twice or thrice", oddities.repeated(2), oddities.repeated(3)),
        Misbehaviour("late reports", oddities.after_free, oddities.after_a_break, oddities.in_the_next_mission),
        Misbehaviour("reordered reports", oddities.end_before_the_beginning, oddities.free_before_the_end),
        Misbehaviour(
            "contradictory reports",
            oddities.contradiction("succeeded", "failed"),
            oddities.contradiction("failed", "succeeded"),
            oddities.contradiction("succeeded", "executing", "canceled", "executing"),
            oddities.contradiction("succeeded", "succeeded"),
            oddities.contradiction("succeeded", 2.0, "aborted", "failed"),
            oddities.contradiction("rejected", "succeeded"),
            oddities.contradiction("canceled", "executing", "succeeded"),
            oddities.contradiction("aborted", 1.0, "completed"),
        ),
        Misbehaviour("reports on others' assignments", oddities.foreign),
        Misbehaviour(
            "reconnect in mid-assignment",
            oddities.away_at_reserve,
            oddities.away_at_reserve_for_long,
            oddities.away_at_assignment,
            oddities.away_at_work,
            oddities.away_with_the_last_word,
            oddities.away_at_release,
            oddities.away_after_release,
        ),
        Misbehaviour("check in anew in mid-assignment", oddities.anew_at_assignment, oddities.anew_at_work),
        Misbehaviour(
            "never listen",
            oddities.deaf_between_missions,
            oddities.deaf_at_assignment,
            oddities.deaf_all_along,
            oddities.deaf_at_cancel,
        ),
        Misbehaviour(
            "odd answers to a cancel",
            oddities.at_cancel("executing", 1.0, "canceled", "canceled", "failed"),
            oddities.at_cancel("succeeded", "canceled"),
            oddities.at_cancel("free", 1.0, "succeeded"),
            oddities.never_confirms,
        ),
        NoFlood(),
        Flood(),
    ]
