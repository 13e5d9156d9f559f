"""What clients wish to end: a mission, by `cancel` or the harder `halt`; or one assignment of it."""

from typing import Any

from sqlalchemy import func, select, update

from missions.contracts import AssignmentCancelWish, CancelRequest, Signal
from missions.errors import Conflict, NotFound
from missions.event_catalogue import event
from missions.event_payloads.work_process import WorkProcessHaltRequested
from missions.events import NewEvent, utc_now
from missions.principals import Principal
from missions.statuses import AssignmentStatus, WorkProcessStatus
from missions.transitions import ASSIGNMENT_ENDED
from store import events, mission_files, wakeups
from store.assignments import AGENT_UUID, changed
from store.connection import Connection
from store.rows import one_row
from store.tables import assignments
from store.wakeups import NewSignal, Wakeup, add_signals
from store.work_process_status import LockedWorkProcess, change, lock


async def request_cancel(
    connection: Connection,
    work_process_id: int,
    *,
    principal: Principal,
    reason: str,
    source: str,
    halt: bool = False,
) -> list[Wakeup]:
    """Wish a mission cancelled: `canceling`, or `canceled` at once for a draft, which has no run.

    `halt`: without awaiting the agents' confirmations; also of a mission that is `canceling` already. Nothing to wake
    if that was wished before, or for a draft. Raises NotFound, Conflict.
    """
    work_process = await lock(connection, work_process_id)
    if work_process.superseded:
        escalates = halt and not work_process.halt and not work_process.ended
        return await _escalate(connection, work_process, principal, reason, source) if escalates else []
    if work_process.ended:
        raise Conflict(
            f"work process {work_process_id} ended as {work_process.status.value!r}",
            field="status",
            value=WorkProcessStatus.CANCELING.value,
            remedy="only an open work process can be cancelled",
        )
    now = utc_now()
    wish = {
        "cancel_requested_at": now,
        "cancel_reason": reason,
        "cancel_requested_by": principal.model_dump(mode="json"),
        "halt": halt,
    }
    if work_process.status is WorkProcessStatus.DRAFT:
        # A draft has no run and no task.created, so it gets no task.cancelled either.
        await change(
            connection,
            work_process,
            WorkProcessStatus.CANCELED,
            principal=principal,
            source=source,
            values=wish | {"ended_at": now},
        )
        return []
    also = [_halt_requested(principal, reason, source)] if halt else []
    also += await mission_files.abort_begins(connection, work_process, source=source, principal=principal)
    await change(
        connection,
        work_process,
        WorkProcessStatus.CANCELING,
        principal=principal,
        source=source,
        values=wish,
        also=also,
    )
    assert work_process.workflow_id is not None, "a dispatched work process has a workflow"
    # Sent at once, in no certain order: the workflow takes them either way.
    signals = await _signal_halt(connection, work_process, principal, reason) if halt else []
    return [*signals, await wakeups.add_cancel(connection, work_process.workflow_id, work_process_id, reason)]


async def _escalate(
    connection: Connection, work_process: LockedWorkProcess, principal: Principal, reason: str, source: str
) -> list[Wakeup]:
    """A cancel is under way: from now on it waits for nobody. Who asked for the cancel, and why, stays."""
    await events.append_for_mission(
        connection,
        work_process.id,
        [_halt_requested(principal, reason, source)],
        attempt=work_process.attempt,
        values={"halt": True},
    )
    return await _signal_halt(connection, work_process, principal, reason)


def _halt_requested(principal: Principal, reason: str, source: str) -> NewEvent:
    return event(WorkProcessHaltRequested(reason=reason), source=source, actor=principal)


async def _signal_halt(
    connection: Connection, work_process: LockedWorkProcess, principal: Principal, reason: str
) -> list[Wakeup]:
    assert work_process.workflow_id is not None, "a dispatched work process has a workflow"
    content = CancelRequest(reason=reason, requested_by=principal.id)
    return await add_signals(connection, [NewSignal(work_process.workflow_id, work_process.id, Signal.HALT, content)])


async def cancel_assignment(
    connection: Connection, assignment_id: int, *, principal: Principal, source: str
) -> list[Wakeup]:
    """Wish one assignment cancelled: `canceling` until its agent confirms, or `canceled` if it was never sent.

    Nothing to wake if it is so already. Raises NotFound, Conflict if it has ended otherwise.
    """
    found = await one_row(connection, select(assignments.c.work_process_id).where(assignments.c.id == assignment_id))
    if found is None:
        raise NotFound(
            f"assignment {assignment_id} does not exist",
            field="id",
            value=assignment_id,
            remedy="list the work process's assignments to find its id",
        )
    work_process = await lock(connection, found["work_process_id"])
    query = select(assignments, AGENT_UUID).where(assignments.c.id == assignment_id).with_for_update()
    row = await one_row(connection, query)
    assert row is not None, "assignments go with their mission, which is locked"
    status = AssignmentStatus(row["status"])
    if status in (AssignmentStatus.CANCELING, AssignmentStatus.CANCELED):
        return []
    if status in ASSIGNMENT_ENDED or work_process.superseded or work_process.ended:
        ended = status if status in ASSIGNMENT_ENDED else work_process.status
        raise Conflict(
            f"assignment {assignment_id} cannot be cancelled: it, or its work process, is {ended.value!r}",
            field="id",
            value=assignment_id,
            remedy="only an open assignment of an open work process can be cancelled",
        )
    sent = row["intent_at"] is not None
    to = AssignmentStatus.CANCELING if sent else AssignmentStatus.CANCELED
    values: dict[str, Any] = {"status": to, "cancel_requested_by": principal.model_dump(mode="json")}
    if not sent:
        values["ended_at"] = func.now()
    await connection.execute(update(assignments).where(assignments.c.id == assignment_id).values(**values))
    told = changed(row, status, to)
    await events.append_for_mission(
        connection,
        work_process.id,
        [told.model_copy(update={"source": source, "actor": principal})],
        attempt=work_process.attempt,
    )
    if not sent and status is not AssignmentStatus.TO_DISPATCH:
        # Its mission finds it so when its group's turn comes; what came back from its agent had its turn.
        return []
    wish = AssignmentCancelWish(assignment_id=assignment_id)
    return await add_signals(
        connection, [NewSignal(row["workflow_id"], work_process.id, Signal.CANCEL_ASSIGNMENT, wish)]
    )
