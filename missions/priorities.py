"""Priorities and the order of the waiting line.

A request's score is its priority plus its waiting time in minutes. As ageing is linear, the order of scores never
changes while requests wait, so it is kept as a static, indexable key: `enqueued_at - priority * 60 s`, lowest first.
"""

from datetime import datetime, timedelta
from enum import IntEnum

AGEING = timedelta(seconds=60)
"""Waiting time that is worth one point of priority."""


class Priority(IntEnum):
    """The four priorities of spec 4; names and numbers are accepted."""

    LOW = 10
    NORMAL = 20
    HIGH = 30
    CRITICAL = 40

    @classmethod
    def read(cls, value: object) -> "Priority":
        """Read a name in any case, or a number; raises ValueError naming the four."""
        try:
            if isinstance(value, str):
                return cls(int(value)) if value.isdigit() else cls[value.upper()]
            return cls(value)  # type: ignore[arg-type]  # refuses whatever is none of the four
        except (KeyError, ValueError):
            known = ", ".join(f"{p.name} ({p.value})" for p in cls)
            raise ValueError(f"{value!r} is no priority; use one of {known}") from None


def temporal_key(priority: int) -> int:
    """The engine's priority of a mission's tasks: 1 for CRITICAL to 4 for LOW (5 is the engine's lowest)."""
    return 5 - min(max(priority // 10, 1), 4)


def score_key(priority: int, enqueued_at: datetime) -> datetime:
    """The static sort key of a request, lowest first."""
    return enqueued_at - priority * AGEING


def score(priority: int, enqueued_at: datetime, now: datetime) -> float:
    """The score of a request at `now`: priority + minutes waited."""
    return priority + (now - enqueued_at) / AGEING
