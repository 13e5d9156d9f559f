"""Agents that check in anew with assignments on their hands, and may have forgotten them, or never got them."""

from typing import Any

from sqlalchemy import select, update

from missions.contracts import AssignmentDoubted, RaiseAttention, Signal
from missions.statuses import AssignmentStatus, Severity
from store import attention, events, unheard_assignments
from store.assignments import ABOUT, changed
from store.connection import Connection
from store.database import Database
from store.tables import agents, assignments
from store.wakeups import NewSignal, Wakeup, add_signals
from store.work_process_status import lock

Row = Any


async def note(database: Database, agent_id: int) -> list[Wakeup]:
    """Raise attention for what an agent that checks in has in hand, as only a person can tell; returns the wake-ups.

    What it has said nothing of is doubted: the broker's confirm may have come for a queue that it left behind. So its
    outcome is unknown again, and its mission does what the recipe says of that. What came back may be sent now.
    """
    async with database.statement() as connection:
        rows = (
            await connection.execute(
                select(
                    assignments.c.id,
                    assignments.c.agent_id,
                    assignments.c.work_process_id,
                    assignments.c.attempt,
                    assignments.c.workflow_id,
                    agents.c.uuid,
                )
                .join(agents, agents.c.id == assignments.c.agent_id)
                .where(
                    assignments.c.agent_id == agent_id,
                    assignments.c.status.in_([AssignmentStatus.EXECUTING, AssignmentStatus.ACTIVE]),
                )
                .order_by(assignments.c.work_process_id, assignments.c.id)
            )
        ).all()
    async with database.transaction() as connection:
        wakeups = await unheard_assignments.wake(connection, [agent_id])
    for row in rows:
        async with database.transaction() as connection:
            doubted = await _doubt(connection, row)
            wakeups += doubted
            await attention.raise_(
                connection,
                RaiseAttention(
                    work_process_id=row.work_process_id,
                    attempt=row.attempt,
                    transition=0,
                    code="agent_restarted",
                    text=_unknown(row) if doubted else _forgotten(row),
                    assignment_id=row.id,
                ),
            )
    return wakeups


def _unknown(row: Row) -> str:
    return f"agent {row.uuid} checked in anew before it said anything of assignment {row.id}; it may not have got it"


def _forgotten(row: Row) -> str:
    return f"agent {row.uuid} checked in anew while it had assignment {row.id}; it may have forgotten it"


async def _doubt(connection: Connection, row: Row) -> list[Wakeup]:
    """Take back that an assignment executes, if its agent has not said so."""
    work_process = await lock(connection, row.work_process_id)
    if work_process.superseded or work_process.ended:
        return []
    before, after = AssignmentStatus.EXECUTING, AssignmentStatus.TO_DISPATCH
    doubted = await connection.execute(
        update(assignments)
        .where(assignments.c.id == row.id, assignments.c.status == before, assignments.c.first_report_at.is_(None))
        .values(status=after, dispatched_at=None)
        .returning(*ABOUT)
    )
    about = doubted.mappings().one_or_none()
    if about is None:
        return []
    told = changed(about, before, after, Severity.WARNING)
    await events.append_for_mission(connection, work_process.id, [told], attempt=work_process.attempt)
    news = AssignmentDoubted(assignment_id=row.id)
    return await add_signals(connection, [NewSignal(row.workflow_id, work_process.id, Signal.ASSIGNMENT_DOUBTED, news)])
