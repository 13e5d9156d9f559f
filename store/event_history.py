"""What readers see of the event log: what has a position, in the order of positions.

Each statement looks at few rows, however long the log is: by an index of what is asked for, or, where the filter has
none (an agent, a platform, or a type and a severity at once), in a stretch of the log, after which the reader asks for
the next.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from sqlalchemy import TextClause, text

from missions.errors import Gone, InvalidInput
from missions.event_filters import EventFilter
from missions.events import Event, EventSource
from missions.statuses import Severity
from store.connection import Connection
from store.events import of_mission, to_event
from store.tables import events
from store.work_process_queries import unknown_mission

NO_FILTER = EventFilter()

_STRETCH = 10_000
# A time is taken before the commit, the position after it: so much later, and so many events apart, at most.
_SLACK = "interval '1 minute'"
_SLACK_ROWS = 1000


@dataclass(frozen=True)
class Bounds:
    """The log's ends: the last position given, and up to where events were archived and removed."""

    last: int
    archived: int

    @property
    def oldest(self) -> int:
        """The first position that is kept."""
        return self.archived + 1


@dataclass(frozen=True)
class HistoryPage:
    """Some events.

    `position`: up to where, of the newest, the log was looked through for them; `next_after`: where to ask on, None at
    the end; `archived_until`: the log's archived position, if events of before it may be wanted, and the page would
    show them.
    """

    events: list[Event]
    position: int
    next_after: int | None
    archived_until: int | None = None


async def bounds(connection: Connection) -> Bounds:
    """The log's ends at this moment."""
    row = (await connection.execute(_BOUNDS)).one()
    return Bounds(last=row.last_position, archived=row.archived_position)


_BOUNDS = text("SELECT last_position, archived_position FROM event_log")


def require_within(after: int, ends: Bounds, field: str) -> None:
    """Raise Gone or InvalidInput for a cursor from which the log cannot be followed without a gap."""
    if after > ends.last:
        raise InvalidInput(
            f"the log ends at position {ends.last}: this cursor is of another log",
            field=field,
            value=after,
            remedy="read the present state, and follow from now on: without a cursor",
        )
    if after < ends.archived:
        raise Gone(
            f"the events after position {after} are archived up to position {ends.archived};"
            f" the oldest that is kept is {ends.oldest}",
            field=field,
            value=after,
            remedy=f"go on after {ends.archived}, and find what is missing in the archive",
        )


async def page(
    connection: Connection,
    wanted: EventFilter = NO_FILTER,
    *,
    after: int | None,
    limit: int,
    newest_first: bool = False,
    field: str = "after",
) -> HistoryPage:
    """Events after a position, or before it with `newest_first`; in a transaction of its own.

    Raises Gone if some after the position are archived, InvalidInput if the log has not reached it.
    """
    # Else events could be archived between one statement and the next, and the reader would jump without a word.
    await freeze(connection)
    ends = await bounds(connection)
    if after is not None and not newest_first:
        require_within(after, ends, field)
    low, high = await _between(connection, wanted, ends)
    archived = None if after is not None and not newest_first else await _archived_until(connection, wanted, low, ends)
    if newest_first:
        high = high if after is None else min(high, after - 1)
    else:
        low = low if after is None else max(low, after)
    full, newest = high - low, max(high, low)
    if _in_stretches(wanted):
        low, high = (max(low, high - _STRETCH), high) if newest_first else (low, min(high, low + _STRETCH))
    found = await _read(connection, wanted, low, high, limit + 1, newest_first)
    more = full > max(0, high - low)
    if len(found) > limit:
        del found[limit:]
        low = high = found[-1].sequence or 0
        more = True
    elif newest_first:
        low += 1
    if newest_first:
        return HistoryPage(found, newest, low if more else None, None if more else archived)
    position = max(high, after or 0)
    return HistoryPage(found, position, position if more else None, archived)


async def _archived_until(connection: Connection, wanted: EventFilter, low: int, ends: Bounds) -> int | None:
    """The archived position, if what is wanted may begin before it."""
    if ends.archived == 0 or low > ends.archived:
        return None
    if wanted.mission_id is not None and not await connection.scalar(_BEGINS_ARCHIVED, {"mission": wanted.mission_id}):
        return None
    return ends.archived


_BEGINS_ARCHIVED = text(
    """
    SELECT event_count > 0 AND NOT EXISTS (SELECT FROM events WHERE work_process_id = :mission AND mission_sequence = 1)
    FROM work_processes WHERE id = :mission
    """
)


async def freeze(connection: Connection) -> None:
    """Let all that is read in this transaction be of one moment; its first statement."""
    await connection.execute(_ONE_MOMENT)


@dataclass(frozen=True)
class MissionTip:
    """How far a mission's events go: how many, and the position of the last one; None: it has none yet."""

    status: str
    count: int
    position: int | None
    log_position: int


async def mission_tip(connection: Connection, work_process_id: int) -> MissionTip:
    """How far a mission's events go; raises NotFound."""
    row = (await connection.execute(_TIP, {"mission": work_process_id})).one_or_none()
    if row is None:
        raise unknown_mission(work_process_id)
    # An event that is not there was archived.
    position = row.sequence if row.there else row.archived_position
    return MissionTip(row.status, row.event_count, position, row.last_position)


_TIP = text(
    """
    SELECT status, event_count, last_position, archived_position, events.sequence, events.id IS NOT NULL AS there
    FROM work_processes CROSS JOIN event_log
    LEFT JOIN events ON events.work_process_id = work_processes.id AND mission_sequence = event_count
    WHERE work_processes.id = :mission
    """
)


async def position_of(connection: Connection, work_process_id: int, number: int) -> int | None:
    """The position of a mission's event by its `mission_sequence`; None while it has none."""
    found: int | None = await connection.scalar(_POSITION_OF, {"mission": work_process_id, "number": number})
    return found


_POSITION_OF = text("SELECT sequence FROM events WHERE work_process_id = :mission AND mission_sequence = :number")


async def archived_of_mission(
    connection: Connection, work_process_id: int, after: int | None, found: Sequence[Event]
) -> int | None:
    """Up to which `mission_sequence` events before those that were found are archived; None: none of them is.

    Raises Gone if somebody asked for what follows a certain one.
    """
    count = 0 if found else (await mission_tip(connection, work_process_id)).count
    if count > (after or 0):  # archived, or written since they were looked for
        found = await of_mission(connection, work_process_id, after=after or 0, limit=1)
    oldest = found[0].mission_sequence if found else count + 1
    if oldest is None or oldest <= (after or 0) + 1:
        return None
    if after is not None:
        raise Gone(
            f"the events of work process {work_process_id} before number {oldest} are archived",
            field="after",
            value=after,
            remedy=f"go on after {oldest - 1}, and find what is missing in the archive",
        )
    return oldest - 1


async def new_events(connection: Connection, after: int, limit: int) -> list[Event]:
    """All events after a position, for one that has followed up to there."""
    rows = await connection.execute(_NEW, {"after": after, "limit": limit})
    return [to_event(row) for row in rows.mappings()]


_ONE_MOMENT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def _in_stretches(wanted: EventFilter) -> bool:
    by_two = bool(wanted.types) and wanted.severity is not Severity.INFO
    by_devices = wanted.agent is not None or bool(wanted.devices)
    return wanted.mission_id is None and (by_devices or by_two)


async def _between(connection: Connection, wanted: EventFilter, ends: Bounds) -> tuple[int, int]:
    """The positions (from, to] among which the wanted events are, as far as their times tell."""
    low, high = ends.archived, ends.last
    if wanted.since is not None:
        first = await connection.scalar(_FIRST_SINCE, {"moment": wanted.since})
        low = high if first is None else max(low, first - 1)  # those after them have no position yet
    if wanted.until is not None:
        last = await connection.scalar(_LAST_UNTIL, {"moment": wanted.until})
        high = low if last is None else min(high, last)
    return low, high


_FIRST_SINCE = text(
    "SELECT min(sequence) FROM (SELECT sequence FROM events"
    f" WHERE timestamp >= CAST(:moment AS timestamptz) - {_SLACK} ORDER BY timestamp LIMIT {_SLACK_ROWS}) AS first"
)
_LAST_UNTIL = text(
    # What has no position yet is later than all that have.
    f"SELECT max(coalesce(sequence, {2**63 - 1})) FROM (SELECT sequence FROM events"
    f" WHERE timestamp < CAST(:moment AS timestamptz) + {_SLACK} ORDER BY timestamp DESC LIMIT {_SLACK_ROWS}) AS last"
)


async def _read(
    connection: Connection, wanted: EventFilter, low: int, high: int, limit: int, newest_first: bool
) -> list[Event]:
    parameters = {"low": low, "high": high, "limit": limit} | {
        name: value
        for name, value in {
            "mission": wanted.mission_id,
            "types": sorted(wanted.types) or None,
            "severities": None if wanted.severity is Severity.INFO else wanted.severities(),
            "source": None if wanted.agent is None else EventSource.agent(wanted.agent),
            "target": wanted.agent,
            "devices": sorted(wanted.devices) or None,
            "voices": [EventSource.agent(device) for device in sorted(wanted.devices)] or None,
            "since": wanted.since,
            "until": wanted.until,
        }.items()
        if value is not None
    }
    rows = await connection.execute(_statement(frozenset(parameters), newest_first), parameters)
    return [to_event(row) for row in rows.mappings()]


_CONDITIONS = {
    "mission": "work_process_id = :mission",
    "types": "type = ANY(CAST(:types AS text[]))",
    "severities": "severity = ANY(CAST(:severities AS text[]))",
    "source": "(source = :source OR target = :target OR payload->>'agent_uuid' = :target)",
    "devices": """(
        source = ANY(CAST(:voices AS text[])) OR target = ANY(CAST(:devices AS text[]))
        OR payload->>'agent_uuid' = ANY(CAST(:devices AS text[])) OR payload->>'origin' = ANY(CAST(:devices AS text[]))
    )""",
    "since": "timestamp >= :since",
    "until": "timestamp < :until",
}


@cache
def _statement(given: frozenset[str], newest_first: bool) -> TextClause:
    order = "DESC" if newest_first else ""
    conditions = {name: condition for name, condition in _CONDITIONS.items() if name in given}
    # One short walk of an index for each type or severity: together they may be many, and each is bounded.
    keys = "types" if "types" in given else "severities"
    if "mission" not in given and keys in given:
        column = {"types": "type", "severities": "severity"}[keys]
        del conditions[keys]
        # Key and position compared together: so only the index of both serves, and not that of the positions alone, in
        # which a rare key may be far away.
        within = (f"({column}, sequence) > (key, :low)", f"({column}, sequence) <= (key, :high)")
        # As a constant, so that the partial index of what went wrong is seen to do.
        grave = ("severity <> 'INFO'",) if keys == "severities" else ()
        where = " AND ".join([*within, *grave, *conditions.values()])
        by = f"{column} {order}, sequence {order}"
        inner = f"SELECT sequence FROM events WHERE {where} ORDER BY {by} LIMIT :limit"
        picked = (
            f"SELECT of_key.sequence FROM unnest(CAST(:{keys} AS text[])) AS key CROSS JOIN LATERAL ({inner}) AS of_key"
            f" ORDER BY of_key.sequence {order} LIMIT :limit"
        )
        return text(f"SELECT {_COLUMNS} FROM events WHERE sequence = ANY(ARRAY({picked})) ORDER BY sequence {order}")
    # A mission's events have their positions in its own order.
    by = "mission_sequence" if "mission" in given else "sequence"
    where = " AND ".join([*_POSITIONS, *conditions.values()])
    return text(f"SELECT {_COLUMNS} FROM events WHERE {where} ORDER BY {by} {order} LIMIT :limit")


_POSITIONS = ("sequence > :low", "sequence <= :high")
_COLUMNS = ", ".join(column.name for column in events.c)
_NEW = text(f"SELECT {_COLUMNS} FROM events WHERE sequence > :after ORDER BY sequence LIMIT :limit")
