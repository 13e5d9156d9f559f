"""Assignments that came back, since their agents did not listen; who wakes their missions when these may listen."""

from collections.abc import Collection

from sqlalchemy import text

from missions.contracts import AgentListens, Signal
from store.connection import Connection
from store.wakeups import NewSignal, Wakeup, add_signals


async def wake(connection: Connection, agent_ids: Collection[int]) -> list[Wakeup]:
    """Wake the missions that wait to send something to those of these agents that count as listening.

    In the transaction in which they do so again, or in one that is tried until it succeeds.
    """
    rows = await connection.execute(_AWAITED, {"ids": list(agent_ids)})
    signals = [
        NewSignal(row.workflow_id, row.work_process_id, Signal.AGENT_LISTENS, AgentListens(assignment_id=row.id))
        for row in rows
    ]
    return await add_signals(connection, signals)


_AWAITED = text(
    """
    SELECT a.id, a.work_process_id, a.workflow_id FROM assignments AS a JOIN agents ON agents.id = a.agent_id
    WHERE a.agent_id = ANY(CAST(:ids AS bigint[])) AND a.status = 'to_dispatch' AND a.intent_at IS NULL
        AND agents.not_listening_since IS NULL
    ORDER BY a.id
    """
)
