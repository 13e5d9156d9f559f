"""Trouble that needs a person: a field of the mission, with an event."""

from sqlalchemy import select, update

from missions.contracts import RaiseAttention
from missions.events import EventSource, EventType, NewEvent, utc_now
from missions.principals import MUSTER
from missions.statuses import AssignmentStatus, Severity
from store import events
from store.database import Connection, Database
from store.tables import agents, assignments, work_processes
from store.work_process_status import lock


async def raise_(connection: Connection, call: RaiseAttention) -> None:
    """Add an entry `{code, text, agentId, assignmentId, since}`; once for each code and assignment."""
    work_process = await lock(connection, call.work_process_id)
    known = {(entry["code"], entry.get("assignmentId")) for entry in work_process.attention}
    if (call.code, call.assignment_id) in known or work_process.ended:
        return
    agent_id = await connection.scalar(select(assignments.c.agent_id).where(assignments.c.id == call.assignment_id))
    entry = {
        "code": call.code,
        "text": call.text,
        "agentId": agent_id,
        "assignmentId": call.assignment_id,
        "since": utc_now().isoformat(),
    }
    await connection.execute(
        update(work_processes)
        .where(work_processes.c.id == work_process.id)
        .values(attention=[*work_process.attention, entry], version=work_processes.c.version + 1)
    )
    await events.append_for_mission(
        connection,
        work_process.id,
        [
            NewEvent(
                type=EventType.WORK_PROCESS_ATTENTION_RAISED,
                source=EventSource.MISSION_WORKER,
                actor=MUSTER,
                severity=Severity.WARNING,
                payload=entry,
            )
        ],
        attempt=work_process.attempt,
    )


async def agent_restarted(database: Database, agent_id: int) -> None:
    """An agent that checks in with assignments on its hands may have forgotten them: only a person can tell."""
    async with database.statement() as connection:
        rows = (
            await connection.execute(
                select(assignments.c.id, assignments.c.work_process_id, assignments.c.attempt, agents.c.uuid)
                .join(agents, agents.c.id == assignments.c.agent_id)
                .where(
                    assignments.c.agent_id == agent_id,
                    assignments.c.status.in_([AssignmentStatus.EXECUTING, AssignmentStatus.ACTIVE]),
                )
                .order_by(assignments.c.work_process_id, assignments.c.id)
            )
        ).all()
    for row in rows:
        text = f"agent {row.uuid} checked in anew while it had assignment {row.id}; it may have forgotten it"
        async with database.transaction() as connection:
            await raise_(
                connection,
                RaiseAttention(
                    work_process_id=row.work_process_id,
                    attempt=row.attempt,
                    transition=0,
                    code="agent_restarted",
                    text=text,
                    assignment_id=row.id,
                ),
            )
