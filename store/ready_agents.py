"""Agents that say `ready`: which reservation that answers, whose agents are all ready now, and who is stranded."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import text

from missions.contracts import AgentsReady, Signal
from missions.statuses import AgentStatus
from store.agents import AgentAddress
from store.connection import Connection
from store.wakeups import NewSignal, Wakeup, add_signals

if TYPE_CHECKING:
    from store.agent_reports import StateReport


@dataclass(frozen=True)
class Claim:
    """What an agent says: that it is ready for this mission; `at`: when we received it."""

    agent_id: int
    work_process_id: int
    at: datetime


@dataclass(frozen=True)
class Stranded:
    """An agent that says `ready` to a mission that holds it no more: the release did not reach it."""

    agent: AgentAddress
    work_process_id: int


@dataclass(frozen=True)
class Complete:
    """Who has all its agents now."""

    waited_for: list[tuple[int, int]] = field(default_factory=list)
    """Attempts (work process, attempt) whose activity still waits for them."""
    wakeups: list[Wakeup] = field(default_factory=list)
    """Of the others."""


async def look(
    connection: Connection, reports: Sequence[tuple[int, "StateReport"]]
) -> tuple[list[Claim], list[Stranded]]:
    """Who answers a reservation that still waits for it, and who may be stranded; `reports`: with the agents' ids.

    A plain look before the locks: it only decides which work processes are worth locking.
    """
    said = {
        agent_id: (report, Claim(agent_id, report.work_process_id, report.received_at))
        for agent_id, report in reports
        if report.status == AgentStatus.READY and report.work_process_id is not None
    }
    if not said:
        return [], []
    rows = await connection.execute(
        _LOOK,
        {
            "agents": [claim.agent_id for _, claim in said.values()],
            "missions": [claim.work_process_id for _, claim in said.values()],
            "said": [report.said_at for report, _ in said.values()],
        },
    )
    found = {row.agent_id: row for row in rows}
    ready = [claim for agent_id, (_, claim) in said.items() if agent_id in found and found[agent_id].unanswered]
    stranded = [
        Stranded(AgentAddress(row.agent_id, said[row.agent_id][0].uuid, row.protocol), row.work_process_id)
        for row in found.values()
        if not row.unanswered
    ]
    return ready, stranded


# What is said within two seconds of a mission's end may have crossed its release.
_LOOK = text(
    """
    SELECT r.agent_id, r.work_process_id, true AS unanswered, NULL AS protocol
    FROM unnest(CAST(:agents AS bigint[]), CAST(:missions AS bigint[])) AS u(agent_id, work_process_id)
    JOIN reservations AS r ON r.agent_id = u.agent_id AND r.work_process_id = u.work_process_id
    WHERE r.ready_at IS NULL
    UNION ALL
    SELECT u.agent_id, u.work_process_id, false, a.protocol
    FROM unnest(CAST(:agents AS bigint[]), CAST(:missions AS bigint[]), CAST(:said AS timestamptz[]))
        AS u(agent_id, work_process_id, said_at)
    JOIN work_processes AS w ON w.id = u.work_process_id AND u.agent_id = ANY(w.agent_ids)
    JOIN agents AS a ON a.id = u.agent_id
    WHERE NOT EXISTS (SELECT FROM reservations AS r WHERE r.agent_id = u.agent_id)
        AND (w.ended_at < u.said_at - interval '2 seconds'
            OR EXISTS (SELECT FROM reservation_requests AS q WHERE q.work_process_id = w.id AND q.status = 'waiting'))
    """
)


async def held_by_none(connection: Connection, stranded: Sequence[Stranded]) -> list[Stranded]:
    """Those whom no mission holds, once they are locked: another may have been granted them since the look.

    A release would overtake its reserve. Nobody is granted the others before they say `free`.
    """
    if not stranded:
        return []
    rows = await connection.execute(_HELD, {"agents": [each.agent.id for each in stranded]})
    held = {row.agent_id for row in rows}
    return [each for each in stranded if each.agent.id not in held]


_HELD = text("SELECT agent_id FROM reservations WHERE agent_id = ANY(CAST(:agents AS bigint[]))")


async def write(connection: Connection, ready: Sequence[Claim]) -> Complete:
    """Note who is ready; wake the missions whose last awaited agent that was."""
    if not ready:
        return Complete()
    rows = await connection.execute(
        _WRITE,
        {
            "agents": [c.agent_id for c in ready],
            "missions": [c.work_process_id for c in ready],
            "at": [c.at for c in ready],
        },
    )
    answered = {(row.work_process_id, row.attempt, row.round) for row in rows if row.acknowledge_reservation}
    if not answered:
        return Complete()
    complete = (
        await connection.execute(
            _COMPLETE,
            {
                "missions": [mission for mission, _, _ in answered],
                "attempts": [attempt for _, attempt, _ in answered],
                "rounds": [round_ for _, _, round_ in answered],
            },
        )
    ).all()
    waited_for = [(row.work_process_id, row.attempt) for row in complete if not row.handed_over]
    signals = [
        NewSignal(
            row.workflow_id,
            row.work_process_id,
            Signal.AGENTS_READY,
            AgentsReady(attempt=row.attempt, round=row.round),
        )
        for row in complete
        if row.handed_over
    ]
    return Complete(waited_for, await add_signals(connection, signals))


_WRITE = text(
    """
    UPDATE reservations AS r SET ready_at = u.at
    FROM unnest(CAST(:agents AS bigint[]), CAST(:missions AS bigint[]), CAST(:at AS timestamptz[]))
        AS u(agent_id, work_process_id, at), agents AS a
    WHERE r.agent_id = u.agent_id AND r.work_process_id = u.work_process_id AND r.ready_at IS NULL
        AND a.id = r.agent_id
    RETURNING r.work_process_id, r.attempt, r.round, a.acknowledge_reservation
    """
)

# A substitute has a round of its own: it is waited for alone.
_COMPLETE = text(
    """
    SELECT r.work_process_id, r.attempt, coalesce(r.round, q.round) AS round, q.handed_over, w.workflow_id
    FROM reservations AS r
    JOIN unnest(CAST(:missions AS bigint[]), CAST(:attempts AS integer[]), CAST(:rounds AS integer[]))
        AS u(work_process_id, attempt, round)
        ON u.work_process_id = r.work_process_id AND u.attempt = r.attempt AND u.round IS NOT DISTINCT FROM r.round
    JOIN agents AS a ON a.id = r.agent_id
    JOIN reservation_requests AS q ON q.work_process_id = r.work_process_id AND q.attempt = r.attempt
    JOIN work_processes AS w ON w.id = r.work_process_id
    WHERE w.workflow_id IS NOT NULL
    GROUP BY r.work_process_id, r.attempt, r.round, q.round, q.handed_over, w.workflow_id
    HAVING bool_and(r.ready_at IS NOT NULL OR NOT a.acknowledge_reservation)
    ORDER BY r.work_process_id
    """
)
