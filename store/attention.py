"""Trouble that needs a person: a field of the mission, with an event."""

from sqlalchemy import select, update

from missions.contracts import RaiseAttention
from missions.events import EventSource, EventType, NewEvent, utc_now
from missions.principals import MUSTER
from missions.statuses import Severity
from store import events
from store.database import Connection
from store.tables import assignments, work_processes
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
