"""Wake-ups are rows: whatever must start, wake or cancel a workflow is written in the transaction of its cause.

The committer sends it at once and deletes it; the relay re-sends what is left. So a wake-up survives the death of
every process between its cause and its delivery.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Protocol

from pydantic import BaseModel
from sqlalchemy import delete, func, insert, select, update

from missions.contracts import Signal, WorkProcessStart, json_object
from store.database import Connection
from store.tables import wakeups


class WakeupKind(StrEnum):
    """What is done to the workflow."""

    START = "start"
    SIGNAL = "signal"
    CANCEL = "cancel"


@dataclass(frozen=True)
class Wakeup:
    """One committed wake-up."""

    id: int
    kind: WakeupKind
    workflow_id: str
    work_process_id: int
    signal: str | None
    payload: dict[str, Any]


class Waker(Protocol):
    """Delivers committed wake-ups to the engine; never raises, since the relay re-sends what is left."""

    async def send(self, batch: Sequence[Wakeup]) -> None:
        """Deliver these now."""
        ...


async def add_start(connection: Connection, workflow_id: str, start: WorkProcessStart) -> Wakeup:
    """Start a mission's workflow."""
    return await _add(connection, WakeupKind.START, workflow_id, start.work_process_id, None, json_object(start))


async def add_signal(
    connection: Connection, workflow_id: str, work_process_id: int, signal: Signal, content: BaseModel
) -> Wakeup:
    """Signal a workflow; `content` is the signal's contract."""
    return await _add(connection, WakeupKind.SIGNAL, workflow_id, work_process_id, signal, json_object(content))


async def add_cancel(connection: Connection, workflow_id: str, work_process_id: int, reason: str) -> Wakeup:
    """Cancel a workflow natively, so that its run ends CANCELED."""
    return await _add(connection, WakeupKind.CANCEL, workflow_id, work_process_id, None, {"reason": reason})


async def _add(
    connection: Connection,
    kind: WakeupKind,
    workflow_id: str,
    work_process_id: int,
    signal: str | None,
    payload: dict[str, Any],
) -> Wakeup:
    row_id = await connection.scalar(
        insert(wakeups)
        .values(kind=kind, workflow_id=workflow_id, work_process_id=work_process_id, signal=signal, payload=payload)
        .returning(wakeups.c.id)
    )
    assert row_id is not None
    return Wakeup(row_id, kind, workflow_id, work_process_id, signal, payload)


async def left_over(connection: Connection, *, older_than: timedelta, limit: int = 500) -> list[Wakeup]:
    """Wake-ups that nobody delivered yet, oldest first."""
    rows = await connection.execute(
        select(wakeups)
        .where(wakeups.c.error.is_(None), wakeups.c.created_at < func.now() - older_than)
        .order_by(wakeups.c.id)
        .limit(limit)
    )
    return [
        Wakeup(r["id"], WakeupKind(r["kind"]), r["workflow_id"], r["work_process_id"], r["signal"], r["payload"])
        for r in rows.mappings()
    ]


async def delivered(connection: Connection, ids: Sequence[int]) -> None:
    """Forget delivered wake-ups."""
    await connection.execute(delete(wakeups).where(wakeups.c.id.in_(ids)))


async def undeliverable(connection: Connection, wakeup_id: int, error: str) -> None:
    """Record why a wake-up can never be delivered; it is not tried again."""
    await connection.execute(update(wakeups).where(wakeups.c.id == wakeup_id).values(error=error))
