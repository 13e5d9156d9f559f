"""Missions that look for an agent in place of a silent one, and are woken when one that fits is free: one for each.

A search is a row from the look that found nobody until the mission is woken, so each is woken once for a look. It
claims nobody and stands in no line: who waits in line comes first.
"""

from collections.abc import Collection
from typing import Any

from sqlalchemy import text

from missions.contracts import AgentFreed, Signal
from store import selectors
from store.connection import Connection
from store.database import Database
from store.reservations import HEAD
from store.wakeups import NewSignal, Wakeup, add_signals
from store.work_process_status import LockedWorkProcess

FITS = f"""
    agents.id <> selector.silent_id AND agents.agent_type IS NOT DISTINCT FROM selector.agent_type
    AND {selectors.WOULD_DO} AND {selectors.GRANTABLE} AND NOT EXISTS ({HEAD})
"""
"""SQL: whether an agent is free for a search (`selector`): like the silent one, and first in nobody's line."""

IN_YARD = "EXISTS (SELECT FROM substitute_searches AS search WHERE search.yard_id = agents.yard_id)"
"""SQL: whether an agent may be one that is sought."""


async def begin(connection: Connection, work_process: LockedWorkProcess, assignment: Any) -> None:
    """Look for an agent like the assignment's, as the mission's selector wants it; the mission is locked."""
    named = {"yard": None, "operations": work_process.operation_types_required, "battery": None}
    kind = selectors.wanted(work_process) or named
    await connection.execute(
        _BEGIN,
        {
            **{name: kind[name] for name in named},
            "assignment": assignment["id"],
            "silent": assignment["agent_id"],
            "mission_yard": work_process.yard_id,
        },
    )


_BEGIN = text(
    """
    INSERT INTO substitute_searches (
        assignment_id, silent_id, yard_id, agent_class, agent_type, operation_types, battery_above
    ) SELECT :assignment, id, coalesce(CAST(:yard AS bigint), yard_id, :mission_yard), agent_class, agent_type,
        CAST(:operations AS text[]), CAST(:battery AS float8)
    FROM agents WHERE id = :silent
    ON CONFLICT (assignment_id) DO NOTHING
    """
)


async def end(connection: Connection, assignment_id: int) -> None:
    """One was found, or none is needed; the mission is locked."""
    await connection.execute(_END, {"assignment": assignment_id})


_END = text("DELETE FROM substitute_searches WHERE assignment_id = :assignment")


async def wake(database: Database, agent_ids: Collection[int]) -> list[Wakeup]:
    """For each of these agents that is free for a search end one, oldest first, and wake its mission to look again."""
    async with database.transaction() as connection:
        woken = (await connection.execute(_WAKE, {"ids": list(agent_ids)})).all()
        signals = [
            NewSignal(row.workflow_id, row.work_process_id, Signal.AGENT_FREED, AgentFreed(assignment_id=row.id))
            for row in woken
        ]
        return await add_signals(connection, signals)


# What nobody needs any more goes too: the end of a mission has no statement for it. Without waiting for a row that is
# locked: others wake its mission, or it ends the search itself. The n-th free agent of a kind looks at the n-th search
# that it fits, so agents that fit the same ones wake one each. Where they differ (in what they can do, in battery) two
# may look at the same search and leave out another, as where an agent is not taken then: the relay finds it for those.
_WAKE = text(
    f"""
    WITH freed AS (
        SELECT agents.*, row_number() OVER (PARTITION BY yard_id, agent_class, agent_type ORDER BY id) AS n
        FROM agents WHERE id = ANY(CAST(:ids AS bigint[]))
            AND EXISTS (SELECT FROM substitute_searches AS selector WHERE {FITS})
    ), over AS (
        DELETE FROM substitute_searches WHERE assignment_id IN (
            SELECT selector.assignment_id FROM substitute_searches AS selector
            JOIN assignments AS a ON a.id = selector.assignment_id
            JOIN work_processes AS w ON w.id = a.work_process_id
            WHERE selector.yard_id IN (SELECT yard_id FROM agents WHERE id = ANY(CAST(:ids AS bigint[])))
                AND (a.ended_at IS NOT NULL OR w.status <> 'executing')
            FOR UPDATE OF selector SKIP LOCKED
        )
    ), woken AS (
        DELETE FROM substitute_searches WHERE assignment_id IN (
            SELECT of_agent.assignment_id FROM freed AS agents CROSS JOIN LATERAL (
                SELECT selector.assignment_id FROM substitute_searches AS selector
                JOIN assignments AS a ON a.id = selector.assignment_id
                JOIN work_processes AS w ON w.id = a.work_process_id
                WHERE a.ended_at IS NULL AND w.status = 'executing' AND {FITS}
                ORDER BY selector.assignment_id OFFSET agents.n - 1 LIMIT 1 FOR UPDATE OF selector SKIP LOCKED
            ) AS of_agent
        )
        RETURNING assignment_id
    )
    SELECT a.id, a.work_process_id, a.workflow_id FROM woken
    JOIN assignments AS a ON a.id = woken.assignment_id ORDER BY a.id
    """
)
