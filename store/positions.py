"""The global positions of events: given after the commit, by one sequencer, so that a reader "after N" misses none.

Ids alone are no positions: a transaction with a lower id may commit after one with a higher id.
"""

from sqlalchemy import text

from store.connection import Connection
from store.leadership import Lock

SEQUENCER = Lock(0x6D757374)
POSITIONED = "muster_events_positioned"
"""Channel: events got their positions, and can be read."""


async def give_positions(connection: Connection, limit: int) -> int:
    """Number visible events that have no position yet, in id order; for the holder of `SEQUENCER` alone.

    Returns how many; readers are told.
    """
    return await connection.affected(_GIVE, {"limit": limit})


async def event_counts(connection: Connection) -> dict[tuple[str, str], int]:
    """How many events `task.*` ever got a position, by type and severity; archived ones too."""
    return {(row.type, row.severity): row.number for row in await connection.execute(_COUNTS)}


_COUNTS = text("SELECT type, severity, count AS number FROM event_counts")
# The notification goes out with the commit; few commit one, so that they hold up nobody.
_GIVE = text(
    f"""
    WITH fresh AS (
        SELECT id, type, severity, row_number() OVER (ORDER BY id) AS place FROM (
            SELECT id, type, severity FROM events WHERE sequence IS NULL ORDER BY id LIMIT :limit
        ) AS unnumbered
    ), moved AS (
        UPDATE event_log SET last_position = last_position + added.count
        FROM (SELECT count(*) AS count, pg_notify('{POSITIONED}', '') FROM fresh) AS added
        WHERE added.count > 0
        RETURNING last_position - added.count AS before
    ), counted AS (
        INSERT INTO event_counts AS counts (type, severity, count)
        SELECT type, severity, count(*) FROM fresh WHERE type LIKE 'task.%' GROUP BY type, severity
        ON CONFLICT (type, severity) DO UPDATE SET count = counts.count + excluded.count
    )
    UPDATE events SET sequence = moved.before + fresh.place FROM fresh, moved WHERE events.id = fresh.id
    """
)
