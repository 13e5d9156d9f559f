"""The waiting line moves: grants after an agent was freed, came back, or lost somebody before it in its line."""

from collections.abc import Collection

from sqlalchemy import text

from missions.contracts import AgentsGranted, Signal
from store import events
from store.database import Connection, Database
from store.operation_types import ABLE_TO
from store.reservations import find_request, lock_agents, recompute_claims, try_grant
from store.wakeups import NewSignal, Wakeup, add_signals
from store.work_process_status import lock

# Whether requests may claim the agent's companions: it speaks, it listens, nobody took it out of service.
_AVAILABLE = (
    "coalesce(agents.status IN ('free', 'ready', 'busy'), false) AND agents.yard_id IS NOT NULL"
    " AND agents.not_listening_since IS NULL AND agents.quarantined_since IS NULL"
)

# What an agent can do matters when it could be granted; on its way it may report what it is busy with.
_CHANGED = (
    f"(agents.available IS DISTINCT FROM ({_AVAILABLE})"
    f" OR (agents.status = 'free' AND agents.able_to IS DISTINCT FROM {ABLE_TO}))"
)


async def refresh_lines(database: Database, agent_ids: Collection[int]) -> list[Wakeup]:
    """Grant what can be granted after something changed for these agents; the caller sends the wake-ups.

    Cheap when nothing waits: one read for all agents. Each grant is a transaction of its own.
    """
    if not agent_ids:
        return []
    changed, heads = await _look(database, agent_ids)
    if changed:
        concerned = await _refresh_availability(database, changed)
        _, heads = await _look(database, concerned | set(agent_ids))
    granted = []
    for work_process_id, attempt in heads:
        wakeup = await _grant_waiting(database, work_process_id, attempt)
        if wakeup is not None:
            granted.append(wakeup)
    return granted


async def _look(database: Database, agent_ids: Collection[int]) -> tuple[list[int], list[tuple[int, int]]]:
    """Which of these agents came or went, and who is first in the line of those that are free: (mission, attempt)."""
    async with database.statement() as connection:
        rows = (await connection.execute(_LOOK, {"ids": list(agent_ids)})).all()
    changed = [row.id for row in rows if row.changed]
    heads = sorted({(row.work_process_id, row.attempt) for row in rows if row.work_process_id is not None})
    return changed, heads


_LOOK = text(
    f"""
    SELECT agents.id, {_CHANGED} AS changed,
           request.work_process_id, request.attempt
    FROM agents
    LEFT JOIN LATERAL (
        SELECT line.request_id FROM reservation_request_agents AS line
        WHERE line.agent_id = agents.id AND line.claims
        ORDER BY line.score_key, line.request_id LIMIT 1
    ) AS head ON agents.status = 'free'
        AND NOT EXISTS (SELECT FROM reservations WHERE reservations.agent_id = agents.id)
    LEFT JOIN reservation_requests AS request ON request.id = head.request_id
    WHERE agents.id = ANY(CAST(:ids AS bigint[]))
    """
)
_SET_AVAILABLE = text(
    f"UPDATE agents SET available = ({_AVAILABLE}), able_to = {ABLE_TO} WHERE id = ANY(CAST(:ids AS bigint[]))"
)
_CONCERNED = text(
    """
    SELECT DISTINCT companion.agent_id, companion.request_id
    FROM reservation_request_agents AS mine
    JOIN reservation_requests AS request ON request.id = mine.request_id AND request.status = 'waiting'
    JOIN reservation_request_agents AS companion ON companion.request_id = mine.request_id
    WHERE mine.agent_id = ANY(CAST(:ids AS bigint[]))
    """
)


async def _refresh_availability(database: Database, agent_ids: Collection[int]) -> set[int]:
    """Let the requests of agents that came or went claim or drop their other agents; returns all agents concerned.

    `agents.available` and `able_to` are the facts that claims are made of; they change here only, under its lock.
    """
    async with database.transaction() as connection:
        await lock_agents(connection, agent_ids)
        await connection.execute(_SET_AVAILABLE, {"ids": list(agent_ids)})
        # Read under the lock: a request that comes later waits for it, and then finds the new `available`.
        rows = (await connection.execute(_CONCERNED, {"ids": list(agent_ids)})).all()
        if rows:
            await recompute_claims(connection, sorted({row.request_id for row in rows}))
        return {row.agent_id for row in rows}


async def _grant_waiting(database: Database, work_process_id: int, attempt: int) -> Wakeup | None:
    async with database.transaction() as connection:
        work_process = await lock(connection, work_process_id)
        if work_process.superseded or work_process.ended or work_process.attempt != attempt:
            return None
        await lock_agents(connection, work_process.agent_ids)
        request = await find_request(connection, work_process_id, attempt)
        if request is None or request.status != "waiting":
            return None
        granted = await try_grant(connection, work_process, request)
        if granted is None:
            return None
        await events.append_for_mission(
            connection, work_process_id, granted.started, attempt=attempt, values=granted.values
        )
        assert work_process.workflow_id is not None
        grant = NewSignal(
            work_process.workflow_id, work_process_id, Signal.AGENTS_GRANTED, AgentsGranted(attempt=attempt)
        )
        return (await add_signals(connection, [grant]))[0]


async def agents_with_missed_grants(connection: Connection, limit: int = 100) -> list[int]:
    """Free agents in whose line somebody waits: what a process left behind that died before its grants."""
    rows = await connection.execute(
        text(
            f"""
            SELECT agents.id FROM agents
            WHERE (agents.status = 'free' AND EXISTS (
                SELECT FROM reservation_request_agents AS line WHERE line.agent_id = agents.id AND line.claims
            ) AND NOT EXISTS (SELECT FROM reservations WHERE reservations.agent_id = agents.id))
            OR {_CHANGED}
            LIMIT :limit
            """
        ),
        {"limit": limit},
    )
    return list(rows.scalars())
