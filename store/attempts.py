"""The attempts of a mission: one ends, the next is planned as the first one was."""

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, select, text, update

from missions import retries
from missions.contracts import ActivityPreset, StepPlan
from missions.statuses import ServiceRequestStatus
from store.connection import Connection
from store.tables import assignments, service_requests, work_processes
from store.work_process_status import LockedWorkProcess

# What a step is, in each attempt; the rest of its row is what became of it.
_PLAN = ", ".join(
    column.name
    for column in service_requests.c
    if column.name
    not in {
        *("id", "attempt", "status", "request", "response", "request_uid", "failure", "assignment_dispatched"),
        *("dispatched_at", "result_at", "created_at", "modified_at"),
    }
)
# From the first attempt, and not from the recipe as it is now.
_COPY_PLAN = text(
    f"""
    INSERT INTO service_requests (attempt, status, {_PLAN})
    SELECT :attempt, CASE WHEN depends_on_steps = '{{}}' THEN '{ServiceRequestStatus.READY_FOR_SERVICE}'
        ELSE '{ServiceRequestStatus.WAIT_DEPENDENCIES}' END, {_PLAN}
    FROM service_requests WHERE work_process_id = :of AND attempt = 1 ORDER BY id
    """
)
_BEGINS = select(work_processes.c.next_attempt_at, work_processes.c.waiting_reasons).where(
    work_processes.c.id == bindparam("of")
)
_STEPS = (
    select(service_requests)
    .where(service_requests.c.work_process_id == bindparam("of"), service_requests.c.attempt == bindparam("number"))
    .order_by(service_requests.c.id)
)


def begun(work_process: LockedWorkProcess) -> dict[str, Any]:
    """What a mission says no more once an attempt has begun that waited for its time, or none follows."""
    return {"next_attempt_at": None, "waiting_reasons": []} if work_process.attempt > 1 else {}


async def begins(connection: Connection, work_process_id: int) -> tuple[datetime, str]:
    """When the next attempt of a mission begins, and why there is one."""
    row = (await connection.execute(_BEGINS, {"of": work_process_id})).one()
    return row.next_attempt_at, retries.waits(row.waiting_reasons[0]["text"], row.next_attempt_at, paused=False)


async def begin_next(connection: Connection, work_process: LockedWorkProcess) -> None:
    """Count and plan the next attempt of a locked mission that is `dispatched` again.

    What its agents had counts as released, and what they were told of a pause as taken back. Those that the system
    chose are chosen anew.
    """
    chosen: dict[str, Any] = {} if work_process.agent_selector is None else {"agent_ids": [], "agent_uuids": []}
    work_process.attempt += 1
    await connection.execute(
        update(work_processes)
        .where(work_processes.c.id == work_process.id)
        .values(
            attempt=work_process.attempt,
            started_at=None,
            pause_actions=[],
            version=work_processes.c.version + 1,  # one that waited for a slot has changed no status
            modified_at=func.now(),
            **chosen,
        )
    )
    await connection.execute(
        update(assignments)
        .where(assignments.c.work_process_id == work_process.id, assignments.c.released_at.is_(None))
        .values(released_at=func.now())
    )
    await connection.execute(_COPY_PLAN, {"of": work_process.id, "attempt": work_process.attempt})


async def steps(connection: Connection, work_process_id: int, attempt: int) -> list[StepPlan]:
    """The steps of an attempt, as its workflow gets them."""
    rows = await connection.execute(_STEPS, {"of": work_process_id, "number": attempt})
    return [
        StepPlan(
            service_request_id=row["id"],
            step=row["step"],
            uses=row["uses"],
            depends_on=row["depends_on_steps"],
            wait_assignments=row["wait_dependencies_assignments"],
            apply_result=row["is_result_assignment"],
            preset=ActivityPreset.model_validate(row["preset"]),
        )
        for row in rows.mappings()
    ]
