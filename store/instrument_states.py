"""The states that instruments say of themselves: in reports on commands, which come in order, and among their sensors.

Sensors come by a queue of their own, up to a minute late: what was said before the last report is passed over.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text

from store import instruments
from store.connection import Connection

_LONGEST = 100


@dataclass(frozen=True)
class Told:
    """A state, and when the instrument said it."""

    state: str
    said_at: datetime


def told(said: Any, name: str, said_at: datetime) -> Told | None:
    """The state under this name of an object that an instrument sent; None if there is none that could be one."""
    state = said.get(name) if isinstance(said, dict) else None
    if not isinstance(state, str) or not 0 < len(state) <= _LONGEST or not state.isprintable():
        return None
    return Told(state, said_at)


async def reported(connection: Connection, states: Mapping[int, Told]) -> None:
    """Write the states that reports told, by agent id; the agents are locked."""
    if states:
        rows = _rows(states)
        await _note(connection, (await connection.execute(_CHANGED, rows)).all())
        await connection.execute(_REPORTED, {"ids": rows["ids"], "said": rows["said"]})


async def sensed(connection: Connection, states: Mapping[int, Told]) -> None:
    """Write the states among sensors, by agent id; the agents are locked. One statement for all that are known."""
    if states:
        await _note(connection, (await connection.execute(_CHANGED_SINCE, _rows(states))).all())


async def _note(connection: Connection, changed: Any) -> None:
    await instruments.note_states(connection, {row.agent_id: row.state for row in changed})


def _rows(states: Mapping[int, Told]) -> dict[str, Any]:
    ids = sorted(states)
    return {"ids": ids, "states": [states[one].state for one in ids], "said": [states[one].said_at for one in ids]}


_TOLD = """
    SELECT u.agent_id, u.state
    FROM unnest(CAST(:ids AS bigint[]), CAST(:states AS text[]), CAST(:said AS timestamptz[]))
        AS u(agent_id, state, said_at)
    LEFT JOIN instruments ON instruments.agent_id = u.agent_id
    WHERE instruments.state IS DISTINCT FROM u.state
"""
_CHANGED = text(f"{_TOLD} ORDER BY u.agent_id")

# Nothing waits longer than a minute among the sensors: an instrument whose clock was set back is not held to it.
_CHANGED_SINCE = text(
    f"""{_TOLD} AND NOT coalesce(
        u.said_at < instruments.reported_at AND instruments.reported_at > now() - INTERVAL '1 minute', false
    ) ORDER BY u.agent_id"""
)

_REPORTED = text(
    """
    UPDATE instruments SET reported_at = u.said_at
    FROM unnest(CAST(:ids AS bigint[]), CAST(:said AS timestamptz[])) AS u(agent_id, said_at)
    WHERE instruments.agent_id = u.agent_id
    """
)
