"""The old end of the event log: what may be archived, and its removal afterwards."""

from datetime import datetime
from functools import partial
from itertools import takewhile

from sqlalchemy import bindparam, select, text

from missions.events import Event
from store import event_backlogs
from store.connection import Connection
from store.event_history import bounds
from store.events import to_event
from store.tables import events

REMOVED_AT_ONCE = 1000
_PAGE = 250


async def oldest(connection: Connection, before: datetime, limit: int, *, keep_for_disabled: float) -> list[Event]:
    """The oldest events, of one day (UTC) and before a moment, that no outlet has still to deliver; by position.

    `keep_for_disabled`: seconds for which a disabled webhook still needs its events.
    """
    ends = await bounds(connection)
    delivered = await event_backlogs.lowest_position(connection, keep_for_disabled=keep_for_disabled)
    until = ends.last if delivered is None else min(delivered, ends.last)
    found: list[Event] = []
    position = ends.archived
    # A page at a time: whoever shares this process waits while one is made to events.
    while len(found) < limit:
        rows = (await connection.execute(_KEPT, {"after": position, "until": until})).mappings().all()
        page = [to_event(row) for row in rows]
        if not page:
            break
        due = list(takewhile(partial(_due, before, (found or page)[0]), page))
        found += due
        if len(due) < _PAGE:
            break
        position = rows[-1]["sequence"]
    return found


def _due(before: datetime, first: Event, event: Event) -> bool:
    return event.timestamp < before and event.timestamp.date() == first.timestamp.date()


_KEPT = (
    select(events)
    .where(events.c.sequence > bindparam("after"), events.c.sequence <= bindparam("until"))
    .order_by(events.c.sequence)
    .limit(_PAGE)
)


async def any_before(connection: Connection, moment: datetime) -> bool:
    """Whether the oldest event that is kept is older than this."""
    return bool(await connection.scalar(_OLDER, {"moment": moment}))


async def remove(connection: Connection, until: int) -> bool:
    """Remove a few of the events up to this position, which are archived; returns whether there are more of them."""
    removed: int = await connection.scalar(_REMOVE, {"until": until})
    return removed < until


async def stuck(connection: Connection, error: str) -> None:
    """Events cannot be archived, and why."""
    await connection.execute(_STUCK, {"error": error})


async def gets_on(connection: Connection) -> None:
    """They can, or none are to be."""
    await connection.execute(_GETS_ON)


_OLDER = text(
    "SELECT timestamp < :moment FROM events WHERE sequence > (SELECT archived_position FROM event_log)"
    " ORDER BY sequence LIMIT 1"
)
# The log's row last: who gives positions needs it too. Positions without an event, which somebody deleted, count as
# removed: the removal goes on behind them.
_REMOVE = text(
    f"""
    WITH gone AS (
        DELETE FROM events USING event_log WHERE sequence > archived_position
            AND sequence <= least(:until, archived_position + {REMOVED_AT_ONCE})
        RETURNING sequence
    )
    UPDATE event_log SET archived_position = least(:until, archived_position + {REMOVED_AT_ONCE})
    FROM (SELECT count(*) FROM gone) AS first RETURNING archived_position
    """
)
_STUCK = text("UPDATE event_log SET archive_error = :error, archive_error_since = coalesce(archive_error_since, now())")
_GETS_ON = text("UPDATE event_log SET archive_error = NULL, archive_error_since = NULL WHERE archive_error IS NOT NULL")
