"""What each outlet of the event log has not delivered yet. Cheap: however large the log and the backlog are."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from store import webhook_deliveries
from store.connection import Connection

COUNTED_AT_MOST = 10_000
"""Deliveries of a webhook that wait or are parked: beyond so many the number says nothing more."""


@dataclass(frozen=True)
class Backlog:
    """How an outlet stands: delivered up to `position`, `behind` events more to go; `error`: why it does not get on."""

    name: str
    """`exchange`, or `webhook:<id>`; a webhook may not want all that are before it."""
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
    enabled: bool
    """A webhook that is not gets nothing, and is not expected to."""


async def backlogs(connection: Connection) -> list[Backlog]:
    """Every outlet that is on, by name."""
    return [Backlog(**row) for row in (await connection.execute(_ALL)).mappings()]


async def lowest_position(connection: Connection, *, keep_for_disabled: float) -> int | None:
    """Up to here every outlet has delivered; None if there is no outlet.

    `keep_for_disabled`: seconds for which a disabled webhook still needs its events.
    """
    delivered: int | None = await connection.scalar(_LOWEST)
    needed = await webhook_deliveries.oldest_needed_position(connection, keep_for_disabled)
    return min((position for position in (delivered, needed and needed - 1) if position is not None), default=None)


_ALL = text(
    f"""
    SELECT outlet.name, outlet.position,
        greatest(log.last_position - greatest(outlet.position, log.archived_position), 0) AS behind,
        CAST(coalesce(extract(epoch FROM now() - (
            SELECT timestamp FROM events WHERE sequence > outlet.position ORDER BY sequence LIMIT 1
        )), 0) AS double precision) AS age,
        outlet.error, outlet.error_since, outlet.tries,
        (SELECT count(*) FROM parked_events WHERE parked_events.outlet = outlet.name AND replayed_at IS NULL) AS parked,
        true AS enabled
    FROM event_outlets AS outlet CROSS JOIN event_log AS log
    UNION ALL
    SELECT 'webhook:' || webhook.id, webhook.position,
        greatest(log.last_position - greatest(webhook.position, log.archived_position), 0) + own.pending,
        CAST(coalesce(extract(epoch FROM now() - least(own.oldest, (
            SELECT timestamp FROM events WHERE sequence > webhook.position ORDER BY sequence LIMIT 1
        ))), 0) AS double precision),
        coalesce(webhook.disabled_reason, own.error), webhook.failing_since, own.tries,
        (SELECT count(*) FROM (
            SELECT FROM webhook_deliveries WHERE webhook_id = webhook.id AND state = 'parked' LIMIT {COUNTED_AT_MOST}
        ) AS put_aside),
        webhook.enabled
    FROM webhooks AS webhook CROSS JOIN event_log AS log CROSS JOIN LATERAL (
        SELECT count(*) AS pending, min(created_at) AS oldest, coalesce(max(tries), 0) AS tries,
            (array_agg(error ORDER BY sequence) FILTER (WHERE error IS NOT NULL))[1] AS error
        FROM (
            SELECT * FROM webhook_deliveries WHERE webhook_id = webhook.id AND state = 'pending'
            ORDER BY sequence LIMIT {COUNTED_AT_MOST}
        ) AS first
    ) AS own
    ORDER BY name
    """
)
_LOWEST = text("SELECT min(position) FROM event_outlets")
