"""How much each agent may say on the lossy queue; what is over is dropped. Reports of states are never counted here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from aio_pika.abc import AbstractIncomingMessage

from missions.events import utc_now

WINDOW = 5.0
"""Seconds over which messages are counted, so that a short burst is none."""
EPISODE_ENDS = 10.0
"""Seconds without excess after which the next excess is a new episode, told again."""
_MANY = 10_000
_OLDEST = timedelta(seconds=60)
"""No message waits longer (topology.LOSSY_ARGUMENTS): an older time is made up, to be counted apart."""

Verdict = tuple["Limit | None", "Excess | None"]


class Limit(StrEnum):
    """What was exceeded, in helyOS's words for what the agent should do."""

    MESSAGES = "REDUCE_MSG_RATE"
    UPDATES = "REDUCE_UPDATE_RATE"


@dataclass(frozen=True)
class Excess:
    """An agent that begins to say too much; `rate` and `limit` in messages per second."""

    uuid: str
    limit_of: Limit
    rate: float
    limit: float


@dataclass
class _Window:
    since: float
    count: int = 0


class RateLimits:
    """The counts of one intake process. Times, in seconds, are those of the messages: they may have lain in a queue."""

    def __init__(self, messages: float, updates: float) -> None:
        self._limits = {Limit.MESSAGES: messages, Limit.UPDATES: updates}
        self._windows: dict[tuple[str, Limit], _Window] = {}
        self._last_excess: dict[tuple[str, Limit], float] = {}

    def take(self, uuid: str, *, is_update: bool, now: float) -> tuple[Limit | None, Excess | None]:
        """Count a message: what it exceeds, so that it is to be dropped; and the excess, if an episode begins."""
        for limit_of in (Limit.MESSAGES, Limit.UPDATES) if is_update else (Limit.MESSAGES,):
            rate = self._rate_over(uuid, limit_of, now)
            if rate is not None:
                return limit_of, self._episode(uuid, limit_of, rate, now)
        return None, None

    def _rate_over(self, uuid: str, limit_of: Limit, now: float) -> float | None:
        window = self._windows.get((uuid, limit_of))
        if window is None or now - window.since >= WINDOW:
            if len(self._windows) > _MANY:
                self._windows = {key: kept for key, kept in self._windows.items() if now - kept.since < WINDOW}
            window = self._windows[uuid, limit_of] = _Window(now)
        window.count += 1
        if window.count <= self._limits[limit_of] * WINDOW:
            return None
        return window.count / max(now - window.since, 1.0)

    def _episode(self, uuid: str, limit_of: Limit, rate: float, now: float) -> Excess | None:
        before = self._last_excess.get((uuid, limit_of))
        self._last_excess[uuid, limit_of] = now
        if before is not None and now - before < EPISODE_ENDS:
            return None
        return Excess(uuid, limit_of, rate, self._limits[limit_of])


class Verdicts:
    """Counts each delivery once, though its batch may be tried again."""

    def __init__(self, limits: RateLimits) -> None:
        self._limits = limits
        self._found: dict[int, tuple[AbstractIncomingMessage, Verdict]] = {}

    def batch(self, messages: Sequence[AbstractIncomingMessage]) -> None:
        """Begin a batch: what was found for those that come again stays, the rest is forgotten."""
        again = {id(raw) for raw in messages} & self._found.keys()
        self._found = {key: self._found[key] for key in again}

    def of(self, raw: AbstractIncomingMessage, uuid: str, *, is_update: bool, at: datetime) -> Verdict:
        """As RateLimits.take, for a message of the batch that was sent `at`."""
        found = self._found.get(id(raw))
        if found is None:
            now = max(at, utc_now() - _OLDEST).timestamp()
            found = self._found[id(raw)] = (raw, self._limits.take(uuid, is_update=is_update, now=now))
        return found[1]
