"""From the log to deliveries: one row for each event that a webhook wants."""

from typing import NamedTuple

from sqlalchemy import text

from store.connection import Connection
from store.leadership import Lock
from store.webhook_deliveries import DELIVERIES

FAN_OUT = Lock(0x6D757377)


class Behind(NamedTuple):
    """Whether webhooks are enabled, and whether the log has positions that one of them has not seen."""

    any_enabled: bool
    any_behind: bool


_ANY_BEHIND = text(
    """
    SELECT count(*) > 0, coalesce(bool_or(w.position < l.last_position), false)
    FROM webhooks w, event_log l WHERE w.enabled
    """
)


async def behind(connection: Connection) -> Behind:
    """Look whether there is anything to do; locks nothing."""
    return Behind(*(await connection.execute(_ANY_BEHIND)).one())


_BEHIND = text(
    """
    SELECT id FROM webhooks w, event_log l WHERE w.enabled AND w.position < l.last_position
    ORDER BY id FOR NO KEY UPDATE OF w
    """
)
# A type has one dot or two: `task.failed` is of `task.*`; `mission.thread.started` of `mission.thread.*`, `mission.*`.
WANTED = """
    (cardinality(w.types) = 0 OR e.type = ANY (w.types) OR split_part(e.type, '.', 1) || '.*' = ANY (w.types)
        OR split_part(e.type, '.', 1) || '.' || split_part(e.type, '.', 2) || '.*' = ANY (w.types))
    AND (w.mission_id IS NULL OR w.mission_id = e.work_process_id)
    AND (w.mission_type IS NULL OR EXISTS (
        SELECT FROM work_processes p
        WHERE p.id = e.work_process_id AND p.work_process_type_name = w.mission_type))
"""
_FAN_OUT = text(
    f"""
    WITH w AS (
        SELECT webhooks.*, least(position + :limit, last_position) AS upto, position + :limit < last_position AS more
        FROM webhooks, event_log WHERE enabled AND id = ANY (:ids)
    ), wanted AS (
        SELECT w.id AS webhook_id, e.sequence, e.type, e.work_process_id,
            row_number() OVER (PARTITION BY w.id, e.work_process_id ORDER BY e.sequence) AS place
        FROM w JOIN events e ON e.sequence > w.position AND e.sequence <= w.upto WHERE {WANTED}
    ), added AS (
        INSERT INTO webhook_deliveries (webhook_id, sequence, event_type, work_process_id, next_attempt_at)
        SELECT webhook_id, sequence, type, work_process_id,
            CASE WHEN work_process_id IS NULL OR place = 1 AND NOT EXISTS (
                SELECT FROM webhook_deliveries d WHERE d.webhook_id = wanted.webhook_id
                AND d.work_process_id = wanted.work_process_id AND d.state = 'pending'
            ) THEN now() END
        FROM wanted ORDER BY webhook_id, sequence RETURNING 1
    ), moved AS (UPDATE webhooks SET position = w.upto FROM w WHERE webhooks.id = w.id)
    SELECT (SELECT bool_or(more) FROM w), (SELECT pg_notify('{DELIVERIES}', '') FROM added LIMIT 1)
    """
)


async def fan_out(connection: Connection, limit: int) -> bool:
    """Make the deliveries of what the log has beyond each enabled webhook's position; whether there is more.

    `limit`: positions of the log at a time. For the holder of `FAN_OUT` alone.
    """
    async with connection.begin_nested():
        ids = list(await connection.scalars(_BEHIND))
        if not ids:
            return False
        return bool(await connection.scalar(_FAN_OUT, {"ids": ids, "limit": limit}))
