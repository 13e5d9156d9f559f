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
from sqlalchemy import Interval, bindparam, func, insert, select, text, update

from missions.contracts import MissionQueueStart, QueueSignal, Signal, WorkProcessStart, json_object
from missions.mission_files.contracts import MissionFileStart, ThreadSignal
from missions.mission_files.platform_contracts import PlatformCommandStart
from store.connection import Connection
from store.tables import wakeups


class WakeupKind(StrEnum):
    """What is done to the workflow."""

    START = "start"
    SIGNAL = "signal"
    CANCEL = "cancel"
    START_FILE = "start_file"
    """The same of a mission file's run."""
    START_COMMAND = "start_command"
    """The same of a platform's command."""
    RUN_QUEUE = "run_queue"
    """Start a mission queue's workflow, or tell the one that runs: it may just be coming to its end."""


@dataclass(frozen=True)
class Wakeup:
    """One committed wake-up."""

    id: int
    kind: WakeupKind
    workflow_id: str
    work_process_id: int | None
    signal: str | None
    payload: dict[str, Any]


class Waker(Protocol):
    """Delivers committed wake-ups to the engine; never raises, since the relay re-sends what is left."""

    async def send(self, batch: Sequence[Wakeup]) -> None:
        """Deliver these now."""
        ...


@dataclass(frozen=True)
class NewSignal:
    """A signal to write; `content` is its contract."""

    workflow_id: str
    work_process_id: int | None
    signal: Signal | QueueSignal | ThreadSignal
    content: BaseModel


async def add_start(connection: Connection, workflow_id: str, start: WorkProcessStart) -> Wakeup:
    """Start a mission's workflow."""
    row = _row(WakeupKind.START, workflow_id, start.work_process_id, None, json_object(start))
    return (await _add(connection, [row]))[0]


async def add_file_run(connection: Connection, workflow_id: str, start: MissionFileStart) -> Wakeup:
    """Start the workflow of a mission file's run."""
    row = _row(WakeupKind.START_FILE, workflow_id, start.work_process_id, None, json_object(start))
    return (await _add(connection, [row]))[0]


async def add_command_run(connection: Connection, workflow_id: str, start: PlatformCommandStart) -> Wakeup:
    """Start the workflow of a platform's command."""
    row = _row(WakeupKind.START_COMMAND, workflow_id, start.work_process_id, None, json_object(start))
    return (await _add(connection, [row]))[0]


async def add_queue_run(connection: Connection, workflow_id: str, start: MissionQueueStart) -> Wakeup:
    """Start or wake a mission queue's workflow."""
    row = _row(WakeupKind.RUN_QUEUE, workflow_id, None, None, json_object(start))
    return (await _add(connection, [row]))[0]


async def add_signals(connection: Connection, new: Sequence[NewSignal]) -> list[Wakeup]:
    """Signal workflows."""
    return await _add(
        connection,
        [
            _row(WakeupKind.SIGNAL, one.workflow_id, one.work_process_id, one.signal, json_object(one.content))
            for one in new
        ],
    )


async def add_cancel(connection: Connection, workflow_id: str, work_process_id: int, reason: str) -> Wakeup:
    """Cancel a workflow natively, so that its run ends CANCELED."""
    row = _row(WakeupKind.CANCEL, workflow_id, work_process_id, None, {"reason": reason})
    return (await _add(connection, [row]))[0]


def _row(
    kind: WakeupKind, workflow_id: str, work_process_id: int | None, signal: str | None, payload: dict[str, Any]
) -> dict[str, Any]:
    return {
        "kind": kind,
        "workflow_id": workflow_id,
        "work_process_id": work_process_id,
        "signal": signal,
        "payload": payload,
    }


_INSERT = insert(wakeups).returning(wakeups.c.id)


async def _add(connection: Connection, rows: Sequence[dict[str, Any]]) -> list[Wakeup]:
    if not rows:
        return []
    ids = await connection.execute(_INSERT, list(rows))
    return [Wakeup(id=row_id, **row) for row_id, row in zip(ids.scalars(), rows, strict=True)]


async def left_over(connection: Connection, *, older_than: timedelta, limit: int = 500) -> list[Wakeup]:
    """Wake-ups that nobody delivered yet, oldest first."""
    rows = await connection.execute(_LEFT_OVER, {"older_than": older_than, "most": limit})
    return [
        Wakeup(r["id"], WakeupKind(r["kind"]), r["workflow_id"], r["work_process_id"], r["signal"], r["payload"])
        for r in rows.mappings()
    ]


_LEFT_OVER = (
    select(wakeups)
    .where(wakeups.c.error.is_(None), wakeups.c.created_at < func.now() - bindparam("older_than", type_=Interval))
    .order_by(wakeups.c.id)
    .limit(bindparam("most"))
)


async def delivered(connection: Connection, ids: Sequence[int]) -> None:
    """Forget delivered wake-ups."""
    await connection.execute(_DELETE, {"ids": list(ids)})


_DELETE = text("DELETE FROM wakeups WHERE id = ANY(CAST(:ids AS bigint[]))")


async def undeliverable(connection: Connection, wakeup_id: int, error: str) -> None:
    """Record why a wake-up can never be delivered; it is not tried again."""
    await connection.execute(update(wakeups).where(wakeups.c.id == wakeup_id).values(error=error))
