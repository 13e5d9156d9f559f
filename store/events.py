"""The append-only event log: written in the transaction of its cause, positioned after the commit."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Update, bindparam, func, insert, select, text, update
from uuid_utils import uuid7

from missions.events import SCHEMA_VERSION, Event, NewEvent, utc_now
from missions.principals import Principal
from missions.statuses import Severity
from store.database import Connection, Database
from store.tables import events, work_processes

# One leader at a time gives the global positions; any number of relays may try.
_SEQUENCER_LOCK = 0x6D757374


# Statements are made once: making one costs more than running it.
_INSERT = insert(events)


@cache
def _count_events(columns: tuple[str, ...]) -> Update:
    """Count new events on the mission's row, and write these columns in the same statement."""
    table = work_processes.c
    changes: dict[str, Any] = {name: bindparam(f"new_{name}", type_=table[name].type) for name in columns}
    if "status" in changes:
        changes |= {"version": table.version + 1, "modified_at": func.now()}
    if "started_at" in changes:  # the first attempt's
        changes["started_at"] = func.coalesce(table.started_at, changes["started_at"])
    return (
        update(work_processes)
        .where(table.id == bindparam("of"))
        .values(event_count=table.event_count + bindparam("added"), **changes)
        .returning(table.event_count)
    )


async def append_for_mission(
    connection: Connection,
    work_process_id: int,
    new: Sequence[NewEvent],
    *,
    attempt: int | None = None,
    transition: int | None = None,
    values: dict[str, Any] | None = None,
) -> None:
    """Append events of one mission; takes the lock of its row, which numbers them 1, 2, 3 … without gaps.

    `transition` numbers the first of them, so that a retried activity cannot write it twice; `values` are written to
    the mission's row in the same statement.
    """
    if not new:
        return
    values = values or {}
    count = await connection.scalar(
        _count_events(tuple(sorted(values))),
        {"of": work_process_id, "added": len(new), **{f"new_{name}": value for name, value in values.items()}},
    )
    assert count is not None, f"work process {work_process_id} does not exist"
    first = count - len(new) + 1
    await connection.execute(
        _INSERT,
        [
            _row(event, work_process_id)
            | {"mission_sequence": first + offset, "attempt": attempt}
            # Only the first event of a status change carries its number.
            | {"transition": transition if offset == 0 else None}
            for offset, event in enumerate(new)
        ],
    )


async def append_for_missions(connection: Connection, new: Mapping[tuple[int, int], Sequence[NewEvent]]) -> None:
    """Append events of many missions, keyed by (work process, attempt), in two statements; their rows are locked."""
    if not new:
        return
    counts: dict[int, int] = {}
    for (work_process_id, _), of_one in new.items():
        counts[work_process_id] = counts.get(work_process_id, 0) + len(of_one)
    rows = await connection.execute(
        text(
            """
            UPDATE work_processes SET event_count = event_count + added.count
            FROM unnest(CAST(:ids AS bigint[]), CAST(:counts AS integer[])) AS added(id, count)
            WHERE work_processes.id = added.id
            RETURNING work_processes.id, work_processes.event_count - added.count AS before
            """
        ),
        {"ids": list(counts), "counts": list(counts.values())},
    )
    last = {row.id: row.before for row in rows}
    values = []
    for (work_process_id, attempt), of_one in sorted(new.items()):
        for event in of_one:
            last[work_process_id] += 1
            numbers = {"mission_sequence": last[work_process_id], "attempt": attempt, "transition": None}
            values.append(_row(event, work_process_id) | numbers)
    await connection.execute(_INSERT, values)


async def append(connection: Connection, new: Sequence[NewEvent]) -> None:
    """Append events that belong to no mission."""
    if new:
        await connection.execute(_INSERT, [_row(event, None) for event in new])


def _row(event: NewEvent, work_process_id: int | None) -> dict[str, Any]:
    return {
        "uuid": str(uuid7()),
        "type": event.type,
        "source": event.source,
        "target": event.target,
        "timestamp": utc_now(),
        "payload": event.payload,
        "work_process_id": work_process_id,
        "correlation_id": None if work_process_id is None else str(work_process_id),
        "causation_id": event.causation_id,
        "severity": event.severity,
        "actor": event.actor.model_dump(mode="json"),
        "source_module": event.source_module,
    }


async def of_mission(connection: Connection, work_process_id: int, *, after: int = 0, limit: int = 100) -> list[Event]:
    """The events of one mission after its `mission_sequence` position, in order."""
    rows = await connection.execute(
        select(events)
        .where(events.c.work_process_id == work_process_id, events.c.mission_sequence > after)
        .order_by(events.c.mission_sequence)
        .limit(limit)
    )
    return [_event(row) for row in rows.mappings()]


def _event(row: Any) -> Event:
    mission = None if row["work_process_id"] is None else str(row["work_process_id"])
    return Event(
        id=str(row["uuid"]),
        type=row["type"],
        source=row["source"],
        target=row["target"],
        timestamp=row["timestamp"],
        payload=row["payload"],
        mission_id=mission,
        task_id=mission,
        correlation_id=row["correlation_id"],
        causation_id=row["causation_id"],
        severity=Severity(row["severity"]),
        actor=Principal.model_validate(row["actor"]),
        meta={
            "schema_version": SCHEMA_VERSION,
            "producer": "muster",
            "source_module": row["source_module"],
        },
        sequence=row["sequence"],
        mission_sequence=row["mission_sequence"],
    )


async def give_positions(database: Database, *, limit: int = 1000) -> int:
    """Number visible events that have no global position yet, in id order; returns how many.

    The number is given after the commit, by one sequencer at a time: ids alone are no positions, since a transaction
    with a lower id may commit after one with a higher id, and a reader at "after N" would miss it.
    """
    async with database.transaction() as connection:
        leader = await connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _SEQUENCER_LOCK})
        if not leader:
            return 0
        result = await connection.execute(
            text(
                """
                WITH last AS (SELECT coalesce(max(sequence), 0) AS position FROM events),
                fresh AS (SELECT id FROM events WHERE sequence IS NULL ORDER BY id LIMIT :limit),
                numbered AS (SELECT id, row_number() OVER (ORDER BY id) AS offset_ FROM fresh)
                UPDATE events SET sequence = last.position + numbered.offset_
                FROM numbered, last WHERE events.id = numbered.id
                """
            ),
            {"limit": limit},
        )
        return result.rowcount
