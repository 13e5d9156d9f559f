"""What is to be attempted, and what came of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from missions.event_catalogue import event
from missions.event_payloads.configuration import WebhookDisabled
from missions.events import Event, EventSource, NewEvent, utc_now
from missions.principals import MUSTER
from missions.webhook_schedule import DeliveryState, Outcome
from missions.webhook_signatures import keys_at
from store import events
from store.connection import Connection
from store.leadership import Lock

DELIVERER = Lock(0x6D757378)


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


@dataclass(frozen=True)
class Look:
    """What is to be attempted now, and when there is more: seconds until then (None: nothing waits for a time)."""

    due: list[Due]
    next_due: float | None
    any_enabled: bool
    """Whether any webhook is enabled; else nothing will be due until somebody enables one."""


_LOOK = text(
    """
    WITH able AS (SELECT * FROM webhooks WHERE enabled), due AS (
        SELECT d.id AS delivery_id, w.id AS webhook_id, d.work_process_id AS mission, d.tries, w.url,
            w.secret, w.previous_secret, w.previous_secret_until, d.sequence AS position
        FROM able w
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
        WHERE w.not_before IS NULL OR w.not_before <= now()
    ), later AS (
        SELECT count(*) > 0 AS any_enabled, extract(epoch FROM min(
            CASE WHEN w.not_before > now() THEN w.not_before ELSE (
                SELECT next_attempt_at FROM webhook_deliveries d
                WHERE d.webhook_id = w.id AND d.state = 'pending' AND d.next_attempt_at > now()
                ORDER BY d.next_attempt_at LIMIT 1
            ) END
        ) - now())::float8 AS next_due FROM able w
    )
    SELECT later.*, due.*, e.* FROM later LEFT JOIN due ON true LEFT JOIN events e ON e.sequence = due.position
    """
)


async def look(connection: Connection, flying: Sequence[Due], concurrency: int) -> Look:
    """What is to be attempted now, beside what is on its way: so many requests at a time to each webhook.

    At most one of each mission. For the holder of `DELIVERER` alone.
    """
    found = await connection.execute(
        _LOOK,
        {
            "webhooks": [one.webhook_id for one in flying],
            "deliveries": [one.id for one in flying],
            "missions": [one.work_process_id for one in flying],
            "concurrency": concurrency,
        },
    )
    rows = found.mappings().all()
    due = [_due(row) for row in rows if row["delivery_id"] is not None]
    return Look(due, rows[0]["next_due"], rows[0]["any_enabled"])


def _due(row: Any) -> Due:
    return Due(
        row["delivery_id"],
        row["webhook_id"],
        row["mission"],
        row["tries"],
        row["url"],
        keys_at(utc_now(), row),
        None if row["uuid"] is None else events.to_event(row),
    )


@dataclass(frozen=True)
class Result:
    """What became of an attempt, or of a delivery that could not be attempted (`outcome` None).

    `delay`: seconds until the next attempt of a pending one; `hold`: so long nothing is sent to its webhook.
    """

    delivery_id: int
    webhook_id: int
    work_process_id: int | None
    state: DeliveryState
    outcome: Outcome | None = None
    error: str | None = None
    delay: float = 0
    hold: float = 0


_LOCK = text("SELECT id FROM webhooks WHERE id = ANY (:ids) ORDER BY id FOR NO KEY UPDATE")
# The next one of its mission becomes due with the end of one, and none that fails while an earlier one, replayed
# meanwhile, is before it.
_STORE = text(
    """
    WITH result AS (
        SELECT * FROM jsonb_to_recordset(CAST(:results AS jsonb)) AS result (
            id bigint, webhook_id bigint, mission bigint, state text, error text, delay float8, hold float8,
            tried boolean, at timestamptz, status_code int, duration_ms float8, answer text)
    ), stored AS (
        UPDATE webhook_deliveries d SET state = result.state, error = result.error,
            tries = d.tries + CAST(result.tried AS int),
            delivered_at = CASE WHEN result.state = 'delivered' THEN now() END,
            next_attempt_at = CASE WHEN result.state = 'pending' AND NOT EXISTS (
                SELECT FROM webhook_deliveries earlier
                WHERE earlier.webhook_id = d.webhook_id AND earlier.work_process_id = d.work_process_id
                    AND earlier.state = 'pending' AND earlier.sequence < d.sequence
            ) THEN now() + make_interval(secs => result.delay) END
        FROM result WHERE d.id = result.id RETURNING d.id
    ), attempts AS (
        INSERT INTO webhook_attempts (delivery_id, at, status_code, error, duration_ms, answer)
        SELECT id, at, status_code, error, duration_ms, answer FROM result JOIN stored USING (id) WHERE tried
    ), promoted AS (
        UPDATE webhook_deliveries d SET next_attempt_at = now()
        FROM result CROSS JOIN LATERAL (
            SELECT id FROM webhook_deliveries d
            WHERE d.webhook_id = result.webhook_id AND d.work_process_id = result.mission
                AND d.state = 'pending' AND d.id <> result.id
            ORDER BY sequence LIMIT 1
        ) AS first
        WHERE result.state <> 'pending' AND d.id = first.id AND d.next_attempt_at IS NULL
    )
    UPDATE webhooks w SET
        failing_since = CASE WHEN NOT of_one.delivered THEN coalesce(w.failing_since, of_one.at) END,
        not_before = greatest(w.not_before, now() + make_interval(secs => of_one.hold))
    FROM (
        SELECT webhook_id, bool_or(state = 'delivered') AS delivered, min(at) AS at, nullif(max(hold), 0) AS hold
        FROM result WHERE tried GROUP BY webhook_id
    ) AS of_one
    WHERE w.id = of_one.webhook_id
        AND (of_one.delivered = (w.failing_since IS NOT NULL) OR of_one.hold IS NOT NULL)
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
        "mission": result.work_process_id,
        "state": result.state,
        "error": result.error,
        "delay": result.delay,
        "hold": result.hold,
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
