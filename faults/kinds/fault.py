"""What every fault has: a name, and how it is done and undone."""

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence

from faults.load import scripts
from faults.load.scripts import Mission
from faults.results import Sort
from faults.stage.crew import probes
from faults.stage.stage import Stage


class NotPossibleHere(Exception):
    """This machine does not let us do it; the text says why."""


class Broken(Exception):
    """What was done was not borne as it must be; the text says how."""


class Fault(ABC):
    """Something that happens to the stage, and is mended again."""

    name: str
    """In the report."""
    sort: Sort = Sort.FAULT
    goal: float = 5.0
    """Seconds from the mending until missions flow again."""
    wants_small_disk: bool = False
    """PostgreSQL's data stand on a disk of their own from the start of the stage on."""
    touches_api: bool = False
    """The API itself is dead for a while: else it has to answer as long as this lasts."""
    for_good: bool = False
    """What it killed stays dead until all missions have ended that were open then."""
    recovers: bool = True
    """There is something to recover from, which takes a time."""

    def probes(self) -> Sequence[Mission]:
        """The missions that show that it is over: of agents that were struck, where agents are."""
        return [scripts.probe(agent) for agent in probes()]

    def missions(self, chance: random.Random) -> Sequence[Mission]:
        """Missions of its own, asked for when it begins; how each must end stands in its script.

        What it befalls is chosen by chance here, too.
        """
        return ()

    @abstractmethod
    async def strike(self, stage: Stage) -> None:
        """Do it, and let it last; returns when the part may come back. Raises NotPossibleHere, Broken."""

    @abstractmethod
    async def mend(self, stage: Stage) -> None:
        """Bring the part back; returns when it is back."""


class Nothing(Fault):
    """What the other figures are to be compared with: what missions take anyway beside the others, on this machine."""

    name = "nothing, to compare with"
    sort = Sort.COMPARISON

    async def strike(self, stage: Stage) -> None:
        """Leave all as it is."""

    async def mend(self, stage: Stage) -> None:
        """There is nothing to mend."""
