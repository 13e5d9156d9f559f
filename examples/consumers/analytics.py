"""How long missions take, by type: number, mean, median, 95th percentile, successes, missions per minute.

python -m examples.consumers.analytics --token "$(cat .muster/api-token)"     (a line for each end)
"""

import asyncio
from collections import defaultdict, deque
from dataclasses import dataclass, field
from statistics import fmean, quantiles

from examples.consumers.command import events_of
from examples.consumers.feed import Event

TYPES = ("task.started", "task.completed", "task.failed", "task.cancelled")
KEPT = 1000
"""Durations kept for each type."""


@dataclass
class TypeFigures:
    """One type of mission. Durations in ms, of successful attempts."""

    started: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    durations: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))
    ends: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))

    @property
    def mean(self) -> float:
        return fmean(self.durations) if self.durations else 0.0

    @property
    def p50(self) -> float:
        return self._quantile(50)

    @property
    def p95(self) -> float:
        return self._quantile(95)

    @property
    def success_rate(self) -> float:
        """Of the missions that ended by themselves."""
        ended = self.succeeded + self.failed
        return self.succeeded / ended if ended else 0.0

    @property
    def per_minute(self) -> float:
        """Ends per minute, over those that are kept."""
        span = self.ends[-1] - self.ends[0] if len(self.ends) > 1 else 0.0
        return (len(self.ends) - 1) * 60 / span if span > 0 else 0.0

    def _quantile(self, percent: int) -> float:
        if len(self.durations) < 2:
            return self.mean
        return quantiles(self.durations, n=100, method="inclusive")[percent - 1]


class Analytics:
    """The figures of every type."""

    def __init__(self) -> None:
        self.by_type: defaultdict[str, TypeFigures] = defaultdict(TypeFigures)
        self._type_of: dict[str, str] = {}

    def take(self, event: Event) -> None:
        """Note one event."""
        payload, mission, kind = event["payload"], event["mission_id"], event["type"]
        if kind not in TYPES:
            return
        if kind == "task.started":
            self._type_of[mission] = payload["mission_type"]
            self.by_type[payload["mission_type"]].started += 1
            return
        if payload.get("will_retry", False):
            return
        known = self._type_of.pop(mission, None)
        mission_type = payload.get("mission_type", known)
        if mission_type is None:
            return  # it was cancelled, and began before we listened or never
        figures = self.by_type[mission_type]
        if kind == "task.completed":
            figures.succeeded += 1
            figures.durations.append(payload["duration_ms"])
            figures.ends.append(payload["completed_at"])
        elif kind == "task.failed":
            figures.failed += 1
            figures.ends.append(payload["failed_at"])
        else:
            figures.cancelled += 1
            figures.ends.append(payload["cancelled_at"])


async def main() -> None:
    analytics = Analytics()
    async for event in events_of(__doc__, TYPES):
        analytics.take(event)
        for name, one in analytics.by_type.items() if event["type"] != "task.started" else ():
            print(
                f"{name}: {one.succeeded} succeeded ({one.success_rate:.0%}), {one.failed} failed, {one.cancelled}"
                f" cancelled; {one.mean:.0f} ms on average, p50 {one.p50:.0f}, p95 {one.p95:.0f};"
                f" {one.per_minute:.1f} per minute"
            )


if __name__ == "__main__":
    asyncio.run(main())
