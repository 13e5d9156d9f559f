"""Assignments that are stopped before their end: cancelled, given up, told so, and whose agents never confirmed."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select, update

from missions.statuses import AgentStatus, AssignmentStatus, Severity
from missions.transitions import ASSIGNMENT_ENDED, ASSIGNMENT_UNSENT
from store import events
from store.assignments import ABOUT, changed
from store.connection import Connection
from store.tables import agents, assignments
from store.work_process_status import LockedWorkProcess

Row = Any


async def give_up(connection: Connection, work_process_id: int, assignment_id: int, error: str) -> None:
    """This counts as failed, whatever its agent says from now on; unless it has ended. The mission is locked."""
    row = (
        await connection.execute(
            select(*ABOUT, assignments.c.status).where(assignments.c.id == assignment_id).with_for_update()
        )
    ).one()
    if row.status in ASSIGNMENT_ENDED:
        return
    await connection.execute(
        update(assignments)
        .where(assignments.c.id == assignment_id)
        .values(status=AssignmentStatus.FAILED, error=error, ended_at=func.now())
    )
    failed = changed(row._mapping, row.status, AssignmentStatus.FAILED, Severity.ERROR)
    await events.append_for_mission(connection, work_process_id, [failed])


async def cancel_of_agents(connection: Connection, work_process_id: int, agent_ids: Collection[int]) -> None:
    """Cancel all that these agents have of the mission, without awaiting their confirmation. The mission is locked."""
    open_ = [*ASSIGNMENT_UNSENT, AssignmentStatus.EXECUTING, AssignmentStatus.ACTIVE]
    before = (
        await connection.execute(
            select(*ABOUT, assignments.c.status)
            .where(
                assignments.c.work_process_id == work_process_id,
                assignments.c.agent_id.in_(agent_ids),
                assignments.c.status.in_(open_),
            )
            .order_by(assignments.c.id)
            .with_for_update()
        )
    ).all()
    if not before:
        return
    await connection.execute(
        update(assignments)
        .where(assignments.c.id.in_([row.id for row in before]))
        .values(status=AssignmentStatus.CANCELED, ended_at=func.now())
    )
    await events.append_for_mission(
        connection,
        work_process_id,
        [changed(row._mapping, row.status, AssignmentStatus.CANCELED) for row in before],
    )


async def stop_open(connection: Connection, work_process_id: int, *, only: int | None = None) -> None:
    """Cancel what was never sent; what may be at its agent becomes `canceling`. The mission is locked.

    `only`: this assignment.
    """
    before = (
        await connection.execute(
            select(*ABOUT, assignments.c.status, assignments.c.intent_at)
            .where(
                assignments.c.work_process_id == work_process_id,
                assignments.c.status.in_([*ASSIGNMENT_UNSENT, AssignmentStatus.EXECUTING, AssignmentStatus.ACTIVE]),
                *([] if only is None else [assignments.c.id == only]),
            )
            .order_by(assignments.c.id)
            .with_for_update()
        )
    ).all()
    unsent = [row for row in before if row.intent_at is None]
    at_agents = [row for row in before if row.intent_at is not None]
    if unsent:
        await connection.execute(
            update(assignments)
            .where(assignments.c.id.in_([row.id for row in unsent]))
            .values(status=AssignmentStatus.CANCELED, ended_at=func.now())
        )
    if at_agents:
        await connection.execute(
            update(assignments)
            .where(assignments.c.id.in_([row.id for row in at_agents]))
            .values(status=AssignmentStatus.CANCELING)
        )
    await events.append_for_mission(
        connection,
        work_process_id,
        [changed(row._mapping, row.status, AssignmentStatus.CANCELED) for row in unsent]
        + [changed(row._mapping, row.status, AssignmentStatus.CANCELING) for row in at_agents],
    )


async def canceling(connection: Connection, ids: Collection[int]) -> Sequence[Row]:
    """Of these assignments, the ones whose agents have not confirmed the cancel, with their agents' addresses."""
    return await _canceling(connection, assignments.c.id.in_(ids))


async def canceling_of(connection: Connection, work_process: LockedWorkProcess) -> Sequence[Row]:
    """The same of a mission's attempt; who did not confirm in an earlier one is out of service."""
    return await _canceling(
        connection,
        and_(assignments.c.work_process_id == work_process.id, assignments.c.attempt == work_process.attempt),
    )


async def _canceling(connection: Connection, condition: ColumnElement[bool]) -> Sequence[Row]:
    rows = await connection.execute(
        select(assignments, agents.c.uuid.label("agent_uuid"), agents.c.protocol)
        .join(agents, agents.c.id == assignments.c.agent_id)
        .where(condition, assignments.c.status == AssignmentStatus.CANCELING)
        .order_by(assignments.c.id)
    )
    return rows.mappings().all()


async def cancels_sent(
    connection: Connection, work_process_id: int, ids: Collection[int], published_at: datetime
) -> list[int]:
    """Note that `assignment_cancel` went out; returns those still unconfirmed. The mission is locked.

    An agent that said `free` or `ready`, without an assignment, between the publish and this note has confirmed.
    """
    await connection.execute(
        update(assignments)
        .where(assignments.c.id.in_(ids))
        .values(cancel_sent_at=published_at, cancels_sent=assignments.c.cancels_sent + 1)
    )
    confirmed = await connection.execute(
        update(assignments)
        .where(
            assignments.c.id.in_(ids),
            assignments.c.status == AssignmentStatus.CANCELING,
            agents.c.id == assignments.c.agent_id,
            assignments.c.first_report_at.is_not(None),  # else it may be of before: see assignment_reports
            agents.c.state_at > published_at,
            agents.c.status.in_([AgentStatus.FREE, AgentStatus.READY]),
            agents.c.reported_assignment_id.is_(None),
        )
        .values(status=AssignmentStatus.CANCELED, ended_at=func.now())
        .returning(*ABOUT)
    )
    await events.append_for_mission(
        connection,
        work_process_id,
        [changed(row._mapping, AssignmentStatus.CANCELING, AssignmentStatus.CANCELED) for row in confirmed],
    )
    open_ = await connection.execute(
        select(assignments.c.id).where(assignments.c.id.in_(ids), assignments.c.status == AssignmentStatus.CANCELING)
    )
    return sorted(open_.scalars())


async def unconfirmed(connection: Connection, assignment_ids: Collection[int]) -> list[Row]:
    """Of these, the ones whose agents never confirmed that they stopped, with the agents' uuids."""
    if not assignment_ids:
        return []
    rows = await connection.execute(
        select(assignments.c.id, assignments.c.agent_id, agents.c.uuid)
        .join(agents, agents.c.id == assignments.c.agent_id)
        .where(assignments.c.id.in_(assignment_ids), assignments.c.status == AssignmentStatus.CANCELING)
        .order_by(assignments.c.id)
    )
    return list(rows)
