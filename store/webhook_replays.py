"""Deliveries again, sooner, or no more. The webhook's row is locked by the caller."""

from datetime import datetime

from sqlalchemy import delete, text

from missions.errors import Conflict
from missions.webhook_schedule import DeliveryState
from store import webhook_deliveries as deliveries
from store.connection import Connection
from store.webhook_deliveries import TELL
from store.webhook_fan_out import WANTED
from store.webhook_tables import webhook_deliveries

MAX_REPLAY = 10_000
"""Events of the log that one replay takes."""

_AT_ONCE = text(
    """
    UPDATE webhook_deliveries SET next_attempt_at = now(), tries = 0
    WHERE webhook_id = :id AND state = 'pending' AND next_attempt_at IS NOT NULL
    """
)
_REPLAY = "state = 'pending', tries = 0, error = NULL, delivered_at = NULL, next_attempt_at = NULL"
_REPLAY_ONE = text(
    f"""
    UPDATE webhook_deliveries d SET {_REPLAY} FROM events e
    WHERE d.webhook_id = :id AND d.id = :delivery AND e.sequence = d.sequence
    """
)
_REPLAY_PARKED = text(
    f"""
    UPDATE webhook_deliveries d SET {_REPLAY} FROM (
        SELECT d.id FROM webhook_deliveries d JOIN events USING (sequence)
        WHERE d.webhook_id = :id AND d.state = 'parked' AND sequence > :after ORDER BY sequence LIMIT :limit
    ) AS chosen WHERE d.id = chosen.id RETURNING d.sequence
    """
)
_REPLAY_RANGE = text(
    f"""
    INSERT INTO webhook_deliveries (webhook_id, sequence, event_type, work_process_id)
    SELECT w.id, e.sequence, e.type, e.work_process_id FROM webhooks w
    JOIN events e ON e.sequence > :after AND e.sequence <= w.position
    WHERE w.id = :id AND e.timestamp >= :since AND {WANTED}
    ORDER BY e.sequence LIMIT :limit
    ON CONFLICT (webhook_id, sequence) DO UPDATE SET {_REPLAY}
    RETURNING sequence
    """
)
_LINE_UP = text(
    """
    UPDATE webhook_deliveries d SET next_attempt_at = CASE WHEN line.place = 1 THEN now() END
    FROM (
        SELECT id, CASE WHEN work_process_id IS NULL THEN 1
            ELSE row_number() OVER (PARTITION BY work_process_id ORDER BY sequence) END AS place
        FROM webhook_deliveries WHERE webhook_id = :id AND state = 'pending'
    ) AS line
    WHERE d.id = line.id AND (line.place = 1) = (d.next_attempt_at IS NULL)
    """
)


async def try_at_once(connection: Connection, webhook_id: int) -> None:
    """Try what is pending now, with a new schedule."""
    await connection.execute(_AT_ONCE, {"id": webhook_id})
    await connection.execute(TELL)


async def drop_pending(connection: Connection, webhook_id: int) -> None:
    """Leave out what is pending."""
    await connection.execute(
        delete(webhook_deliveries).where(
            webhook_deliveries.c.webhook_id == webhook_id, webhook_deliveries.c.state == DeliveryState.PENDING
        )
    )


async def replay_one(connection: Connection, webhook_id: int, delivery_id: int) -> None:
    """Deliver an event again; raises NotFound, or Conflict if the log has it no more."""
    await deliveries.get(connection, webhook_id, delivery_id)
    if not await connection.affected(_REPLAY_ONE, {"id": webhook_id, "delivery": delivery_id}):
        raise Conflict(
            "the event of this delivery is archived, and cannot be sent again",
            field="deliveryId",
            value=delivery_id,
            remedy="read it in the archive of events",
        )
    await _line_up(connection, webhook_id)


async def replay_parked(connection: Connection, webhook_id: int, after: int, limit: int) -> list[int]:
    """Deliver parked events after a position again; returns the positions of those taken, so many at most."""
    parameters = {"id": webhook_id, "after": after, "limit": limit}
    taken = sorted(await connection.scalars(_REPLAY_PARKED, parameters))
    await _line_up(connection, webhook_id)
    return taken


async def replay_range(connection: Connection, webhook_id: int, after: int, since: datetime, limit: int) -> list[int]:
    """Deliver again what the webhook wants of the log after a position and since a time, up to where it stands.

    Returns the positions of those taken, so many at most.
    """
    parameters = {"id": webhook_id, "after": after, "since": since, "limit": limit}
    taken = sorted(await connection.scalars(_REPLAY_RANGE, parameters))
    await _line_up(connection, webhook_id)
    return taken


async def _line_up(connection: Connection, webhook_id: int) -> None:
    await connection.execute(_LINE_UP, {"id": webhook_id})
    await connection.execute(TELL)
