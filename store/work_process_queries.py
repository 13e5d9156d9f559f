"""What clients read of missions: one, a page of them, their assignments and service requests."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import any_, bindparam, literal, select

from missions.errors import NotFound
from store.connection import Connection
from store.rows import Row, all_rows, one_row
from store.tables import agents, assignments, service_requests, work_processes

# Up to 10 MB each, so only on demand.
_BULK = ("request", "response")


@dataclass(frozen=True)
class MissionFilter:
    """Which missions to list; None or empty: any."""

    statuses: Sequence[str] = ()
    type_name: str | None = None
    yard_id: int | None = None
    agent_id: int | None = None
    mission_queue_id: int | None = None
    created_after: datetime | None = None


async def get(connection: Connection, work_process_id: int) -> Row:
    """One mission; raises NotFound."""
    row = await one_row(connection, _ONE, {"of": work_process_id})
    if row is None:
        raise unknown_mission(work_process_id)
    return row


_ONE = select(work_processes).where(work_processes.c.id == bindparam("of"))


async def page(connection: Connection, wanted: MissionFilter, *, before: int | None, limit: int) -> list[Row]:
    """Missions, newest first, with ids below `before`."""
    query = select(work_processes).order_by(work_processes.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(work_processes.c.id < before)
    if wanted.statuses:
        query = query.where(work_processes.c.status.in_(wanted.statuses))
    if wanted.type_name is not None:
        query = query.where(work_processes.c.work_process_type_name == wanted.type_name)
    if wanted.yard_id is not None:
        query = query.where(work_processes.c.yard_id == wanted.yard_id)
    if wanted.agent_id is not None:
        query = query.where(literal(wanted.agent_id) == any_(work_processes.c.agent_ids))
    if wanted.mission_queue_id is not None:
        query = query.where(work_processes.c.mission_queue_id == wanted.mission_queue_id)
    if wanted.created_after is not None:
        query = query.where(work_processes.c.created_at > wanted.created_after)
    return await all_rows(connection, query)


async def require(connection: Connection, work_process_id: int) -> None:
    """Raise NotFound if there is no such mission."""
    query = select(work_processes.c.id).where(work_processes.c.id == work_process_id)
    if await connection.scalar(query) is None:
        raise unknown_mission(work_process_id)


async def assignments_page(connection: Connection, work_process_id: int, *, after: int, limit: int) -> list[Row]:
    """A mission's assignments in the order of their ids."""
    query = (
        select(assignments, agents.c.uuid.label("agent_uuid"))
        .join(agents, agents.c.id == assignments.c.agent_id)
        .where(assignments.c.work_process_id == work_process_id, assignments.c.id > after)
        .order_by(assignments.c.id)
        .limit(limit)
    )
    return await all_rows(connection, query)


async def assignment(connection: Connection, assignment_id: int) -> Row:
    """One assignment, which exists."""
    query = (
        select(assignments, agents.c.uuid.label("agent_uuid"))
        .join(agents, agents.c.id == assignments.c.agent_id)
        .where(assignments.c.id == assignment_id)
    )
    row = await one_row(connection, query)
    assert row is not None
    return row


async def service_requests_of(connection: Connection, work_process_id: int, *, full: bool = False) -> list[Row]:
    """A mission's service requests in the order of their steps; `full`: with request and response."""
    columns = [column for column in service_requests.c if full or column.name not in _BULK]
    query = (
        select(*columns).where(service_requests.c.work_process_id == work_process_id).order_by(service_requests.c.id)
    )
    return await all_rows(connection, query)


async def service_request(connection: Connection, work_process_id: int, request_id: int) -> Row:
    """One service request in full; raises NotFound."""
    query = select(service_requests).where(
        service_requests.c.work_process_id == work_process_id, service_requests.c.id == request_id
    )
    row = await one_row(connection, query)
    if row is None:
        raise NotFound(
            f"work process {work_process_id} has no service request {request_id}",
            field="id",
            value=request_id,
            remedy="list the mission's service requests to find its id",
        )
    return row


def unknown_mission(work_process_id: int) -> NotFound:
    """The error for a mission that does not exist."""
    return NotFound(
        f"work process {work_process_id} does not exist",
        field="id",
        value=work_process_id,
        remedy="list the work processes to find its id",
    )
