"""Deliveries again, sooner, or no more. The webhook's row is locked by the caller."""

from datetime import datetime

from sqlalchemy import TextClause, text

from missions.errors import Conflict
from store import webhook_deliveries as deliveries
from store.connection import Connection
from store.rows import Row
from store.webhook_deliveries import TELL
from store.webhook_fan_out import WANTED

MAX_REPLAY = 10_000
"""Events of the log that one replay takes."""

# Those that are due already come anyhow.
_AT_ONCE = text(
    """
    UPDATE webhook_deliveries SET next_attempt_at = now(), tries = 0
    WHERE webhook_id = :id AND state = 'pending' AND next_attempt_at > now()
    """
)
_DROP = text(
    """
    DELETE FROM webhook_deliveries WHERE id IN (
        SELECT id FROM webhook_deliveries WHERE webhook_id = :id AND state = 'pending' AND sequence <= :until
        LIMIT :limit)
    """
)
# What is of no mission waits for nothing.
_REPLAY = """
    state = 'pending', tries = 0, error = NULL, delivered_at = NULL,
    next_attempt_at = CASE WHEN d.work_process_id IS NULL THEN now() END
"""
_REPLAY_ONE = text(
    f"""
    UPDATE webhook_deliveries d SET {_REPLAY} FROM events e
    WHERE d.webhook_id = :id AND d.id = :delivery AND e.sequence = d.sequence
    RETURNING d.sequence, d.work_process_id AS mission
    """
)
_REPLAY_PARKED = text(
    f"""
    UPDATE webhook_deliveries d SET {_REPLAY} FROM (
        SELECT d.id FROM webhook_deliveries d JOIN events USING (sequence)
        WHERE d.webhook_id = :id AND d.state = 'parked' AND sequence > :after ORDER BY sequence LIMIT :limit
    ) AS chosen WHERE d.id = chosen.id RETURNING d.sequence, d.work_process_id AS mission
    """
)
_REPLAY_RANGE = text(
    f"""
    INSERT INTO webhook_deliveries AS d (webhook_id, sequence, event_type, work_process_id, next_attempt_at)
    SELECT w.id, e.sequence, e.type, e.work_process_id, CASE WHEN e.work_process_id IS NULL THEN now() END
    FROM webhooks w JOIN events e ON e.sequence > :after AND e.sequence <= w.position
    WHERE w.id = :id AND e.timestamp >= :since AND {WANTED}
    ORDER BY e.sequence LIMIT :limit
    ON CONFLICT (webhook_id, sequence) DO UPDATE SET {_REPLAY}
    RETURNING d.sequence, d.work_process_id AS mission
    """
)
_LINE_UP = text(
    """
    UPDATE webhook_deliveries d SET next_attempt_at = CASE WHEN line.place = 1 THEN now() END
    FROM (
        SELECT id, row_number() OVER (PARTITION BY work_process_id ORDER BY sequence) AS place
        FROM webhook_deliveries
        WHERE webhook_id = :id AND state = 'pending' AND work_process_id = ANY (:missions)
    ) AS line
    WHERE d.id = line.id AND (line.place = 1) = (d.next_attempt_at IS NULL)
    """
)


async def try_at_once(connection: Connection, webhook_id: int) -> None:
    """Try what is pending now, with a new schedule."""
    await connection.execute(_AT_ONCE, {"id": webhook_id})
    await connection.execute(TELL)


async def drop_pending(connection: Connection, webhook_id: int, until: int, limit: int) -> bool:
    """Leave out what is pending up to a position, so many at most; whether there may be more."""
    return await connection.affected(_DROP, {"id": webhook_id, "until": until, "limit": limit}) == limit


async def replay_one(connection: Connection, webhook_id: int, delivery_id: int) -> None:
    """Deliver an event again; raises NotFound, or Conflict if the log has it no more."""
    await deliveries.get(connection, webhook_id, delivery_id)
    if not await _replay(connection, _REPLAY_ONE, {"id": webhook_id, "delivery": delivery_id}):
        raise Conflict(
            "the event of this delivery is archived, and cannot be sent again",
            field="deliveryId",
            value=delivery_id,
            remedy="read it in the archive of events",
        )


async def replay_parked(connection: Connection, webhook_id: int, after: int, limit: int) -> list[int]:
    """Deliver parked events after a position again; returns the positions of those taken, so many at most."""
    return await _replay(connection, _REPLAY_PARKED, {"id": webhook_id, "after": after, "limit": limit})


async def replay_range(connection: Connection, webhook_id: int, after: int, since: datetime, limit: int) -> list[int]:
    """Deliver again what the webhook wants of the log after a position and since a time, up to where it stands.

    Returns the positions of those taken, so many at most.
    """
    parameters = {"id": webhook_id, "after": after, "since": since, "limit": limit}
    return await _replay(connection, _REPLAY_RANGE, parameters)


async def _replay(connection: Connection, statement: TextClause, parameters: Row) -> list[int]:
    taken = (await connection.execute(statement, parameters)).all()
    missions = {row.mission for row in taken} - {None}
    await connection.execute(_LINE_UP, {"id": parameters["id"], "missions": list(missions)})
    await connection.execute(TELL)
    return sorted(row.sequence for row in taken)


async def archived_of(connection: Connection, webhook_id: int, after: int) -> tuple[int, int]:
    """The position up to which events are archived, and how many parked ones after `after` cannot be sent again."""
    row = (await connection.execute(_ARCHIVED, {"id": webhook_id, "after": after})).one()
    return row.archived_position, row.parked


_ARCHIVED = text(
    """
    SELECT archived_position, (
        SELECT count(*) FROM webhook_deliveries d
        WHERE d.webhook_id = :id AND d.state = 'parked' AND d.sequence > :after AND d.sequence <= archived_position
    ) AS parked FROM event_log
    """
)
