"""What each outlet of the log has not delivered yet. Cheap: however large the log and the backlog are."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from store.connection import Connection


@dataclass(frozen=True)
class Backlog:
    """How an outlet stands; times are in seconds."""

    outlet: str
    position: int
    backlog: int
    """Events after its position."""
    age: float
    """Of the oldest event that it has not delivered; 0 without one."""
    error: str | None
    error_since: datetime | None
    tries: int
    parked: int
    """Events that it put aside, and that were not replayed since."""


async def read_backlogs(connection: Connection) -> list[Backlog]:
    """Every outlet that is on, by name."""
    return [Backlog(**row) for row in (await connection.execute(_READ)).mappings()]


_READ = text(
    """
    SELECT outlet.name AS outlet, outlet.position,
        log.last_position - greatest(outlet.position, log.archived_position) AS backlog,
        CAST(coalesce(extract(epoch FROM now() - (
            SELECT timestamp FROM events WHERE sequence > outlet.position ORDER BY sequence LIMIT 1
        )), 0) AS double precision) AS age,
        outlet.error, outlet.error_since, outlet.tries,
        (SELECT count(*) FROM parked_events WHERE parked_events.outlet = outlet.name AND replayed_at IS NULL) AS parked
    FROM event_outlets AS outlet CROSS JOIN event_log AS log ORDER BY outlet.name
    """
)
