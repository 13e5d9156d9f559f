"""One status change of a mission: one row lock, one step along the transition table, one event, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import bindparam, select

from missions.errors import MusterError, NotFound
from missions.event_catalogue import event
from missions.event_payloads.work_process import WorkProcessStatusChanged
from missions.events import EventType, NewEvent
from missions.principals import Principal
from missions.statuses import Pause, Severity, WorkProcessStatus
from missions.transitions import WORK_PROCESS_ENDED, may_follow
from store import events
from store.connection import Connection
from store.tables import events as events_table
from store.tables import work_processes


class Change(StrEnum):
    """What became of a wanted status change."""

    WRITTEN = "written"
    REPEATED = "repeated"
    """This very change was written before: its activity is tried again."""
    SUPERSEDED = "superseded"
    """A cancel came first."""


class IllegalTransition(MusterError):
    """A status change that the transition table forbids: a bug of ours, not of a user."""


@dataclass
class LockedWorkProcess:
    """A mission's row under its lock."""

    id: int
    status: WorkProcessStatus
    type_name: str
    yard_id: int | None
    yard_uid: str | None
    agent_ids: list[int]
    agent_uuids: list[str]
    agent_selector: dict[str, Any] | None
    operation_types_required: list[str]
    wait_free_agent: bool
    mission_queue_id: int | None
    priority: int
    attempt: int
    max_retries: int | None
    workflow_id: str | None
    sched_start_at: datetime | None
    started_at: datetime | None
    next_attempt_at: datetime | None
    on_assignment_failure: str
    fallback_mission: str
    attention: list[dict[str, Any]]
    cancel_reason: str | None
    cancel_requested_by: dict[str, Any] | None
    halt: bool
    pause: Pause
    pause_mode: str | None
    pause_actions: list[int]
    version: int
    outdated: bool = False
    """Whether another attempt has begun than the one that this is done for."""

    @property
    def superseded(self) -> bool:
        """Whether a cancel has won, or the next attempt, so that no activity may go on."""
        return self.outdated or self.status in (WorkProcessStatus.CANCELING, WorkProcessStatus.CANCELED)

    @property
    def without_agents(self) -> bool:
        """Whether it names no agents and lets none be chosen: it takes a slot instead (store/slots.py)."""
        return not self.agent_ids and self.agent_selector is None

    @property
    def ended(self) -> bool:
        """Whether it has its last status."""
        return self.status in WORK_PROCESS_ENDED


_COLUMNS = [
    work_processes.c.id,
    work_processes.c.status,
    work_processes.c.work_process_type_name.label("type_name"),
    *(
        work_processes.c[name]
        for name in LockedWorkProcess.__dataclass_fields__
        if name not in ("id", "status", "type_name", "outdated")
    ),
]

# What follows from a status change that is written with it; `task.started` follows from the grant.
_FOLLOWS = frozenset(
    {EventType.TASK_CREATED, EventType.TASK_COMPLETED, EventType.TASK_FAILED, EventType.TASK_CANCELLED}
)

_LOCK = select(*_COLUMNS).where(work_processes.c.id == bindparam("of")).with_for_update()


async def lock(connection: Connection, work_process_id: int, *, attempt: int | None = None) -> LockedWorkProcess:
    """Lock a mission's row and read it; raises NotFound. First in the lock order.

    `attempt`: the one that the caller acts for; a try of its activity that was given up may come late.
    """
    row = (await connection.execute(_LOCK, {"of": work_process_id})).one_or_none()
    if row is None:
        raise NotFound(
            f"work process {work_process_id} does not exist",
            field="id",
            value=work_process_id,
            remedy="list the work processes to find its id",
        )
    values = dict(row._mapping)
    return LockedWorkProcess(
        **{**values, "status": WorkProcessStatus(values["status"]), "pause": Pause(values["pause"])},
        outdated=attempt not in (None, values["attempt"]),
    )


async def change(
    connection: Connection,
    work_process: LockedWorkProcess,
    to: WorkProcessStatus,
    *,
    principal: Principal,
    source: str,
    transition: int | None = None,
    values: dict[str, Any] | None = None,
    before: Sequence[NewEvent] = (),
    also: Sequence[NewEvent] = (),
    severity: Severity = Severity.INFO,
) -> Change:
    """Move a locked mission to `to`, with its event between those `before` and `also`, and further column `values`.

    `transition` is the number that the workflow gave this change: written once, however often it is tried.
    Raises IllegalTransition.
    """
    if work_process.superseded and to not in (WorkProcessStatus.CANCELING, WorkProcessStatus.CANCELED):
        return Change.SUPERSEDED
    if not may_follow(work_process.status, to):
        if transition is not None and await _written(connection, work_process, transition):
            return Change.REPEATED
        raise IllegalTransition(f"work process {work_process.id} is {work_process.status!r}: {to!r} may not follow")
    changed = _event(work_process.status, to, principal, source, severity)
    await events.append_for_mission(
        connection,
        work_process.id,
        [*before, changed, *(one.caused_by(changed) if one.type in _FOLLOWS else one for one in also)],
        attempt=work_process.attempt,
        transition=transition,
        values={"status": to, **(values or {})},
    )
    work_process.status = to
    return Change.WRITTEN


async def change_from(
    connection: Connection,
    work_process_id: int,
    from_: WorkProcessStatus,
    to: WorkProcessStatus,
    *,
    attempt: int,
    transition: int,
    principal: Principal,
    source: str,
) -> bool:
    """Move a mission to `to` if it is in `from_`: a whole transaction in one statement. False: nothing is written."""
    assert may_follow(from_, to)
    return await events.append_for_mission(
        connection,
        work_process_id,
        [_event(from_, to, principal, source, Severity.INFO)],
        attempt=attempt,
        transition=transition,
        values={"status": to},
        from_status=from_,
    )


def _event(
    from_: WorkProcessStatus, to: WorkProcessStatus, principal: Principal, source: str, severity: Severity
) -> NewEvent:
    payload = WorkProcessStatusChanged(from_=from_, to=to)
    return event(payload, source=source, actor=principal, severity=severity)


async def _written(connection: Connection, work_process: LockedWorkProcess, transition: int) -> bool:
    found = await connection.scalar(
        select(events_table.c.id).where(
            events_table.c.work_process_id == work_process.id,
            events_table.c.attempt == work_process.attempt,
            events_table.c.transition == transition,
        )
    )
    return found is not None
