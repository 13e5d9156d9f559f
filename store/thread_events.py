"""Events that were raised for event-driven threads: kept while a thread is armed, until it takes them one by one.

A thread that sleeps is woken once; while it is awake events only add rows, so that a source of any rate never meets
the limit of a run's signals. The lock on the thread's row makes raising and taking one after the other: no event falls
between them, and a thread's events are numbered in the order in which they are committed.

Lock order: threads come last, after work processes, agents and reservations, by (work process, number).
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from sqlalchemy import text

from missions.mission_files.contracts import EventRaised, ThreadSignal
from missions.mission_files.event_names import both_forms
from store.connection import Connection
from store.wakeups import NewSignal, Wakeup, add_signals


class Over(Enum):
    """The answer of `take` when no event will come any more."""

    OVER = "over"


OVER: Final = Over.OVER


@dataclass(frozen=True)
class Raised:
    """Something that happened at an agent. `names`: what it is called; a thread that waits for any of them gets it."""

    source_id: int
    names: tuple[str, ...]


async def raise_(connection: Connection, source_id: int, event: str) -> list[Wakeup]:
    """Keep an event for each thread that is armed for it, and wake those that sleep."""
    return await raise_all(connection, [Raised(source_id, (event,))])


async def raise_all(connection: Connection, raised: Sequence[Raised]) -> list[Wakeup]:
    """The same of many, in their order: one statement if nobody waits for them, at most four whatever their number."""
    if not raised:
        return []
    wanted = {key for one in raised for key in _keys(one)}
    threads = (
        await connection.execute(
            _ARMED, {"sources": [source for source, _ in wanted], "events": [name for _, name in wanted]}
        )
    ).all()
    if not threads:
        return []
    armed_for: dict[tuple[int, str], list[Any]] = defaultdict(list)
    for thread in threads:
        armed_for[thread.source_id, thread.event].append(thread)
    rows = [thread for one in raised for key in _keys(one) for thread in armed_for.get(key, ())]
    await connection.execute(
        _KEEP,
        {
            "missions": [row.work_process_id for row in rows],
            "numbers": [row.number for row in rows],
            "events": [row.event for row in rows],
        },
    )
    asleep = [thread for thread in threads if thread.asleep]
    if not asleep:
        return []
    await connection.execute(
        _WAKE,
        {"missions": [thread.work_process_id for thread in asleep], "numbers": [thread.number for thread in asleep]},
    )
    return await add_signals(
        connection,
        [
            NewSignal(thread.workflow_id, thread.work_process_id, ThreadSignal.EVENT_RAISED, EventRaised())
            for thread in asleep
        ],
    )


def _keys(one: Raised) -> set[tuple[int, str]]:
    return {(one.source_id, form) for name in one.names for form in both_forms(name)}


async def arm(connection: Connection, work_process_id: int, number: int, source_id: int, event: str) -> None:
    """Have events kept for a thread from now on; a repeat changes nothing, nor does it after a `disarm`."""
    await connection.execute(_ARM, {"mission": work_process_id, "number": number, "source": source_id, "event": event})


async def disarm(connection: Connection, work_process_id: int, numbers: Collection[int] | None = None) -> None:
    """Have no events kept any more for these threads (None: all), for good; what was raised is still to be taken."""
    wanted = None if numbers is None else sorted(numbers)
    await connection.execute(_DISARM, {"mission": work_process_id, "numbers": wanted})


async def take(connection: Connection, work_process_id: int, number: int, served: int) -> str | Over | None:
    """The next event for a thread that has served so many; the same one again if this is tried again.

    None: there is none yet, and the signal `event_raised` follows with the next. OVER: none will come.
    """
    thread = {"mission": work_process_id, "number": number}
    armed = await connection.scalar(_LOCK, thread)
    if served > 1:
        await connection.execute(_FORGET_SERVED, {**thread, "served": served})
    event: str | None = await connection.scalar(_TAKE, {**thread, "next": served + 1})
    if event is not None:
        return event
    if not armed:
        return OVER
    await connection.execute(_SLEEP, thread)
    return None


async def forget(connection: Connection, work_process_id: int, *numbers: int) -> None:
    """Drop what was raised for threads that have ended, and keep nothing for them any more."""
    await disarm(connection, work_process_id, numbers)  # and with it the lock: nothing is raised in between
    await connection.execute(_FORGET, {"mission": work_process_id, "numbers": sorted(numbers)})


# The rows as they are once they are locked: a thread that has fallen asleep meanwhile is seen to sleep.
_ARMED = text(
    """
    SELECT work_process_id, number, workflow_id, source_id, event, asleep FROM mission_threads
    WHERE armed AND (source_id, event) IN (
        SELECT * FROM unnest(CAST(:sources AS bigint[]), CAST(:events AS text[]))
    )
    ORDER BY work_process_id, number FOR NO KEY UPDATE
    """
)

_KEEP = text(
    """
    INSERT INTO thread_events (work_process_id, number, event)
    SELECT work_process_id, number, event
    FROM unnest(CAST(:missions AS bigint[]), CAST(:numbers AS integer[]), CAST(:events AS text[]))
        WITH ORDINALITY AS u(work_process_id, number, event, place)
    ORDER BY place
    """
)

_WAKE = text(
    """
    UPDATE mission_threads SET asleep = false
    FROM unnest(CAST(:missions AS bigint[]), CAST(:numbers AS integer[])) AS u(work_process_id, number)
    WHERE mission_threads.work_process_id = u.work_process_id AND mission_threads.number = u.number
    """
)

# Only a thread that never was armed: a try that comes late must not arm one that has ended.
_ARM = text(
    """
    UPDATE mission_threads
    SET source_id = CAST(:source AS bigint), event = CAST(:event AS text), armed = true, status = 'waiting',
        command = NULL
    WHERE work_process_id = CAST(:mission AS bigint) AND number = CAST(:number AS integer) AND armed IS NULL
    """
)

_DISARM = text(
    """
    WITH locked AS (
        SELECT number FROM mission_threads
        WHERE work_process_id = CAST(:mission AS bigint)
            AND (CAST(:numbers AS integer[]) IS NULL OR number = ANY(CAST(:numbers AS integer[])))
        ORDER BY number FOR NO KEY UPDATE
    )
    UPDATE mission_threads SET armed = false, asleep = false FROM locked
    WHERE work_process_id = CAST(:mission AS bigint) AND mission_threads.number = locked.number
    """
)

_LOCK = text(
    """
    SELECT armed FROM mission_threads
    WHERE work_process_id = CAST(:mission AS bigint) AND number = CAST(:number AS integer) FOR NO KEY UPDATE
    """
)

# Rows are taken in the order of their ids: those that were taken stand first, so neither statement looks through all
# that wait. The last one that was served stays: by it a try that comes too late is known, and takes nothing.
_FORGET_SERVED = text(
    """
    DELETE FROM thread_events
    WHERE work_process_id = CAST(:mission AS bigint) AND number = CAST(:number AS integer) AND id < (
        SELECT id FROM thread_events
        WHERE work_process_id = CAST(:mission AS bigint) AND number = CAST(:number AS integer)
            AND taken_as >= CAST(:served AS integer)
        ORDER BY id LIMIT 1
    )
    """
)

_TAKE = text(
    """
    UPDATE thread_events SET taken_as = coalesce(taken_as, CAST(:next AS integer)) WHERE id = (
        SELECT id FROM thread_events
        WHERE work_process_id = CAST(:mission AS bigint) AND number = CAST(:number AS integer)
            AND (taken_as >= CAST(:next AS integer) OR taken_as IS NULL)
        ORDER BY id LIMIT 1
    )
    RETURNING event
    """
)

_SLEEP = text(
    """
    UPDATE mission_threads SET asleep = true
    WHERE work_process_id = CAST(:mission AS bigint) AND number = CAST(:number AS integer)
    """
)

_FORGET = text(
    """
    DELETE FROM thread_events
    WHERE work_process_id = CAST(:mission AS bigint) AND number = ANY(CAST(:numbers AS integer[]))
    """
)
