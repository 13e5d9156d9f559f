"""Deliveries: one row for each event that a webhook is to get, made from the log and kept until it is old.

Of a mission's pending deliveries to one webhook only the first is due at some time; the next one becomes due when it is
delivered or parked. Each writer locks the webhook's row first, in a statement of its own, so that the next statement
sees what the others have written.
"""

from sqlalchemy import select, text

from missions.errors import NotFound
from missions.webhook_schedule import DeliveryState
from store.connection import Connection
from store.rows import Row, all_rows, one_row
from store.webhook_tables import webhook_attempts, webhook_deliveries

DELIVERIES = "muster_webhook_deliveries"
"""Channel: deliveries are due, or a webhook was changed."""

TELL = text(f"SELECT pg_notify('{DELIVERIES}', '')")


async def get(connection: Connection, webhook_id: int, delivery_id: int) -> Row:
    """One delivery with its attempts; raises NotFound."""
    row = await one_row(
        connection,
        select(webhook_deliveries).where(
            webhook_deliveries.c.id == delivery_id, webhook_deliveries.c.webhook_id == webhook_id
        ),
    )
    if row is None:
        raise NotFound(
            f"webhook {webhook_id} has no delivery {delivery_id}",
            field="deliveryId",
            value=delivery_id,
            remedy="list its deliveries to find the id; old ones are removed",
        )
    return (await _with_attempts(connection, [row]))[0]


async def page(
    connection: Connection,
    webhook_id: int,
    *,
    before: int | None,
    limit: int,
    state: DeliveryState | None = None,
    event_type: str | None = None,
    mission_id: int | None = None,
) -> list[Row]:
    """Deliveries with their attempts, those of the newest events first. `before`: a position of the log.

    `event_type`: a type, or a family (`task.*`).
    """
    table = webhook_deliveries.c
    query = (
        select(webhook_deliveries).where(table.webhook_id == webhook_id).order_by(table.sequence.desc()).limit(limit)
    )
    if before is not None:
        query = query.where(table.sequence < before)
    if state is not None:
        query = query.where(table.state == state)
    if event_type is not None:
        family = event_type.removesuffix("*")
        of_family = table.event_type.startswith(family, autoescape=True)
        query = query.where(table.event_type == event_type if family == event_type else of_family)
    if mission_id is not None:
        query = query.where(table.work_process_id == mission_id)
    return await _with_attempts(connection, await all_rows(connection, query))


async def _with_attempts(connection: Connection, rows: list[Row]) -> list[Row]:
    attempts: dict[int, list[Row]] = {row["id"]: [] for row in rows}
    made = select(webhook_attempts).where(webhook_attempts.c.delivery_id.in_(attempts)).order_by(webhook_attempts.c.id)
    for attempt in await all_rows(connection, made):
        attempts[attempt["delivery_id"]].append(attempt)
    return [row | {"attempts": attempts[row["id"]]} for row in rows]


_NEEDED = text(
    """
    SELECT min(needed) FROM (
        SELECT w.position + 1 AS needed FROM webhooks w WHERE {kept}
        UNION ALL
        SELECT first.sequence FROM webhooks w CROSS JOIN LATERAL (
            SELECT min(sequence) AS sequence FROM webhook_deliveries d WHERE d.webhook_id = w.id AND d.state = 'pending'
        ) AS first WHERE {kept}
    ) AS each
    """.format(kept="(w.enabled OR w.disabled_at > now() - make_interval(secs => :keep))")
)


async def oldest_needed_position(connection: Connection, keep: float) -> int | None:
    """The first position of the log that a webhook still needs; None: there are no webhooks.

    A disabled one needs its events for `keep` seconds (the setting `webhook_keep`); parked events need no place.
    """
    position: int | None = await connection.scalar(_NEEDED, {"keep": keep})
    return position


_REMOVE_OLD = text(
    """
    DELETE FROM webhook_deliveries WHERE id IN (
        SELECT id FROM webhook_deliveries
        WHERE state = 'delivered' AND delivered_at < now() - make_interval(secs => :keep)
        ORDER BY delivered_at LIMIT :limit)
    """
)
# They can be sent no more.
_REMOVE_ARCHIVED = text(
    """
    DELETE FROM webhook_deliveries WHERE id IN (
        SELECT d.id FROM webhooks w CROSS JOIN event_log l JOIN webhook_deliveries d
            ON d.webhook_id = w.id AND d.state = 'parked' AND d.sequence <= l.archived_position
        WHERE d.created_at < now() - make_interval(secs => :keep) LIMIT :limit)
    """
)
# The webhooks that deliveries name, one look at the index for each.
_REMOVE_ORPHANS = text(
    """
    WITH RECURSIVE named AS (
        SELECT min(webhook_id) AS id FROM webhook_deliveries
        UNION ALL
        SELECT (SELECT min(webhook_id) FROM webhook_deliveries WHERE webhook_id > named.id)
        FROM named WHERE named.id IS NOT NULL
    )
    DELETE FROM webhook_deliveries WHERE id IN (
        SELECT d.id FROM named JOIN webhook_deliveries d ON d.webhook_id = named.id
        WHERE NOT EXISTS (SELECT FROM webhooks w WHERE w.id = named.id) LIMIT :limit)
    """
)


async def remove_old(connection: Connection, keep: float, limit: int) -> bool:
    """Remove, so many of each at most, what nobody needs any more, with its attempts; whether there is more.

    That is what was delivered more than `keep` seconds ago, what is parked for as long and archived by now, and what
    was for deleted webhooks.
    """
    parameters = {"keep": keep, "limit": limit}
    removed = [await connection.affected(statement, parameters) for statement in (_REMOVE_OLD, _REMOVE_ARCHIVED)]
    removed.append(await connection.affected(_REMOVE_ORPHANS, {"limit": limit}))
    return limit in removed
