"""The waiting line moves: grants after an agent was freed, came back, or lost somebody before it in its line."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import text

from missions.contracts import AgentsGranted, Signal
from store import events, selectors, substitute_searches
from store.connection import Connection
from store.database import Database
from store.operation_types import ABLE_TO
from store.reservations import HEAD, find_request, lock_agents, lock_wanted, recompute_claims, try_grant
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
    f" OR (agents.status = 'free' AND agents.able_to IS DISTINCT FROM {ABLE_TO})"
    f" OR (agents.available AND agents.seen_as IS DISTINCT FROM {selectors.SEEN_AS}))"
)


async def refresh_lines(database: Database, agent_ids: Collection[int]) -> list[Wakeup]:
    """Grant what can be granted after something changed for these agents; the caller sends the wake-ups.

    Cheap when nothing waits: one read for all agents. Each grant is a transaction of its own.
    """
    if not agent_ids:
        return []
    concerned = set(agent_ids)
    found = await _look(database, concerned)
    if found.changed:
        concerned |= await _refresh_availability(database, found.changed)
        found = await _look(database, concerned)
    heads, sought = found.heads, found.sought
    wakeups: list[Wakeup] = []
    while heads:
        again = False
        for head in heads:
            tried = await _grant_waiting(database, head)
            wakeups += tried.wakeups
            again |= tried.left_line and head.chooses
            # One that chooses stood before others at all the agents that it did not take.
            concerned |= tried.passed_over
        heads = (await _look(database, concerned)).heads if again else []
    # Who waits in line comes first.
    return [*wakeups, *await substitute_searches.wake(database, concerned)] if sought else wakeups


@dataclass(frozen=True, order=True)
class _Head:
    """A mission that is first in an agent's line."""

    work_process_id: int
    attempt: int
    chooses: bool


@dataclass(frozen=True)
class _Found:
    """Which agents came or went, who is first in the line of those that are free, whether one may be a substitute."""

    changed: list[int]
    heads: list[_Head]
    sought: bool


async def _look(database: Database, agent_ids: Collection[int]) -> _Found:
    async with database.statement() as connection:
        rows = (await connection.execute(_LOOK, {"ids": list(agent_ids)})).all()
    heads = {_Head(row.work_process_id, row.attempt, row.chooses) for row in rows if row.work_process_id is not None}
    return _Found([row.id for row in rows if row.changed], sorted(heads), any(row.sought for row in rows))


_LOOK = text(
    f"""
    SELECT agents.id, {_CHANGED} AS changed,
           request.work_process_id, request.attempt, head.chooses,
           agents.status = 'free' AND {substitute_searches.IN_YARD} AS sought
    FROM agents
    LEFT JOIN LATERAL ({HEAD}) AS head ON agents.status = 'free'
        AND NOT EXISTS (SELECT FROM reservations WHERE reservations.agent_id = agents.id)
    LEFT JOIN reservation_requests AS request ON request.id = head.request_id
    WHERE agents.id = ANY(CAST(:ids AS bigint[]))
    """
)
# The yard is read again from `seen_as`.
_SET_AVAILABLE = text(
    f"""
    UPDATE agents SET available = ({_AVAILABLE}), able_to = {ABLE_TO}, seen_as = {selectors.SEEN_AS}
    FROM (SELECT id, seen_as FROM agents WHERE id = ANY(CAST(:ids AS bigint[]))) AS before
    WHERE agents.id = before.id
    RETURNING agents.yard_id, CAST(nullif(split_part(before.seen_as, '/', 1), '') AS bigint) AS left_yard_id
    """
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
        moved = (await connection.execute(_SET_AVAILABLE, {"ids": list(agent_ids)})).all()
        # Read under the lock: a request that comes later waits for it, and then finds the new `available`.
        rows = (await connection.execute(_CONCERNED, {"ids": list(agent_ids)})).all()
        if rows:
            await recompute_claims(connection, sorted({row.request_id for row in rows}))
        yard_ids = {yard for row in moved for yard in row if yard}
        return {row.agent_id for row in rows} | set(await selectors.agents_came_or_went(connection, yard_ids))


@dataclass(frozen=True)
class _Tried:
    """What became of the first in a line: `left_line`, it stands there no more; `wakeups`, it got its agents.

    `passed_over`: agents that it chose among, whose lines move now.
    """

    left_line: bool
    wakeups: list[Wakeup]
    passed_over: frozenset[int] = frozenset()


async def _grant_waiting(database: Database, head: _Head) -> _Tried:
    work_process_id, attempt = head.work_process_id, head.attempt
    async with database.transaction() as connection:
        work_process = await lock(connection, work_process_id)
        candidates = await lock_wanted(connection, work_process)
        passed_over = frozenset(candidates if head.chooses else ())
        request = await find_request(connection, work_process_id, attempt)
        if request is None or request.status != "waiting":
            return _Tried(True, [], passed_over)
        if work_process.superseded or work_process.ended or work_process.attempt != attempt:
            # Who ended it takes it out of its lines, and refreshes them.
            return _Tried(False, [])
        granted = await try_grant(connection, work_process, request, candidates)
        if granted is None:
            return _Tried(False, [])
        await events.append_for_mission(
            connection, work_process_id, granted.started, attempt=attempt, values=granted.values
        )
        assert work_process.workflow_id is not None
        grant = NewSignal(
            work_process.workflow_id, work_process_id, Signal.AGENTS_GRANTED, AgentsGranted(attempt=attempt)
        )
        return _Tried(True, await add_signals(connection, [grant]), passed_over)


async def agents_with_missed_grants(connection: Connection, limit: int = 100) -> list[int]:
    """Free agents that somebody waits for: what a process left behind that died before its grants."""
    rows = await connection.execute(
        text(
            f"""
            SELECT agents.id FROM agents
            WHERE (agents.status = 'free' AND EXISTS ({HEAD})
                AND NOT EXISTS (SELECT FROM reservations WHERE reservations.agent_id = agents.id))
            OR EXISTS (SELECT FROM substitute_searches AS selector WHERE {substitute_searches.FITS})
            OR {_CHANGED}
            LIMIT :limit
            """
        ),
        {"limit": limit},
    )
    return list(rows.scalars())
