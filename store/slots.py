"""Slots: how many missions without agents run at once, and the line of those that wait until they may.

A mission holds a slot from its grant to the end of its attempt; which recipe's limit holds for it is looked up by the
recipe's name, now. Without a limit it takes its slot with one insert: nothing is locked or counted. With one, all that
is decided is decided under one lock, the last in the lock order. A mission that takes its slot in the very moment in
which the first limit is set may run beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Interval, bindparam, text

from missions import task_events
from missions.contracts import Signal, SlotGranted
from missions.events import NewEvent, utc_now
from missions.priorities import score, score_key
from missions.repairs import Repair
from missions.statuses import WorkProcessStatus
from store import events, repairs
from store.connection import Connection
from store.database import Database
from store.tables import MISSION_ENDED
from store.wakeups import NewSignal, Wakeup, add_signals
from store.work_process_status import LockedWorkProcess

_LINE_LOCK = 0x736C6F74
# So many are granted in one transaction.
_BATCH = 100


@dataclass(frozen=True)
class Taken:
    """What became of a mission's wish to run: `held`, it may; `started`, the event to write with `values`, once.

    `new`: it just got in line. `others`: a slot is free for one that stands before it; the caller grants after the
    commit.
    """

    held: bool
    new: bool = False
    others: bool = False
    started: Sequence[NewEvent] = ()
    started_at: datetime | None = None


async def take(connection: Connection, work_process: LockedWorkProcess) -> Taken:
    """Give a locked mission its slot, or a place in the line; a repeated call finds what it has."""
    mine = {"of": work_process.id, "attempt": work_process.attempt}
    found = (await connection.execute(_LOOK, {**mine, "type": work_process.type_name})).one()
    if found.held:
        return Taken(held=True)
    limited = found.overall is not None or found.of_type is not None
    enqueued_at = found.enqueued_at or utc_now()
    if limited:
        await lock_line(connection)
    if found.enqueued_at is None:
        key = score_key(work_process.priority, enqueued_at)
        new = {"type": work_process.type_name, "held": not limited, "now": enqueued_at, "key": key}
        await connection.execute(_INSERT, {**mine, **new})
    elif not limited:
        await connection.execute(_HOLD_MINE, mine)
    if limited:
        first = (await connection.execute(_GRANTABLE, {"most": 1})).one_or_none()
        if first is None or first.work_process_id != work_process.id:
            return Taken(held=False, new=found.enqueued_at is None, others=first is not None)
        await connection.execute(_HOLD_MINE, mine)
    now = utc_now()
    return Taken(held=True, started=[_started(work_process, enqueued_at, now)], started_at=now)


async def lock_line(connection: Connection) -> None:
    """Keep everybody else from granting slots, and limits from changing; the last in the lock order.

    Whoever changes a limit takes it: so nobody gets in line by the old one after the line was moved by the new one.
    """
    await connection.execute(_LOCK_LINE, {"key": _LINE_LOCK})


async def leave(connection: Connection, work_process_id: int) -> None:
    """Give a mission's slot back, or its place in line; the caller grants after the commit."""
    await connection.execute(_LEAVE, {"of": work_process_id})


async def leave_line(connection: Connection, work_process_id: int) -> None:
    """Give a mission's place in line up, if it waits; the mission is locked."""
    await connection.execute(_LEAVE_LINE, {"of": work_process_id})


async def move_up(database: Database) -> list[Wakeup]:
    """Grant every slot that is free, in the order of the line; the caller sends the wake-ups.

    Cheap when nobody waits: one look. After a slot was given back, a limit changed, or a grant was missed.
    """
    wakeups: list[Wakeup] = []
    while True:
        async with database.statement() as connection:
            ids = {row.work_process_id for row in await connection.execute(_GRANTABLE, {"most": _BATCH})}
        if not ids:
            return wakeups
        async with database.transaction() as connection:
            wakeups += await _grant(connection, ids)


async def _grant(connection: Connection, ids: set[int]) -> list[Wakeup]:
    """Grant those of these missions whose turn it is."""
    missions = {row.id: row for row in await connection.execute(_LOCK_MISSIONS, {"ids": sorted(ids)})}
    await lock_line(connection)
    granted: list[Any] = []
    gone: list[int] = []
    for row in await connection.execute(_GRANTABLE, {"most": _BATCH}):
        mission = missions.get(row.work_process_id)
        if mission is None:  # it came just now, before the others: the next look finds it
            break
        waits = mission.status == WorkProcessStatus.DISPATCHED and mission.attempt == row.attempt
        if waits:
            granted.append(row)
        else:
            gone.append(row.id)  # cancelled, and not yet out of the line
    if gone:
        await connection.execute(_REMOVE, {"ids": gone})
    if not granted:
        return []
    now = utc_now()
    await connection.execute(
        _HOLD, {"ids": [row.id for row in granted], "missions": [row.work_process_id for row in granted], "now": now}
    )
    await events.append_for_missions(
        connection,
        {
            (row.work_process_id, row.attempt): [_started(missions[row.work_process_id], row.enqueued_at, now)]
            for row in granted
        },
    )
    return await add_signals(
        connection,
        [
            NewSignal(
                missions[row.work_process_id].workflow_id,
                row.work_process_id,
                Signal.SLOT_GRANTED,
                SlotGranted(attempt=row.attempt),
            )
            for row in granted
        ],
    )


async def free_unheld(database: Database, grace: timedelta) -> list[int]:
    """Give back the slots and places that no open mission's present attempt has, and count it; whose they were.

    Not those of missions that ended less than `grace` ago, nor those that are not as old.
    """
    asked = {"grace": grace}
    async with database.statement() as connection:
        if not await connection.scalar(_UNHELD, asked):
            return []
    async with database.transaction() as connection:
        await lock_line(connection)
        freed = sorted(await connection.scalars(_FREE_UNHELD, asked))
        if freed:
            await repairs.count(connection, Repair.SLOT_FREED, len(freed))
    return freed


def _started(mission: Any, enqueued_at: datetime, now: datetime) -> NewEvent:
    return task_events.started(
        mission.id,
        mission.type_name,
        mission.priority,
        score(mission.priority, enqueued_at, now),
        mission.attempt - 1,
        now,
    )


_LOOK = text(
    """
    SELECT mine.held, mine.enqueued_at, (SELECT overall FROM slot_limits) AS overall,
        (SELECT max_concurrent FROM work_process_type WHERE name = :type) AS of_type
    FROM (SELECT) AS always LEFT JOIN slots AS mine ON mine.work_process_id = :of AND mine.attempt = :attempt
    """
)
_INSERT = text(
    """
    INSERT INTO slots (work_process_id, attempt, type_name, held, enqueued_at, score_key)
    VALUES (:of, :attempt, :type, :held, :now, :key)
    """
)
_LOCK_LINE = text("SELECT pg_advisory_xact_lock(:key)")
_HOLD_MINE = text("UPDATE slots SET held = true WHERE work_process_id = :of AND attempt = :attempt")
_HOLD = text(
    """
    WITH held AS (UPDATE slots SET held = true WHERE id = ANY(CAST(:ids AS bigint[])))
    UPDATE work_processes SET started_at = coalesce(started_at, :now) WHERE id = ANY(CAST(:missions AS bigint[]))
    """
)
_REMOVE = text("DELETE FROM slots WHERE id = ANY(CAST(:ids AS bigint[]))")
_LEAVE = text("DELETE FROM slots WHERE work_process_id = :of")
_LEAVE_LINE = text("DELETE FROM slots WHERE work_process_id = :of AND NOT held")
_LOCK_MISSIONS = text(
    """
    SELECT id, status, attempt, priority, workflow_id, work_process_type_name AS type_name FROM work_processes
    WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY id FOR UPDATE
    """
)
# Recipe by recipe, so that a full one holds up nobody: of each as many as its limit leaves, of all of these as many as
# the overall limit leaves. Nothing is counted where there is no limit.
_GRANTABLE = text(
    """
    WITH RECURSIVE types AS (
        (SELECT type_name FROM slots WHERE NOT held ORDER BY type_name LIMIT 1)
        UNION ALL
        SELECT (SELECT type_name FROM slots WHERE NOT held AND type_name > types.type_name ORDER BY type_name LIMIT 1)
        FROM types WHERE types.type_name IS NOT NULL
    ), free AS (
        SELECT types.type_name, CASE WHEN recipe.max_concurrent IS NOT NULL THEN greatest(0, recipe.max_concurrent - (
            SELECT count(*) FROM slots AS other WHERE other.held AND other.type_name = types.type_name
        )) END AS slots
        FROM types LEFT JOIN work_process_type AS recipe ON recipe.name = types.type_name
        WHERE types.type_name IS NOT NULL
    )
    SELECT next.* FROM free CROSS JOIN LATERAL (
        SELECT id, work_process_id, attempt, enqueued_at, score_key FROM slots
        WHERE NOT held AND slots.type_name = free.type_name ORDER BY score_key, id LIMIT least(:most, free.slots)
    ) AS next
    ORDER BY next.score_key, next.id
    LIMIT least(:most, (
        SELECT greatest(0, overall - (SELECT count(*) FROM slots WHERE held)) FROM slot_limits WHERE overall IS NOT NULL
    ))
    """
)
_DEAD = f"""
    FROM work_processes AS mission
    WHERE mission.id = slots.work_process_id AND slots.enqueued_at < now() - CAST(:grace AS interval) AND (
        mission.attempt <> slots.attempt OR (
            mission.{MISSION_ENDED}
            AND coalesce(mission.ended_at, mission.modified_at) < now() - CAST(:grace AS interval)
        )
    )
"""
_GRACE = bindparam("grace", type_=Interval)
_UNHELD = text(f"SELECT EXISTS (SELECT FROM slots WHERE EXISTS (SELECT {_DEAD}))").bindparams(_GRACE)
_FREE_UNHELD = text(f"DELETE FROM slots WHERE EXISTS (SELECT {_DEAD}) RETURNING work_process_id").bindparams(_GRACE)
