"""How far each outlet has come in the log; for the leader of that outlet alone."""

from sqlalchemy import text

from missions.events import Event
from store.connection import Connection
from store.events import to_event


async def begin(connection: Connection, outlet: str) -> None:
    """Make sure that the outlet has a position; a new one begins with the oldest event that is kept."""
    await connection.execute(_BEGIN, {"outlet": outlet})


async def end(connection: Connection, outlet: str) -> None:
    """The outlet is off: it has no position and hence no backlog."""
    await connection.execute(_END, {"outlet": outlet})


async def next_events(connection: Connection, outlet: str, limit: int) -> list[Event]:
    """The events that the outlet has not delivered yet, in order."""
    rows = await connection.execute(_NEXT, {"outlet": outlet, "limit": limit})
    return [to_event(row) for row in rows.mappings()]


async def events_after(connection: Connection, position: int, limit: int) -> list[Event]:
    """The events after a position, in order."""
    rows = await connection.execute(_AFTER, {"position": position, "limit": limit})
    return [to_event(row) for row in rows.mappings()]


async def delivered(connection: Connection, outlet: str, position: int) -> None:
    """The outlet has delivered everything up to here, so it gets on."""
    await connection.execute(_DELIVERED, {"outlet": outlet, "position": position})


async def stuck(connection: Connection, outlet: str, error: str, tries: int) -> None:
    """The outlet does not get on; `tries`: how often it has tried since it last did."""
    await connection.execute(_STUCK, {"outlet": outlet, "error": error, "tries": tries})


_BEGIN = text(
    """
    INSERT INTO event_outlets (name, position) SELECT :outlet, archived_position FROM event_log ON CONFLICT DO NOTHING
    """
)
_END = text("DELETE FROM event_outlets WHERE name = :outlet")
_NEXT = text(
    """
    SELECT * FROM events WHERE sequence > (SELECT position FROM event_outlets WHERE name = :outlet)
    ORDER BY sequence LIMIT :limit
    """
)
_AFTER = text("SELECT * FROM events WHERE sequence > :position ORDER BY sequence LIMIT :limit")
_DELIVERED = text(
    """
    UPDATE event_outlets SET position = :position, error = NULL, error_since = NULL, tries = 0 WHERE name = :outlet
    """
)
_STUCK = text(
    """
    UPDATE event_outlets SET error = :error, error_since = coalesce(error_since, now()), tries = :tries
    WHERE name = :outlet
    """
)
