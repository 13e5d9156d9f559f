"""One status change of a mission queue: one row lock, one step along the transition table, one event."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update

from missions.errors import MusterError
from missions.event_catalogue import event
from missions.event_payloads.base import Payload
from missions.event_payloads.mission_queue import MissionQueueStatusChanged
from missions.principals import Principal
from missions.statuses import QueueStatus, Severity
from missions.transitions import MISSION_QUEUE
from store import events
from store.connection import Connection
from store.rows import Row
from store.tables import mission_queues


class IllegalQueueTransition(MusterError):
    """A status change that the transition table forbids: a bug of ours, not of a user."""


@dataclass
class LockedQueue:
    """A queue's row under its lock, as it is after the last write of this transaction."""

    row: Row
    id: int
    name: str
    status: QueueStatus
    stop_on_failure: bool
    sched_start_at: datetime | None
    started_at: datetime | None
    current_mission_id: int | None
    workflow_id: str | None
    version: int

    @classmethod
    def of(cls, row: Row) -> "LockedQueue":
        """The queue of a row that is locked, or was inserted by this transaction."""
        fields = {name: row[name] for name in cls.__dataclass_fields__ if name != "row"}
        return cls(row=row, **{**fields, "status": QueueStatus(row["status"])})


async def lock(connection: Connection, queue_id: int) -> LockedQueue | None:
    """Lock a queue's row and read it; None: there is none. First in the lock order.

    A mission that is written down for this queue need not wait for it.
    """
    query = select(mission_queues).where(mission_queues.c.id == queue_id).with_for_update(key_share=True)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else LockedQueue.of(row._asdict())


async def change(
    connection: Connection,
    queue: LockedQueue,
    to: QueueStatus,
    *,
    principal: Principal,
    source: str,
    values: Mapping[str, Any] | None = None,
    why: Mapping[str, Any] | None = None,
    severity: Severity = Severity.INFO,
) -> None:
    """Move a locked queue to `to` with further columns `values`; `why` is added to its event.

    Raises IllegalQueueTransition.
    """
    if to not in MISSION_QUEUE[queue.status]:
        raise IllegalQueueTransition(f"mission queue {queue.id} is {queue.status!r}: {to!r} may not follow")
    payload = MissionQueueStatusChanged(mission_queue_id=queue.id, from_=queue.status, to=to, **(why or {}))
    await write(connection, queue, {"status": to, **(values or {})})
    await events.append(connection, [event(payload, source=source, actor=principal, severity=severity)])


async def write(connection: Connection, queue: LockedQueue, values: Mapping[str, Any]) -> None:
    """Write columns of a locked queue."""
    written = await connection.execute(
        update(mission_queues)
        .where(mission_queues.c.id == queue.id)
        .values(version=mission_queues.c.version + 1, modified_at=func.now(), **values)
        .returning(mission_queues)
    )
    vars(queue).update(vars(LockedQueue.of(written.one()._asdict())))


async def tell(connection: Connection, payload: Payload, *, principal: Principal, source: str) -> None:
    """Append an event about a queue."""
    await events.append(connection, [event(payload, source=source, actor=principal)])
