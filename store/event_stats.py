"""Counts of the event log, over a window of time that is looked through by its index."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text

from missions.events import utc_now
from store import event_backlogs, event_history
from store.connection import Connection
from store.event_backlogs import Backlog
from store.event_history import Bounds

COUNTED_AT_MOST = 100_000


@dataclass(frozen=True)
class EventStats:
    """What the log holds and how fast it grows; `counted_since` is later than asked for where that is too much."""

    counted_since: datetime
    counted_until: datetime
    types: dict[str, int]
    severities: dict[str, int]
    bounds: Bounds
    unpositioned: int
    unpositioned_since: datetime | None
    backlogs: list[Backlog]
    archive_error: str | None
    archive_error_since: datetime | None


async def stats(connection: Connection, window: timedelta) -> EventStats:
    """Count the window's events, at most `COUNTED_AT_MOST` of the newest and as many without a position."""
    until = utc_now()
    rows = (await connection.execute(_COUNTS, {"since": until - window})).all()
    types: Counter[str] = Counter()
    severities: Counter[str] = Counter()
    for row in rows:
        types[row.type] += row.number
        severities[row.severity] += row.number
    whole = types.total() < COUNTED_AT_MOST
    waiting = (await connection.execute(_UNPOSITIONED)).one()
    archive = (await connection.execute(_ARCHIVE)).one()
    return EventStats(
        counted_since=until - window if whole else min(row.first for row in rows),
        counted_until=until,
        types=dict(sorted(types.items())),
        severities=dict(severities),
        bounds=await event_history.bounds(connection),
        unpositioned=waiting.number,
        unpositioned_since=waiting.first,
        backlogs=await event_backlogs.backlogs(connection),
        archive_error=archive.archive_error,
        archive_error_since=archive.archive_error_since,
    )


_COUNTS = text(
    f"""
    SELECT type, severity, count(*) AS number, min(timestamp) AS first FROM (
        SELECT type, severity, timestamp FROM events WHERE timestamp > :since
        ORDER BY timestamp DESC LIMIT {COUNTED_AT_MOST}
    ) AS newest GROUP BY type, severity
    """
)
_UNPOSITIONED = text(
    f"""
    SELECT count(*) AS number, min(timestamp) AS first FROM (
        SELECT timestamp FROM events WHERE sequence IS NULL ORDER BY id LIMIT {COUNTED_AT_MOST}
    ) AS unnumbered
    """
)
_ARCHIVE = text("SELECT archive_error, archive_error_since FROM event_log")
