"""What follows an attempt to deliver an event to a webhook: delivered, another attempt later, or parked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

JITTER = 0.1
"""Part of a delay by which it is longer or shorter, so that what failed together is not tried together."""

LONGEST_RETRY_AFTER = 86_400.0
"""Seconds that a receiver may ask for."""

_GONE = 410
_THROTTLED = (429, 502, 503, 504)
_HOLDING = (429, 503)


class DeliveryState(StrEnum):
    """How the delivery of one event to one webhook stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    PARKED = "parked"


@dataclass(frozen=True)
class Outcome:
    """What came of one attempt. `status_code`: None if there was no answer; `retry_after`: seconds, as asked for."""

    at: datetime
    duration_ms: float
    status_code: int | None = None
    error: str | None = None
    answer: str = ""
    retry_after: float | None = None

    @property
    def succeeded(self) -> bool:
        """Only 2xx is a success; a redirection is none, and is not followed."""
        return self.status_code is not None and 200 <= self.status_code < 300

    @property
    def gone(self) -> bool:
        """The receiver wants nothing any more."""
        return self.status_code == _GONE


def hold_after(outcome: Outcome) -> float:
    """Seconds in which the receiver wants nothing at all: it said so about itself, not about one event."""
    return outcome.retry_after or 0.0 if outcome.status_code in _HOLDING else 0.0


def delay_after(outcome: Outcome, tries: int, schedule: Sequence[float], chance: float) -> float | None:
    """Seconds until the next attempt, after so many failed ones; None: that was the last.

    `schedule`: the delay after the first failure, the second, and so on; `chance`: 0 to 1, at random.
    """
    if tries > len(schedule):
        return None
    delay = schedule[tries - 1] * (1 + JITTER * (2 * chance - 1))
    asked = outcome.retry_after if outcome.status_code in _THROTTLED else None
    return max(delay, asked or 0.0)


def read_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a `Retry-After` header asks for (a number or a date), within bounds; None: it says nothing."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdecimal():
        return min(float(value[:10]), LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)
