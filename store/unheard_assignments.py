"""Assignments that came back, since their agents did not listen; who wakes their missions when these may listen."""

from collections.abc import Collection

from sqlalchemy import text

from missions.contracts import AgentListens, Signal
from store.database import Database
from store.wakeups import NewSignal, Wakeup, add_signals


async def wake(database: Database, agent_ids: Collection[int]) -> list[Wakeup]:
    """Wake the missions that wait to send something to those of these agents that count as listening."""
    async with database.transaction() as connection:
        rows = (await connection.execute(_AWAITED, {"ids": list(agent_ids)})).all()
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
