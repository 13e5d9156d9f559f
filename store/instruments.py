"""Instruments: the state that each last said of itself."""

import json
from collections.abc import Collection, Mapping

from sqlalchemy import text

from missions.event_catalogue import event
from missions.event_payloads.agent import AgentInstrumentStateChanged
from missions.events import EventSource
from store.agents import agent_principal
from store.connection import Connection
from store.events import append


async def note_states(connection: Connection, states: Mapping[int, str]) -> set[int]:
    """Write what instruments say of their states, by agent id; returns those that are in another one than before.

    Locks the instruments' rows in id order, after agents.
    """
    if not states:
        return set()
    said = json.dumps([{"id": agent_id, "state": states[agent_id]} for agent_id in sorted(states)])
    changed = (await connection.execute(_NOTE, {"said": said})).all()
    await append(
        connection,
        [
            event(
                AgentInstrumentStateChanged(agent_id=row.id, agent_uuid=row.uuid, from_=row.before, to=states[row.id]),
                source=EventSource.agent(row.uuid),
                actor=agent_principal(row.uuid),
            )
            for row in changed
        ],
    )
    return {row.id for row in changed}


async def states(connection: Connection, agent_ids: Collection[int]) -> dict[int, str | None]:
    """What each of these last said; None: nothing yet."""
    rows = await connection.execute(_STATES, {"ids": list(agent_ids)})
    said = {row.agent_id: row.state for row in rows}
    return {agent_id: said.get(agent_id) for agent_id in agent_ids}


_NOTE = text(
    """
    WITH said AS (SELECT * FROM jsonb_to_recordset(CAST(:said AS jsonb)) AS said(id bigint, state text)),
    before AS (
        SELECT agents.id, agents.uuid, said.state, instruments.state AS before
        FROM said JOIN agents ON agents.id = said.id LEFT JOIN instruments ON instruments.agent_id = said.id
    ),
    written AS (
        INSERT INTO instruments (agent_id, state) SELECT id, state FROM before ORDER BY id
        ON CONFLICT (agent_id) DO UPDATE SET state = excluded.state, changed_at = now()
        WHERE instruments.state IS DISTINCT FROM excluded.state
        RETURNING agent_id
    )
    SELECT before.id, before.uuid, before.before FROM before JOIN written ON written.agent_id = before.id
    ORDER BY before.id
    """
)
_STATES = text("SELECT agent_id, state FROM instruments WHERE agent_id = ANY(CAST(:ids AS bigint[]))")
