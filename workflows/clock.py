"""Time that counts for a limit: it stands still while the mission, or its agents, are paused."""

from temporalio import workflow


class Clock:
    """Seconds, of use for differences only."""

    def __init__(self) -> None:
        self._lost = 0.0
        self._stopped_at: float | None = None
        self.resumed_at: float | None = None
        """When it last went on, in the workflow's time."""

    @property
    def stopped(self) -> bool:
        """Whether it stands still."""
        return self._stopped_at is not None

    def stand(self, still: bool) -> None:
        """Stop it, or let it go on."""
        if still and self._stopped_at is None:
            self._stopped_at = workflow.time()
        elif not still and self._stopped_at is not None:
            self._lost += workflow.time() - self._stopped_at
            self._stopped_at = None
            self.resumed_at = workflow.time()

    def now(self) -> float:
        """What it shows."""
        return (workflow.time() if self._stopped_at is None else self._stopped_at) - self._lost
