"""The append-only event log: written in the transaction of its cause, positioned after the commit."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import TextClause, bindparam, select, text
from uuid_utils import uuid7

from missions.events import SCHEMA_VERSION, Event, EventType, Meta, NewEvent, module_of, utc_now
from missions.principals import Principal
from missions.statuses import Severity
from store.connection import Connection
from store.tables import events, work_processes

_Ids = dict[int, str]
"""Ids of the events that are being written, by their numbers."""
_STATUS_CHANGED = EventType.WORK_PROCESS_STATUS_CHANGED
# What every event is written with; its numbers are given by the statement.
_WRITTEN = (
    "uuid, type, source, target, timestamp, payload, work_process_id, correlation_id, causation_id, severity, actor,"
    " source_module, transition, attempt"
)
# Of a mission: its attempt, unless it is said to be of an earlier one.
_OF_MISSION = _WRITTEN.removesuffix("attempt") + "coalesce(new.attempt, counted.attempt)"
_NEW = "SELECT * FROM jsonb_populate_recordset(CAST(NULL AS events), CAST(:new AS jsonb))"
_APPEND = text(f"INSERT INTO events ({_WRITTEN}) SELECT {_WRITTEN} FROM ({_NEW}) AS new")
_APPEND_FOR_MISSIONS = text(
    f"""
    WITH new AS ({_NEW}),
    counted AS (
        UPDATE work_processes SET event_count = event_count + added.count
        FROM (SELECT work_process_id, count(*) AS count FROM new GROUP BY work_process_id) AS added
        WHERE work_processes.id = added.work_process_id
        RETURNING work_processes.id, work_processes.attempt, work_processes.event_count - added.count AS before
    )
    INSERT INTO events ({_WRITTEN}, mission_sequence)
    SELECT {_OF_MISSION}, counted.before + new.mission_sequence
    FROM new JOIN counted ON counted.id = new.work_process_id
    ORDER BY new.work_process_id, new.mission_sequence
    """
)


def where_changed(changes: str, condition: str) -> TextClause:
    """A statement that changes rows of one mission and writes the events of those that did change.

    `changes`: its first CTEs, which lock the mission's row before any other; `condition`: whether a row of `new`, the
    events, is due. Run it with `append_where`. It is a whole transaction in one round trip, and not stale after a wait
    for the lock: what it locks or changes PostgreSQL reads again then. A plain read in it would not be.
    """
    return text(
        f"""
        WITH new AS ({_NEW}), {changes},
        due AS (SELECT new.*, row_number() OVER (ORDER BY mission_sequence) AS place FROM new WHERE {condition}),
        counted AS (
            UPDATE work_processes SET event_count = event_count + added.count
            FROM (SELECT count(*) AS count FROM due) AS added
            WHERE work_processes.id = :mission AND added.count > 0
            RETURNING event_count - added.count AS before, attempt
        )
        INSERT INTO events ({_WRITTEN}, mission_sequence)
        SELECT {_OF_MISSION}, counted.before + new.place FROM due AS new CROSS JOIN counted ORDER BY new.place
        """
    )


async def append_where(
    connection: Connection,
    statement: TextClause,
    work_process_id: int,
    new: Sequence[NewEvent],
    parameters: Mapping[str, Any],
    *,
    attempt: int | None = None,
) -> int:
    """Run a statement of `where_changed`; returns how many of the events were due."""
    ids: _Ids = {}
    rows = [_row(event, ids, work_process_id, attempt, position) for position, event in enumerate(new, start=1)]
    connection.appended_events = True
    return await connection.affected(statement, {**parameters, "mission": work_process_id, "new": json.dumps(rows)})


@cache
def _append_with_values(columns: tuple[str, ...], from_status: bool) -> TextClause:
    """Append events of one mission and write these columns of its row, perhaps only if it has a certain status."""
    changes = [
        # The first start of an attempt counts.
        f"{name} = coalesce(started_at, :set_{name})" if name == "started_at" else f"{name} = :set_{name}"
        for name in columns
    ]
    if {"status", "pause"} & set(columns):
        changes += ["version = version + 1", "modified_at = now()"]
    return text(
        f"""
        WITH new AS ({_NEW}),
        counted AS (
            UPDATE work_processes SET {", ".join(["event_count = event_count + :added", *changes])}
            WHERE id = :of{" AND status = :from_status" if from_status else ""}
            RETURNING event_count - :added AS before, attempt
        )
        INSERT INTO events ({_WRITTEN}, mission_sequence)
        SELECT {_OF_MISSION}, counted.before + new.mission_sequence FROM new CROSS JOIN counted
        ORDER BY new.mission_sequence
        """
    ).bindparams(*(bindparam(f"set_{name}", type_=work_processes.c[name].type) for name in columns))


async def append_for_mission(
    connection: Connection,
    work_process_id: int,
    new: Sequence[NewEvent],
    *,
    attempt: int | None = None,
    transition: int | None = None,
    values: Mapping[str, Any] | None = None,
    from_status: str | None = None,
) -> bool:
    """Append events of one mission; takes the lock of its row, which numbers them 1, 2, 3 … without gaps.

    `transition` numbers the status change among them, so that a retried activity cannot write it twice; `values` are
    written to the mission's row in the same statement. False: it is not in `from_status`, and nothing was written.
    """
    if not new:
        return True
    ids: _Ids = {}
    rows = [
        _row(event, ids, work_process_id, attempt, position, transition if event.type == _STATUS_CHANGED else None)
        for position, event in enumerate(new, start=1)
    ]
    values = values or {}
    columns = tuple(sorted(values))
    connection.appended_events = True
    appended = await connection.affected(
        _append_with_values(columns, from_status is not None),
        {"new": json.dumps(rows), "of": work_process_id, "added": len(rows)}
        | ({} if from_status is None else {"from_status": from_status})
        | {f"set_{name}": values[name] for name in columns},
    )
    written = appended == len(rows)
    assert written or from_status is not None, f"work process {work_process_id} does not exist"
    return written


async def append_for_missions(connection: Connection, new: Mapping[tuple[int, int], Sequence[NewEvent]]) -> None:
    """Append events of many missions, keyed by (work process, attempt), in one statement; their rows are locked."""
    if not new:
        return
    rows, ids = [], _Ids()
    positions: Counter[int] = Counter()
    for (work_process_id, attempt), of_one in sorted(new.items()):
        for event in of_one:
            positions[work_process_id] += 1
            rows.append(_row(event, ids, work_process_id, attempt, positions[work_process_id]))
    connection.appended_events = True
    await connection.execute(_APPEND_FOR_MISSIONS, {"new": json.dumps(rows)})


async def append(connection: Connection, new: Sequence[NewEvent]) -> None:
    """Append events that belong to no mission."""
    if new:
        connection.appended_events = True
        ids: _Ids = {}
        await connection.execute(_APPEND, {"new": json.dumps([_row(event, ids) for event in new])})


def _row(
    event: NewEvent,
    ids: _Ids,
    work_process_id: int | None = None,
    attempt: int | None = None,
    position: int | None = None,
    transition: int | None = None,
) -> dict[str, Any]:
    """An event as a JSON object of its columns; `position` counts from 1 among the new ones of its mission.

    `ids` gets its id: of a cause it is known then.
    """
    uuid = ids[event.number] = str(uuid7())
    return {
        "uuid": uuid,
        "type": event.type,
        "source": event.source,
        "target": event.target,
        "timestamp": utc_now().isoformat(),
        "payload": event.payload,
        "work_process_id": work_process_id,
        "correlation_id": None if work_process_id is None else str(work_process_id),
        "causation_id": None if event.cause is None else ids[event.cause],
        "severity": event.severity,
        "actor": event.actor.model_dump(mode="json"),
        "source_module": module_of(event.source),
        "mission_sequence": position,
        "attempt": attempt,
        "transition": transition,
    }


async def of_mission(connection: Connection, work_process_id: int, *, after: int = 0, limit: int = 100) -> list[Event]:
    """The events of one mission after its `mission_sequence` position, in order."""
    rows = await connection.execute(
        select(events)
        .where(events.c.work_process_id == work_process_id, events.c.mission_sequence > after)
        .order_by(events.c.mission_sequence)
        .limit(limit)
    )
    return [to_event(row) for row in rows.mappings()]


def to_event(row: Any) -> Event:
    """A row of the log as readers get it."""
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
        meta=Meta(schema_version=SCHEMA_VERSION, producer="muster", source_module=row["source_module"]),
        sequence=row["sequence"],
        mission_sequence=row["mission_sequence"],
        attempt=row["attempt"],
    )
