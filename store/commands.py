"""Commands to devices: assignments of their own, without a planner's answer; and what came of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from missions.statuses import AssignmentStatus
from missions.transitions import ASSIGNMENT_ENDED, ASSIGNMENT_UNSENT
from store import assignments, events
from store.connection import Connection
from store.work_process_status import LockedWorkProcess


@dataclass(frozen=True)
class Written:
    """A command's assignment row, with its agent's address; `to_send`: it is meant to be sent now, by the caller."""

    row: Mapping[str, Any]
    to_send: bool

    @property
    def ended(self) -> str:
        """The device's last word, if there is one."""
        return self.row["status"] if self.row["status"] in ASSIGNMENT_ENDED else ""


async def write(
    connection: Connection,
    work_process: LockedWorkProcess,
    *,
    step: str,
    index: int,
    agent_id: int,
    workflow_id: str,
    data: Mapping[str, Any],
    start_time: str,
) -> Written:
    """Write a command, with the intent to send it; a repeated call finds it. The mission is locked.

    `workflow_id`: who waits for its end; `step` and `index` tell it from all others of the mission.
    """
    assignment_id = await connection.scalar(
        _INSERT,
        {
            "work_process_id": work_process.id,
            "attempt": work_process.attempt,
            "step": step,
            "index": index,
            "yard_id": work_process.yard_id,
            "agent_id": agent_id,
            "workflow_id": workflow_id,
            "data": json.dumps(dict(data)),
        },
    )
    is_new = assignment_id is not None
    if not is_new:
        assignment_id = await connection.scalar(
            _FIND, {"work_process_id": work_process.id, "attempt": work_process.attempt, "step": step, "index": index}
        )
    row = await assignments.one(connection, assignment_id)
    if is_new:
        await events.append_for_mission(
            connection, work_process.id, [assignments.created(row)], attempt=work_process.attempt
        )
    to_send = row["intent_at"] is None and row["status"] in ASSIGNMENT_UNSENT
    if to_send:
        await assignments.intend(connection, [assignment_id], start_time)
        row = await assignments.one(connection, assignment_id)
    return Written(row, to_send)


async def readdress(connection: Connection, work_process_id: int, workflow_id: str) -> list[int]:
    """Have another workflow wait for the open commands of a locked mission; returns those that may be at devices."""
    rows = await connection.execute(
        _READDRESS, {"of": work_process_id, "workflow_id": workflow_id, "ended": sorted(ASSIGNMENT_ENDED)}
    )
    return sorted(row.id for row in rows if row.at_device)


async def error_of(connection: Connection, assignment_id: int) -> tuple[AssignmentStatus, Any, Any, str]:
    """Of a command: its status, its data, its result, and what Muster noted of it."""
    row = (await connection.execute(_OUTCOME, {"of": assignment_id})).one()
    return AssignmentStatus(row.status), row.data, row.result, row.error or ""


_INSERT = text(
    """
    INSERT INTO assignments
        (work_process_id, attempt, step, result_index, dispatch_group, yard_id, agent_id, workflow_id, data, status,
            released_at)
    -- A platform takes commands of many missions at once and is held by none, so none releases it.
    SELECT :work_process_id, :attempt, :step, :index, 0, :yard_id, id, :workflow_id, CAST(:data AS jsonb),
        'not_ready_to_dispatch', CASE WHEN agent_class = 'platform' THEN now() END
    FROM agents WHERE id = :agent_id
    ON CONFLICT (work_process_id, attempt, step, result_index) DO NOTHING RETURNING id
    """
)
_FIND = text(
    """
    SELECT id FROM assignments WHERE work_process_id = :work_process_id AND attempt = :attempt AND step = :step
        AND result_index = :index
    """
)
_READDRESS = text(
    """
    UPDATE assignments SET workflow_id = :workflow_id
    WHERE work_process_id = :of AND status <> ALL(CAST(:ended AS text[]))
    RETURNING id, intent_at IS NOT NULL AS at_device
    """
)
_OUTCOME = text("SELECT status, data, result, error FROM assignments WHERE id = :of")
