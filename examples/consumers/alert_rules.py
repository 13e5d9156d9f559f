"""Rules on the stream of events that say when a person should look; each is told of events and asked from time to time.

Times are seconds since 1970. A rule names what it complains of, so that each trouble is told once, and its end once.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from examples.consumers.feed import Event

ENDS = ("task.completed", "task.failed", "task.cancelled")
Complaints = Mapping[str, str]
"""What is wrong → words for it."""


class Rule(ABC):
    """One rule."""

    @abstractmethod
    def take(self, event: Event) -> None:
        """Note one event."""

    @abstractmethod
    def complaints(self, now: float) -> Complaints:
        """What is wrong at this moment."""


class _Waiting(Rule):
    """Knows who stands in line, for agents or for a slot, and since when.

    A mission whose time has not come, or that waits for its next attempt, stands in none. That no worker runs at all,
    so that nobody even gets in line, is told by `GET /api/v1/workers`.
    """

    def __init__(self) -> None:
        self.waiting: dict[str, float] = {}

    def take(self, event: Event) -> None:
        if event["type"] == "work_process.waiting":
            if all(reason["step"] is None for reason in event["payload"]["waiting_reasons"]):  # else a step waits
                self.waiting[event["mission_id"]] = datetime.fromisoformat(event["timestamp"]).timestamp()
        elif event["type"] == "task.started" or event["type"] in ENDS:
            self.waiting.pop(event["mission_id"], None)


class QueueDepth(_Waiting):
    """More than `most` missions stand in line."""

    def __init__(self, most: int = 100) -> None:
        super().__init__()
        self._most = most

    def complaints(self, now: float) -> Complaints:
        if len(self.waiting) <= self._most:
            return {}
        return {"queue depth": f"{len(self.waiting)} missions wait to begin, more than {self._most}"}


class Stall(_Waiting):
    """Missions stand in line, and none has begun for `seconds`."""

    def __init__(self, seconds: float = 300.0) -> None:
        super().__init__()
        self._seconds = seconds
        self._last_start = 0.0

    def take(self, event: Event) -> None:
        super().take(event)
        if event["type"] == "task.started":
            self._last_start = event["payload"]["started_at"]

    def complaints(self, now: float) -> Complaints:
        since = max(min(self.waiting.values(), default=now), self._last_start)
        if now - since <= self._seconds:
            return {}
        return {"stall": f"{len(self.waiting)} missions wait, and none has begun for {now - since:.0f} s"}


@dataclass
class OverTime(Rule):
    """A mission runs longer than its type may; `limits`: seconds by type, `limit` for the others."""

    limit: float = 3600.0
    limits: Mapping[str, float] = field(default_factory=dict)
    running: dict[str, tuple[str, float]] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        if event["type"] == "task.started":
            self.running[event["mission_id"]] = event["payload"]["mission_type"], event["payload"]["started_at"]
        elif event["type"] in ENDS:
            self.running.pop(event["mission_id"], None)

    def complaints(self, now: float) -> Complaints:
        return {
            f"over time: {mission}": f"mission {mission} ({kind}) has been running for {now - started:.0f} s"
            for mission, (kind, started) in self.running.items()
            if now - started > self.limits.get(kind, self.limit)
        }


@dataclass
class RetryStorm(Rule):
    """Within `window` seconds at least `fewest` missions retry, and they are more than `share` of those that began."""

    window: float = 300.0
    share: float = 0.5
    fewest: int = 5
    retried: deque[tuple[float, str]] = field(default_factory=deque)
    began: deque[tuple[float, str]] = field(default_factory=deque)

    def take(self, event: Event) -> None:
        if event["type"] == "task.retrying":
            self.retried.append((event["payload"]["retried_at"], event["mission_id"]))
        elif event["type"] == "task.started":
            self.began.append((event["payload"]["started_at"], event["mission_id"]))

    def complaints(self, now: float) -> Complaints:
        for kept in (self.retried, self.began):
            while kept and kept[0][0] < now - self.window:
                kept.popleft()
        retried = {mission for _, mission in self.retried}
        began = {mission for _, mission in self.began} | retried
        if len(retried) < self.fewest or len(retried) <= self.share * len(began):
            return {}
        return {"retry storm": f"{len(retried)} of {len(began)} missions retried within {self.window:.0f} s"}
