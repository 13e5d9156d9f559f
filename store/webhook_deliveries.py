"""Deliveries: one row for each event that a webhook is to get, made from the log and kept until it is old.

Of a mission's pending deliveries to one webhook only the first is due at some time; the next one becomes due when it is
delivered or parked. Each writer locks the webhook's row first, in a statement of its own, so that the next statement
sees what the others have written.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, text

from missions.errors import Conflict, NotFound
from missions.event_catalogue import event
from missions.event_payloads.configuration import WebhookDisabled
from missions.events import Event, EventSource, NewEvent, utc_now
from missions.principals import MUSTER
from missions.webhook_schedule import DeliveryState, Outcome
from missions.webhook_signatures import keys_at
from store import events
from store.connection import Connection
from store.leadership import Lock
from store.rows import Row, all_rows, one_row
from store.webhook_tables import webhook_attempts, webhook_deliveries

FAN_OUT = Lock(0x6D757377)
DELIVERER = Lock(0x6D757378)
DELIVERIES = "muster_webhook_deliveries"
"""Channel: deliveries are due, or a webhook was changed."""


MAX_REPLAY = 10_000
"""Events of the log that one replay takes."""

_TELL = text(f"SELECT pg_notify('{DELIVERIES}', '')")

# --- from the log

_BEHIND = text(
    """
    SELECT id FROM webhooks w, event_log l WHERE w.enabled AND w.position < l.last_position
    ORDER BY id FOR NO KEY UPDATE OF w
    """
)
_WANTED = """
    (cardinality(w.types) = 0 OR e.type = ANY (w.types) OR split_part(e.type, '.', 1) || '.*' = ANY (w.types))
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
        FROM w JOIN events e ON e.sequence > w.position AND e.sequence <= w.upto WHERE {_WANTED}
    ), added AS (
        INSERT INTO webhook_deliveries (webhook_id, sequence, event_type, work_process_id, next_attempt_at)
        SELECT webhook_id, sequence, type, work_process_id,
            CASE WHEN work_process_id IS NULL OR place = 1 AND NOT EXISTS (
                SELECT FROM webhook_deliveries d WHERE d.webhook_id = wanted.webhook_id
                AND d.work_process_id = wanted.work_process_id AND d.state = 'pending'
            ) THEN now() END
        FROM wanted ORDER BY webhook_id, sequence RETURNING 1
    ), moved AS (UPDATE webhooks SET position = w.upto FROM w WHERE webhooks.id = w.id)
    SELECT (SELECT bool_or(more) FROM w), (SELECT count(*) FROM added)
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
        more, added = (await connection.execute(_FAN_OUT, {"ids": ids, "limit": limit})).one()
        if added:
            await connection.execute(_TELL)
    return bool(more)


# --- attempts


@dataclass(frozen=True)
class Due:
    """A delivery to be attempted. `event`: None if the log has it no more; `keys`: secrets, the newest first."""

    id: int
    webhook_id: int
    work_process_id: int | None
    tries: int
    url: str
    keys: Sequence[str]
    event: Event | None


_CLAIM = text(
    """
    SELECT d.id AS delivery_id, w.id AS webhook_id, d.work_process_id AS mission, d.tries, w.url,
        w.secret, w.previous_secret, w.previous_secret_until, e.*
    FROM webhooks w
    LEFT JOIN (
        SELECT webhook_id, count(*) AS requests, array_agg(delivery_id) AS deliveries,
            array_remove(array_agg(mission), NULL) AS missions
        FROM unnest(CAST(:webhooks AS bigint[]), CAST(:deliveries AS bigint[]), CAST(:missions AS bigint[]))
            AS flying (webhook_id, delivery_id, mission)
        GROUP BY webhook_id
    ) AS busy ON busy.webhook_id = w.id
    CROSS JOIN LATERAL (
        SELECT * FROM webhook_deliveries d
        WHERE d.webhook_id = w.id AND d.state = 'pending' AND d.next_attempt_at <= now()
            AND (busy.webhook_id IS NULL OR d.id <> ALL (busy.deliveries)
                AND (d.work_process_id IS NULL OR d.work_process_id <> ALL (busy.missions)))
        ORDER BY d.next_attempt_at, d.id LIMIT :concurrency - coalesce(busy.requests, 0)
    ) AS d
    LEFT JOIN events e ON e.sequence = d.sequence
    WHERE w.enabled
    """
)
_NEXT = text(
    """
    SELECT extract(epoch FROM min(d.next_attempt_at) - now())::float8 FROM webhooks w CROSS JOIN LATERAL (
        SELECT next_attempt_at FROM webhook_deliveries d
        WHERE d.webhook_id = w.id AND d.state = 'pending' AND d.next_attempt_at > now()
        ORDER BY d.next_attempt_at LIMIT 1
    ) AS d WHERE w.enabled
    """
)


async def due(connection: Connection, flying: Sequence[Due], concurrency: int) -> list[Due]:
    """What is to be attempted now, beside what is on its way: so many requests at a time to each webhook.

    At most one of each mission. For the holder of `DELIVERER` alone.
    """
    rows = await connection.execute(
        _CLAIM,
        {
            "webhooks": [one.webhook_id for one in flying],
            "deliveries": [one.id for one in flying],
            "missions": [one.work_process_id for one in flying],
            "concurrency": concurrency,
        },
    )
    return [
        Due(
            row["delivery_id"],
            row["webhook_id"],
            row["mission"],
            row["tries"],
            row["url"],
            keys_at(utc_now(), dict(row)),
            None if row["uuid"] is None else events.to_event(row),
        )
        for row in rows.mappings()
    ]


async def seconds_until_due(connection: Connection) -> float | None:
    """Seconds until the next attempt of those that are not due yet; None: there is none."""
    seconds: float | None = await connection.scalar(_NEXT)
    return seconds


@dataclass(frozen=True)
class Result:
    """What became of an attempt, or of a delivery that could not be attempted (`outcome` None).

    `delay`: seconds until the next attempt of a pending one.
    """

    delivery_id: int
    webhook_id: int
    work_process_id: int | None
    state: DeliveryState
    outcome: Outcome | None = None
    error: str | None = None
    delay: float = 0


_LOCK = text("SELECT id FROM webhooks WHERE id = ANY (:ids) ORDER BY id FOR NO KEY UPDATE")
_STORE = text(
    """
    WITH result AS (
        SELECT * FROM jsonb_to_recordset(CAST(:results AS jsonb)) AS result (
            id bigint, webhook_id bigint, state text, error text, delay float8,
            tried boolean, at timestamptz, status_code int, duration_ms float8, answer text)
    ), stored AS (
        UPDATE webhook_deliveries d SET state = result.state, error = result.error,
            tries = d.tries + CAST(result.tried AS int),
            delivered_at = CASE WHEN result.state = 'delivered' THEN now() END,
            next_attempt_at = CASE WHEN result.state = 'pending' THEN now() + make_interval(secs => result.delay) END
        FROM result WHERE d.id = result.id RETURNING d.id
    ), attempts AS (
        INSERT INTO webhook_attempts (delivery_id, at, status_code, error, duration_ms, answer)
        SELECT id, at, status_code, error, duration_ms, answer FROM result JOIN stored USING (id) WHERE tried
    )
    UPDATE webhooks w SET failing_since = CASE WHEN NOT of_one.delivered THEN coalesce(w.failing_since, of_one.at) END
    FROM (
        SELECT webhook_id, bool_or(state = 'delivered') AS delivered, min(at) AS at FROM result WHERE tried
        GROUP BY webhook_id
    ) AS of_one
    WHERE w.id = of_one.webhook_id AND of_one.delivered = (w.failing_since IS NOT NULL)
    """
)
_PROMOTE = text(
    """
    UPDATE webhook_deliveries d SET next_attempt_at = now()
    FROM unnest(CAST(:webhooks AS bigint[]), CAST(:missions AS bigint[])) AS done (webhook_id, mission)
    CROSS JOIN LATERAL (
        SELECT id FROM webhook_deliveries d
        WHERE d.webhook_id = done.webhook_id AND d.work_process_id = done.mission AND d.state = 'pending'
        ORDER BY sequence LIMIT 1
    ) AS first
    WHERE d.id = first.id AND d.next_attempt_at IS NULL
    """
)
_DISABLE = text(
    """
    UPDATE webhooks SET enabled = false, disabled_at = now(), version = version + 1, modified_at = now(),
        disabled_reason = CASE WHEN id = ANY (:gone) THEN 'it answered 410 Gone'
            ELSE 'every attempt failed since ' || to_char(failing_since AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS UTC')
        END
    WHERE enabled AND (
        id = ANY (:gone) OR id = ANY (:failed) AND failing_since <= now() - make_interval(secs => :limit))
    RETURNING id, url, disabled_reason
    """
)


async def store_results(connection: Connection, results: Sequence[Result], disable_after: float) -> list[str]:
    """Write what became of attempts. A webhook that has failed for so many seconds is disabled, with an event.

    Returns a line for each webhook that was disabled.
    """
    await connection.execute(_LOCK, {"ids": sorted({one.webhook_id for one in results})})
    await connection.execute(_STORE, {"results": json.dumps([_record(one) for one in results])})
    lines = [one for one in results if one.state is not DeliveryState.PENDING and one.work_process_id is not None]
    if lines:
        places = {"webhooks": [one.webhook_id for one in lines], "missions": [one.work_process_id for one in lines]}
        await connection.execute(_PROMOTE, places)
    failed = [one for one in results if one.outcome is not None and not one.outcome.succeeded]
    if not failed:
        return []
    gone = [one.webhook_id for one in failed if one.outcome is not None and one.outcome.gone]
    disabled = list(
        await connection.execute(
            _DISABLE, {"gone": gone, "failed": [one.webhook_id for one in failed], "limit": disable_after}
        )
    )
    await events.append(connection, [_disabled(row) for row in disabled])
    return [f"webhook {row.id} ({row.url}) is disabled: {row.disabled_reason}" for row in disabled]


def _record(result: Result) -> Mapping[str, Any]:
    record: dict[str, Any] = {
        "id": result.delivery_id,
        "webhook_id": result.webhook_id,
        "state": result.state,
        "error": result.error,
        "delay": result.delay,
        "tried": result.outcome is not None,
    }
    if result.outcome is not None:
        record |= {
            "at": result.outcome.at.isoformat(),
            "status_code": result.outcome.status_code,
            "duration_ms": result.outcome.duration_ms,
            "answer": result.outcome.answer,
        }
    return record


def _disabled(row: Any) -> NewEvent:
    payload = WebhookDisabled(webhook_id=row.id, url=row.url, reason=row.disabled_reason)
    return event(payload, source=EventSource.MISSION_WORKER, actor=MUSTER)


# --- again, and no more: the webhook's row is locked by the caller

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
    WHERE w.id = :id AND e.timestamp >= :since AND {_WANTED}
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
    await connection.execute(_TELL)


async def drop_pending(connection: Connection, webhook_id: int) -> None:
    """Leave out what is pending."""
    await connection.execute(
        delete(webhook_deliveries).where(
            webhook_deliveries.c.webhook_id == webhook_id, webhook_deliveries.c.state == DeliveryState.PENDING
        )
    )


async def replay_one(connection: Connection, webhook_id: int, delivery_id: int) -> None:
    """Deliver an event again; raises NotFound, or Conflict if the log has it no more."""
    await get(connection, webhook_id, delivery_id)
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
    await connection.execute(_TELL)


# --- what is shown


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


async def remove_old(connection: Connection, keep: float, limit: int) -> int:
    """Remove what was delivered more than `keep` seconds ago, with its attempts; how many."""
    return await connection.affected(_REMOVE_OLD, {"keep": keep, "limit": limit})
