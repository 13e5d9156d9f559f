"""What each outlet of the event log has not delivered yet. Cheap: however large the log and the backlog are."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from store.connection import Connection


@dataclass(frozen=True)
class Backlog:
    """How an outlet stands: delivered up to `position`, `behind` events more to go; `error`: why it does not get on."""

    name: str
    position: int
    behind: int
    age: float
    """Seconds, of the oldest event that it has not delivered; 0 without one."""
    error: str | None
    error_since: datetime | None
    tries: int
    """Since it last got on."""
    parked: int
    """Events that it put aside, and that were not replayed since."""


async def backlogs(connection: Connection) -> list[Backlog]:
    """Every outlet that is on, by name."""
    return [Backlog(**row) for row in (await connection.execute(_ALL)).mappings()]


async def lowest_position(connection: Connection) -> int | None:
    """Up to here every outlet has delivered; None if there is no outlet."""
    found: int | None = await connection.scalar(_LOWEST)
    return found


_ALL = text(
    """
    SELECT outlet.name, outlet.position,
        greatest(log.last_position - greatest(outlet.position, log.archived_position), 0) AS behind,
        CAST(coalesce(extract(epoch FROM now() - (
            SELECT timestamp FROM events WHERE sequence > outlet.position ORDER BY sequence LIMIT 1
        )), 0) AS double precision) AS age,
        outlet.error, outlet.error_since, outlet.tries,
        (SELECT count(*) FROM parked_events WHERE parked_events.outlet = outlet.name AND replayed_at IS NULL) AS parked
    FROM event_outlets AS outlet CROSS JOIN event_log AS log ORDER BY outlet.name
    """
)
_LOWEST = text("SELECT min(position) FROM event_outlets")
