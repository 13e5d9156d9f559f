"""What a reader of events notes: how many came, and how long after they were written. Pure but for the clock."""

import time
from datetime import datetime

from benchmarks.figures import quantile


class Delays:
    """Milliseconds from an event's own time to this process."""

    def __init__(self) -> None:
        self._samples: list[float] = []

    def note(self, timestamp: str) -> None:
        """An event with this time came just now."""
        self._samples.append(1000 * (time.time() - datetime.fromisoformat(timestamp).timestamp()))

    @property
    def count(self) -> int:
        """How many came."""
        return len(self._samples)

    def take(self) -> dict[str, float]:
        """p50, p95 and max of those that came; it begins anew."""
        samples, self._samples = self._samples, []
        return {"p50": quantile(samples, 0.5), "p95": quantile(samples, 0.95), "max": max(samples, default=0.0)}
