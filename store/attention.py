"""Trouble that needs a person: a field of the mission, with an event."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import select, text, update

from missions.contracts import RaiseAttention
from missions.event_catalogue import event
from missions.event_payloads.work_process import WorkProcessAttentionCleared, WorkProcessAttentionRaised
from missions.events import EventSource, NewEvent, utc_now
from missions.limits import LONGEST
from missions.principals import MUSTER
from store import events
from store.connection import Connection
from store.database import Database
from store.tables import assignments, work_processes
from store.work_process_status import LockedWorkProcess, lock

Entry = dict[str, Any]

# What a person may still have to do when an attempt is over.
_OUTLIVES_ATTEMPTS = ("cancel_unconfirmed", "fallback_not_started")


def entry(code: str, words: str, agent_id: int | None, assignment_id: int | None) -> Entry:
    """What a mission shows of one trouble, since now."""
    return {
        "code": code,
        "text": words,
        "agentId": agent_id,
        "assignmentId": assignment_id,
        "since": utc_now().isoformat(),
    }


def raised(new: Entry) -> NewEvent:
    """The event of an entry."""
    return event(WorkProcessAttentionRaised.of(new), source=EventSource.MISSION_WORKER, actor=MUSTER)


async def raise_(connection: Connection, call: RaiseAttention) -> bool:
    """Add an entry `{code, text, agentId, assignmentId, since}`; one for each code and assignment, the newest.

    False: nothing new, or the mission has ended, or this attempt of it has.
    """
    work_process = await lock(connection, call.work_process_id, attempt=call.attempt)
    subject = call.code, call.assignment_id
    before = [one for one in work_process.attention if (one["code"], one.get("assignmentId")) == subject]
    if work_process.outdated or work_process.ended or any(one["text"] == call.text for one in before):
        return False
    agent_id = await connection.scalar(select(assignments.c.agent_id).where(assignments.c.id == call.assignment_id))
    new = entry(call.code, call.text, agent_id, call.assignment_id)
    await _write(connection, work_process, [*(one for one in work_process.attention if one not in before), new])
    await events.append_for_mission(connection, work_process.id, [raised(new)], attempt=work_process.attempt)
    return True


async def activity_fails(connection: Connection, work_process_id: int, activity_id: str, words: str) -> None:
    """Say that an activity of a mission is tried again and again; one entry for each activity, the newest."""
    work_process = await lock(connection, work_process_id)
    words = words.replace("\0", "?")
    before = [one for one in work_process.attention if one.get("activityId") == activity_id]
    if work_process.ended or any(one["text"] == words for one in before):
        return
    new = entry("activity_failing", words, None, None) | {"activityId": activity_id}
    await _write(connection, work_process, [*(one for one in work_process.attention if one not in before), new])
    await events.append_for_mission(connection, work_process.id, [raised(new)], attempt=work_process.attempt)


async def activity_succeeds(connection: Connection, work_process_id: int, activity_id: str) -> None:
    """Remove what was said of an activity that failed again and again; a mission that ended says it no more."""
    work_process = await lock(connection, work_process_id)
    if not work_process.ended:
        over = [one for one in work_process.attention if one.get("activityId") == activity_id]
        await _clear(connection, work_process, over)


def at_end(shown: Collection[Entry]) -> tuple[list[Entry], list[NewEvent]]:
    """What a mission that ends goes on to show, and the events of what is over: nothing of it is tried on."""
    return _without(shown, [one for one in shown if one["code"] == "activity_failing"])


def at_attempts_end(shown: Collection[Entry]) -> tuple[list[Entry], list[NewEvent]]:
    """What a mission shows in its next attempt, and the events of what is over: the assignments of this one are."""
    return _without(shown, [one for one in shown if one["code"] not in _OUTLIVES_ATTEMPTS])


def _without(shown: Collection[Entry], over: Collection[Entry]) -> tuple[list[Entry], list[NewEvent]]:
    return [one for one in shown if one not in over], [_cleared(one) for one in over]


async def take_back(
    connection: Connection, work_process: LockedWorkProcess, codes: Collection[str], assignment_id: int
) -> bool:
    """Remove an assignment's entries with these codes, since the trouble is over; False: there is none."""
    over = [one for one in work_process.attention if one["code"] in codes and one.get("assignmentId") == assignment_id]
    return await _clear(connection, work_process, over)


async def _clear(connection: Connection, work_process: LockedWorkProcess, over: Collection[Entry]) -> bool:
    if not over:
        return False
    await _write(connection, work_process, [one for one in work_process.attention if one not in over])
    cleared = [_cleared(one) for one in over]
    await events.append_for_mission(connection, work_process.id, cleared, attempt=work_process.attempt)
    return True


def _cleared(over: Entry) -> NewEvent:
    return event(WorkProcessAttentionCleared.of(over), source=EventSource.MISSION_WORKER, actor=MUSTER)


async def _write(connection: Connection, work_process: LockedWorkProcess, shown: list[Entry]) -> None:
    work_process.attention = shown
    await connection.execute(
        update(work_processes)
        .where(work_processes.c.id == work_process.id)
        .values(attention=shown, version=work_processes.c.version + 1)
    )


async def unstarted_assignments(database: Database, limit: int = 100) -> int:
    """Raise attention on assignments that went out and of which their agents say nothing; returns how many."""
    async with database.statement() as connection:
        rows = (await connection.execute(_UNSTARTED, {"limit": limit})).all()
    for row in rows:
        sent = f"{row.dispatched_at:%Y-%m-%d %H:%M:%S %Z}"
        words = f"agent {row.uuid} was sent assignment {row.id} at {sent} and has said nothing of it"
        await _raise_alone(database, row, "assignment_not_started", words)
    return len(rows)


_UNSTARTED = text(
    f"""
    SELECT a.id, a.work_process_id, a.attempt, a.dispatched_at, agents.uuid
    FROM assignments AS a
    JOIN work_processes AS w ON w.id = a.work_process_id
    JOIN agents ON agents.id = a.agent_id
    WHERE a.status = 'executing' AND a.first_report_at IS NULL AND w.status = 'executing'
      AND a.dispatched_at < now() - make_interval(
          secs => least(coalesce(w.options ->> 'assignmentStartTimeout', '30')::float, {LONGEST}))
      AND NOT w.attention @> jsonb_build_array(
          jsonb_build_object('code', 'assignment_not_started', 'assignmentId', a.id))
    ORDER BY a.work_process_id, a.id LIMIT :limit
    """
)


async def _raise_alone(database: Database, row: Any, code: str, words: str) -> None:
    """Raise attention in a transaction of its own; `row`: id, work_process_id and attempt of an assignment."""
    async with database.transaction() as connection:
        await raise_(
            connection,
            RaiseAttention(
                work_process_id=row.work_process_id,
                attempt=row.attempt,
                transition=0,
                code=code,
                text=words,
                assignment_id=row.id,
            ),
        )
