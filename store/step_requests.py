"""The request of one step to its service: begun, pending, ended (helyOS: service requests)."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, any_, bindparam, func, null, or_, select, update

from missions.errors import Failure
from missions.event_catalogue import event
from missions.event_payloads.service_request import ServiceRequestStatusChanged
from missions.events import EventSource, NewEvent
from missions.graph import with_all_after
from missions.principals import MUSTER
from missions.statuses import ServiceRequestStatus, Severity
from missions.transitions import SERVICE_REQUEST_ENDED
from store import events
from store.connection import Connection
from store.tables import service_requests, work_processes
from store.work_process_status import LockedWorkProcess

Row = Any

_later = service_requests.alias("later")
# The steps that wait for this one.
_FOLLOWING = func.array(
    select(_later.c.step)
    .where(
        _later.c.work_process_id == service_requests.c.work_process_id,
        _later.c.attempt == service_requests.c.attempt,
        service_requests.c.step == any_(_later.c.depends_on_steps),
    )
    .order_by(_later.c.id)
    .scalar_subquery()
)
_READ = (
    select(
        service_requests,
        work_processes.c.data,
        work_processes.c.settings,
        work_processes.c.waiting_reasons,
        func.extract("epoch", func.now() - service_requests.c.dispatched_at).label("elapsed"),
        _FOLLOWING.label("following"),
    )
    .join(work_processes, work_processes.c.id == service_requests.c.work_process_id)
    .where(service_requests.c.id == bindparam("of"))
)
# A job that a cancel or its time-out cut off: it had no answer yet.
_CUT_OFF_JOB = and_(
    service_requests.c.status.in_((ServiceRequestStatus.CANCELED, ServiceRequestStatus.TIME_OUT)),
    service_requests.c.request_uid.is_not(None),
    service_requests.c.response.is_(null()),
)
_BEGIN = (
    update(service_requests)
    .where(service_requests.c.id == bindparam("of"))
    .values(
        status=ServiceRequestStatus.DISPATCHING_SERVICE,
        dispatched_at=func.now(),
        request=bindparam("new_request", type_=service_requests.c.request.type),
    )
)
_END = events.where_changed(
    """
    mission AS (
        SELECT id FROM work_processes WHERE id = :mission AND status NOT IN ('canceling', 'canceled') FOR UPDATE
    ),
    ended AS (
        UPDATE service_requests SET
            status = :status, result_at = now(), modified_at = now(), response = :response, failure = :failure,
            request_uid = coalesce(CAST(:uid AS text), service_requests.request_uid)
        FROM mission
        WHERE service_requests.id = :of AND service_requests.status <> ALL(CAST(:ends AS text[]))
        RETURNING service_requests.id
    )
    """,
    "EXISTS (SELECT FROM ended)",
).bindparams(
    bindparam("response", type_=service_requests.c.response.type),
    bindparam("failure", type_=service_requests.c.failure.type),
)


async def read(connection: Connection, service_request_id: int) -> Row:
    """The row of one step, with the mission's data and settings."""
    return (await connection.execute(_READ, {"of": service_request_id})).mappings().one()


async def begin(connection: Connection, row: Row, request: Any) -> NewEvent:
    """The first try of a step starts; its time-out runs from here. Returns the event for the caller to append."""
    await connection.execute(_BEGIN, {"of": row["id"], "new_request": request})
    return _event(row, ServiceRequestStatus.DISPATCHING_SERVICE, before=row["status"])


async def pending(connection: Connection, row: Row, request_uid: str) -> str | None:
    """The service took the job; returns the job that is stored, for another try may have been first.

    None: the request ended meanwhile. The mission is locked.
    """
    noted = await connection.affected(
        update(service_requests)
        .where(
            service_requests.c.id == row["id"],
            service_requests.c.status == ServiceRequestStatus.DISPATCHING_SERVICE,
        )
        .values(status=ServiceRequestStatus.PENDING, request_uid=request_uid)
    )
    if not noted:
        stored: str | None = await connection.scalar(
            select(service_requests.c.request_uid).where(
                service_requests.c.id == row["id"], service_requests.c.status == ServiceRequestStatus.PENDING
            )
        )
        return stored
    await _changed(
        connection,
        row,
        ServiceRequestStatus.PENDING,
        before=ServiceRequestStatus.DISPATCHING_SERVICE,
        request_uid=request_uid,
    )
    return request_uid


async def end(
    connection: Connection,
    row: Row,
    status: ServiceRequestStatus,
    *,
    before: ServiceRequestStatus,
    response: Any = None,
    failure: Failure | None = None,
) -> bool:
    """Store a step's end; False: it ended before, or its mission is being cancelled. Locks the mission."""
    uid = response.get("request_id") if isinstance(response, dict) else None
    event = _event(
        row,
        status,
        before=before,
        severity=Severity.INFO if failure is None else Severity.ERROR,
        **({} if failure is None else {"reason": failure.text}),
    )
    values = {
        "of": row["id"],
        "status": status,
        "response": response,
        "failure": None if failure is None else failure.model_dump(mode="json"),
        "uid": None if uid is None else str(uid),
        "ends": sorted(SERVICE_REQUEST_ENDED),
    }
    return await events.append_where(connection, _END, row["work_process_id"], [event], values) == 1


async def skip(connection: Connection, row: Row, steps: Sequence[str]) -> list[str]:
    """Skip these steps of a step's mission and all that wait for them; returns their names. The mission is locked."""
    rows = (
        (
            await connection.execute(
                select(
                    service_requests.c.id,
                    service_requests.c.step,
                    service_requests.c.uses,
                    service_requests.c.service_type,
                    service_requests.c.status,
                    service_requests.c.depends_on_steps,
                )
                .where(_same_mission(row))
                .order_by(service_requests.c.id)
            )
        )
        .mappings()
        .all()
    )
    names = with_all_after(steps, {row["step"]: row["depends_on_steps"] for row in rows})
    skipped = [row for row in rows if row["step"] in names]
    new = [row for row in skipped if row["status"] not in SERVICE_REQUEST_ENDED]
    await connection.execute(
        update(service_requests)
        .where(service_requests.c.id.in_([row["id"] for row in new]))
        .values(status=ServiceRequestStatus.SKIPPED, result_at=func.now())
    )
    await events.append_for_mission(
        connection,
        row["work_process_id"],
        [_event(row, ServiceRequestStatus.SKIPPED, before=row["status"]) for row in new],
    )
    return [row["step"] for row in skipped]


async def skipped(connection: Connection, row: Row) -> list[str]:
    """The steps of a step's mission that were skipped."""
    rows = await connection.execute(
        select(service_requests.c.step)
        .where(_same_mission(row), service_requests.c.status == ServiceRequestStatus.SKIPPED)
        .order_by(service_requests.c.id)
    )
    return list(rows.scalars())


def _same_mission(row: Row) -> ColumnElement[bool]:
    return and_(
        service_requests.c.work_process_id == row["work_process_id"], service_requests.c.attempt == row["attempt"]
    )


async def commands_written(connection: Connection, service_request_id: int) -> bool:
    """Note that the answer's instant actions are written; False: an earlier try wrote them. The mission is locked."""
    noted = await connection.affected(
        update(service_requests)
        .where(service_requests.c.id == service_request_id, service_requests.c.assignment_dispatched.is_(False))
        .values(assignment_dispatched=True)
    )
    return noted == 1


async def cancel_open(connection: Connection, work_process: LockedWorkProcess) -> Sequence[Row]:
    """Cancel all open requests of a locked mission's attempt; returns those whose service has a job to stop.

    Also those that an earlier try canceled, since it may have died before it told the service, and those that took too
    long.
    """
    rows = (
        (
            await connection.execute(
                select(
                    service_requests.c.id,
                    service_requests.c.work_process_id,
                    service_requests.c.step,
                    service_requests.c.uses,
                    service_requests.c.service_type,
                    service_requests.c.status,
                    service_requests.c.service_url,
                    service_requests.c.request_uid,
                    service_requests.c.licence_key,
                )
                .where(
                    service_requests.c.work_process_id == work_process.id,
                    service_requests.c.attempt == work_process.attempt,
                    or_(service_requests.c.status.not_in(SERVICE_REQUEST_ENDED), _CUT_OFF_JOB),
                )
                .order_by(service_requests.c.id)
            )
        )
        .mappings()
        .all()
    )
    open_rows = [row for row in rows if row["status"] not in SERVICE_REQUEST_ENDED]
    if open_rows:
        await connection.execute(
            update(service_requests)
            .where(service_requests.c.id.in_([row["id"] for row in open_rows]))
            .values(status=ServiceRequestStatus.CANCELED, result_at=func.now())
        )
    await events.append_for_mission(
        connection,
        work_process.id,
        [_event(row, ServiceRequestStatus.CANCELED, before=row["status"]) for row in open_rows],
    )
    return [row for row in rows if row["request_uid"]]


async def _changed(
    connection: Connection,
    row: Row,
    status: ServiceRequestStatus,
    *,
    before: str,
    severity: Severity = Severity.INFO,
    **extra: Any,
) -> None:
    event = _event(row, status, before=before, severity=severity, **extra)
    await events.append_for_mission(connection, row["work_process_id"], [event])


def _event(
    row: Row, status: ServiceRequestStatus, *, before: str, severity: Severity = Severity.INFO, **extra: Any
) -> NewEvent:
    payload = ServiceRequestStatusChanged(
        service_request_id=row["id"],
        step=row["step"],
        uses=row["uses"],
        service_type=row["service_type"],
        from_=ServiceRequestStatus(before),
        to=status,
        **extra,
    )
    return event(payload, source=EventSource.MISSION_WORKER, actor=MUSTER, severity=severity)
