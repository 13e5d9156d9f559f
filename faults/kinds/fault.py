"""What every fault has: a name, and how it is done and undone."""

from abc import ABC, abstractmethod

from faults.stage.stage import Stage


class Fault(ABC):
    """Something that happens to the stage, and is mended again."""

    name: str
    """In the report."""
    goal: float = 5.0
    """Seconds from the mending until missions flow again."""

    @abstractmethod
    async def strike(self, stage: Stage) -> None:
        """Do it, and let it last; returns when the part may come back."""

    @abstractmethod
    async def mend(self, stage: Stage) -> None:
        """Bring the part back; returns when it is back."""
