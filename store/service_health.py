"""The health of services as it was last asked for, and missions that wait for it."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, or_, select, text

from missions.event_catalogue import event
from missions.event_payloads.configuration import ServiceHealthChanged
from missions.event_payloads.work_process import WaitingReason, WorkProcessWaiting
from missions.events import EventSource, utc_now
from missions.principals import MUSTER
from missions.service_health import Health, HealthTarget
from missions.statuses import Severity
from store import events
from store.connection import Connection
from store.tables import Json, services

SERVICE_UNHEALTHY = "service_unhealthy"
"""The waiting reason of a mission whose next step needs a service that is not well."""

Row = Any

# Not what was asked of another address than the service has now, nor older than what is known.
_NOTE = text(
    """
    UPDATE services AS service SET
        unhealthy = :unhealthy, health_text = :text, health_checked_at = :at,
        health_since = CASE WHEN old.flips THEN :at ELSE service.health_since END
    FROM (
        SELECT id, health_checked_at IS NULL OR unhealthy <> :unhealthy AS flips FROM services
        WHERE id = :id AND service_url = :service_url AND health_endpoint = :endpoint
            AND (health_checked_at IS NULL OR health_checked_at <= :at)
        FOR NO KEY UPDATE
    ) AS old
    WHERE service.id = old.id RETURNING service.name, old.flips
    """
).bindparams(bindparam("at", type_=services.c.health_checked_at.type))

_OTHER_STEPS = """
    (SELECT coalesce(jsonb_agg(reason), '[]') FROM jsonb_array_elements(waiting_reasons) AS reason
     WHERE reason ->> 'step' IS DISTINCT FROM :step)
"""
_WAITS = text(
    f"UPDATE work_processes SET waiting_reasons = {_OTHER_STEPS} || CAST(:entry AS jsonb) WHERE id = :id"
).bindparams(bindparam("entry", type_=Json))
_WAITS_NO_MORE = text(
    f"UPDATE work_processes SET waiting_reasons = {_OTHER_STEPS} WHERE id = :id AND waiting_reasons <> '[]'"
)


async def note(connection: Connection, target: HealthTarget, health: Health) -> None:
    """Store what a service answered, with an event if that is news."""
    row = (
        await connection.execute(
            _NOTE,
            {
                "id": target.service_id,
                "service_url": target.service_url,
                "endpoint": target.endpoint,
                "unhealthy": not health.healthy,
                "text": health.text,
                "at": health.at,
            },
        )
    ).one_or_none()
    if row is None or not row.flips:
        return
    changed = ServiceHealthChanged(
        service_id=target.service_id,
        name=row.name,
        status="healthy" if health.healthy else "unhealthy",
        url=target.url,
        text=health.text,
    )
    severity = Severity.INFO if health.healthy else Severity.WARNING
    new = event(changed, source=EventSource.MISSION_WORKER, actor=MUSTER, severity=severity)
    await events.append(connection, [new])


async def due(connection: Connection, older_than: timedelta, limit: int = 100) -> list[tuple[HealthTarget, str | None]]:
    """Enabled services whose health was not asked for so long, with their keys."""
    rows = await connection.execute(
        select(services.c.id, services.c.service_url, services.c.health_endpoint, services.c.licence_key)
        .where(
            services.c.enabled,
            services.c.is_dummy.is_(False),
            services.c.health_endpoint.is_not(None),
            or_(services.c.health_checked_at.is_(None), services.c.health_checked_at < func.now() - older_than),
        )
        .order_by(services.c.id)
        .limit(limit)
    )
    return [(HealthTarget(row.id, row.service_url, row.health_endpoint), row.licence_key) for row in rows]


def target_of(request: Row) -> HealthTarget | None:
    """What the service request's service is asked before it; None: it is asked for nothing."""
    if not request["health_endpoint"] or request["is_dummy"]:
        return None
    return HealthTarget(request["service_id"], request["service_url"], request["health_endpoint"])


def waits_since(request: Row) -> datetime | None:
    """Since when this step waits for its service, by the mission's waiting reasons."""
    for entry in request["waiting_reasons"]:
        if entry["step"] == request["step"] and entry["attempt"] == request["attempt"]:
            return datetime.fromisoformat(entry["since"])
    return None


async def step_waits(
    connection: Connection, request: Row, target: HealthTarget, answer: str, since: datetime | None
) -> datetime:
    """Show on a locked mission that a step waits for its service; returns since when. With an event the first time."""
    name = await connection.scalar(select(services.c.name).where(services.c.id == target.service_id))
    entry = {
        "code": SERVICE_UNHEALTHY,
        "text": f"step {request['step']!r} needs service {name or request['service_type']!r} at {target.service_url},"
        f" which is not healthy: {target.url} {answer}",
        "agentId": None,
        "step": request["step"],
        "attempt": request["attempt"],
        "since": (since or utc_now()).isoformat(),
    }
    await connection.execute(_WAITS, {"id": request["work_process_id"], "step": request["step"], "entry": [entry]})
    if since is None:
        waiting = WorkProcessWaiting(waiting_reasons=[WaitingReason.of(entry)])
        new = event(waiting, source=EventSource.MISSION_WORKER, actor=MUSTER, severity=Severity.WARNING)
        await events.append_for_mission(connection, request["work_process_id"], [new], attempt=request["attempt"])
    return datetime.fromisoformat(str(entry["since"]))


async def step_waits_no_more(connection: Connection, request: Row) -> None:
    """The step's service is healthy, or the step has ended. The mission is locked."""
    await connection.execute(_WAITS_NO_MORE, {"id": request["work_process_id"], "step": request["step"]})
