"""Who holds which agent, and who waits for it in which order.

All or none: a request gets all its agents in one transaction, once it is the first in the line of each of them and
all are grantable. So there is no deadlock, no overtaking and no starvation. A request with an agent that is not
available keeps its place but claims none of its other agents meanwhile.

Every transaction that reads or changes a reservation first locks the agents' rows in id order and only then, in a
separate statement, reads the lines and reservations: else a grant is lost between two transactions that each see the
other's state as it was before.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, select, text, update

from missions import task_events
from missions.event_catalogue import event
from missions.event_payloads.work_process import WorkProcessAgentsChosen
from missions.events import EventSource, NewEvent, utc_now
from missions.principals import MUSTER
from missions.priorities import score, score_key
from missions.statuses import WorkProcessStatus
from store import selectors
from store.connection import Connection
from store.operation_types import ABLE_TO
from store.tables import (
    reservation_requests,
    reservations,
)
from store.work_process_status import LockedWorkProcess


@dataclass(frozen=True)
class Request:
    """One attempt's request for agents."""

    id: int
    status: str
    round: int
    enqueued_at: datetime
    handed_over: bool = False


async def find_request(connection: Connection, work_process_id: int, attempt: int) -> Request | None:
    """The request of this attempt, if it was made already."""
    row = (await connection.execute(_FIND, {"of": work_process_id, "attempt_": attempt})).one_or_none()
    return None if row is None else Request(*row)


async def lock_agents(connection: Connection, agent_ids: Collection[int]) -> None:
    """Lock agents' rows in id order; before any read of lines or reservations.

    Not their keys: who plans assignments refers to agents in the planner's order, and must not wait for this.
    """
    await connection.execute(_LOCK_AGENTS, {"ids": list(agent_ids)})


async def lock_agents_of(connection: Connection, work_process_id: int, also: Collection[int]) -> None:
    """Lock those that a locked mission holds, named or not, and others with them, as `lock_agents` does."""
    await connection.execute(_LOCK_AGENTS_OF, {"of": work_process_id, "ids": list(also)})


_FIND = select(
    reservation_requests.c.id,
    reservation_requests.c.status,
    reservation_requests.c.round,
    reservation_requests.c.enqueued_at,
    reservation_requests.c.handed_over,
).where(
    reservation_requests.c.work_process_id == bindparam("of"),
    reservation_requests.c.attempt == bindparam("attempt_"),
)
_LOCK_AGENTS = text("SELECT id FROM agents WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY id FOR NO KEY UPDATE")

_LOCK_AGENTS_OF = text(
    """
    SELECT id FROM agents
    WHERE id = ANY(CAST(:ids AS bigint[]) || ARRAY(SELECT agent_id FROM reservations WHERE work_process_id = :of))
    ORDER BY id FOR NO KEY UPDATE
    """
)


async def enqueue(connection: Connection, work_process: LockedWorkProcess) -> tuple[Request, bool, list[int]]:
    """Put a locked mission's request in line, or find it there: the request, whether it is new, the locked agents."""
    candidates = await lock_wanted(connection, work_process)
    if work_process.status is not WorkProcessStatus.DISPATCHED:  # which it leaves in this very transaction
        known = await find_request(connection, work_process.id, work_process.attempt)
        if known is not None:
            return known, False, candidates
    now = utc_now()
    request_id = await connection.scalar(
        _ENQUEUE,
        {
            "of": work_process.id,
            "attempt": work_process.attempt,
            "priority": work_process.priority,
            "now": now,
            "key": score_key(work_process.priority, now),
            "agents": [] if work_process.agent_selector else work_process.agent_ids,
            "operations": work_process.operation_types_required,
        },
    )
    assert request_id is not None
    wants = selectors.wanted(work_process)
    if wants is not None:
        await selectors.enqueue(connection, request_id, wants)
    return Request(request_id, "waiting", 0, now), True, candidates


async def lock_wanted(connection: Connection, work_process: LockedWorkProcess) -> list[int]:
    """Lock the agents that a locked mission names, or may choose among; returns them."""
    wants = selectors.wanted(work_process)
    if wants is None:
        await lock_agents(connection, work_process.agent_ids)
        return work_process.agent_ids
    return await selectors.lock_candidates(connection, wants, work_process.agent_ids)


@dataclass(frozen=True)
class Grant:
    """A request that got its agents; `started`: the event to write, at an attempt's first grant, with `values`."""

    request: Request
    started: Sequence[NewEvent]
    values: dict[str, Any]


async def try_grant(
    connection: Connection, work_process: LockedWorkProcess, request: Request, candidates: Collection[int]
) -> Grant | None:
    """Grant a waiting request if it may be; mission and agents (`candidates`) are locked. None: not yet.

    The caller writes the grant's events and values in the same transaction.
    """
    chosen: dict[str, Any] = {}
    agent_ids = sorted(set(work_process.agent_ids))
    if work_process.agent_selector is None:
        may = await connection.scalar(
            _MAY_BE_GRANTED, {"request": request.id, "operations": work_process.operation_types_required}
        )
        if not may:
            return None
    else:
        agents = await selectors.choose(connection, request.id, candidates)
        if agents is None:
            return None
        agent_ids = sorted(agent_id for agent_id, _ in agents)
        chosen = {"agent_ids": [agent_id for agent_id, _ in agents], "agent_uuids": [uuid for _, uuid in agents]}
    now = utc_now()
    at_grant = score(work_process.priority, request.enqueued_at, now)
    await connection.execute(
        _GRANT,
        {
            "request": request.id,
            "now": now,
            "score": at_grant,
            "of": work_process.id,
            "attempt": work_process.attempt,
            "agents": agent_ids,
        },
    )
    granted = Request(request.id, "granted", request.round + 1, request.enqueued_at)
    told = [_chosen(chosen)] if chosen else []
    if request.round > 0:
        return Grant(granted, told, chosen)
    started = task_events.started(
        work_process.id, work_process.type_name, work_process.priority, at_grant, work_process.attempt - 1, now
    )
    return Grant(granted, [*told, started], {"started_at": now, **chosen})


def _chosen(agents: dict[str, Any]) -> NewEvent:
    return event(WorkProcessAgentsChosen(**agents), source=EventSource.MISSION_WORKER, actor=MUSTER)


_ENQUEUE = text(
    """
    WITH request AS (
        INSERT INTO reservation_requests (work_process_id, attempt, status, priority, enqueued_at, score_key)
        VALUES (:of, :attempt, 'waiting', :priority, :now, :key) RETURNING id
    ), line AS (
        INSERT INTO reservation_request_agents (request_id, agent_id, score_key, claims)
        SELECT request.id, agents.id, :key,
               bool_and(agents.available AND agents.able_to @> CAST(:operations AS text[])) OVER ()
        FROM request, agents WHERE agents.id = ANY(CAST(:agents AS bigint[]))
    )
    SELECT id FROM request
    """
)

_MAY_BE_GRANTED = text(
    f"""
    SELECT bool_and(
        {selectors.GRANTABLE} AND CAST(:operations AS text[]) <@ {ABLE_TO} AND NOT {selectors.AHEAD}
        AND (
            SELECT line.request_id FROM reservation_request_agents AS line
            WHERE line.agent_id = agents.id AND line.claims
            ORDER BY line.score_key, line.request_id LIMIT 1
        ) IS NOT DISTINCT FROM :request
    )
    FROM reservation_request_agents AS mine JOIN agents ON agents.id = mine.agent_id
    WHERE mine.request_id = :request
    """
)

_GRANT = text(
    """
    WITH granted AS (
        UPDATE reservation_requests SET
            status = 'granted', granted_at = :now, score = :score, round = round + 1, handed_over = false
        WHERE id = :request
    ), left_line AS (
        UPDATE reservation_request_agents SET claims = false WHERE request_id = :request
    )
    INSERT INTO reservations (agent_id, work_process_id, attempt, granted_at)
    SELECT agent_id, :of, :attempt, :now FROM unnest(CAST(:agents AS bigint[])) AS agent_id
    """
)

_END_REQUEST = text(
    """
    WITH ended AS (
        UPDATE reservation_requests SET status = 'ended'
        WHERE work_process_id = :of AND attempt = :attempt AND status <> 'ended' RETURNING id
    ), left_line AS (
        UPDATE reservation_request_agents AS line SET claims = false FROM ended WHERE line.request_id = ended.id
        RETURNING line.agent_id
    ), left_yard AS (
        UPDATE reservation_selectors AS line SET waiting = false, claims = false
        FROM ended WHERE line.request_id = ended.id AND line.waiting RETURNING line.yard_id
    )
    SELECT agent_id, NULL AS yard_id FROM left_line UNION SELECT NULL, yard_id FROM left_yard
    """
)


# Also of a request that was ended before: nobody waits by one that is over.
_LEAVE = text(
    """
    WITH ended AS (
        UPDATE reservation_requests SET status = 'ended'
        WHERE work_process_id = :of AND attempt = :attempt RETURNING id
    ), left_line AS (
        UPDATE reservation_request_agents AS line SET claims = false FROM ended WHERE line.request_id = ended.id
        RETURNING line.agent_id
    ), left_yard AS (
        UPDATE reservation_selectors AS line SET waiting = false, claims = false
        FROM ended WHERE line.request_id = ended.id AND line.waiting RETURNING line.yard_id
    ), freed AS (
        DELETE FROM reservations WHERE work_process_id = :of RETURNING agent_id
    )
    SELECT agent_id, CAST(NULL AS bigint) AS yard_id FROM left_line
    UNION SELECT agent_id, NULL FROM freed
    UNION SELECT NULL, yard_id FROM left_yard
    """
)


async def leave(connection: Connection, work_process_id: int, attempt: int) -> list[int]:
    """End an attempt's request and its reservations; its agents are locked. Returns them, to refresh their lines."""
    left = await connection.execute(_LEAVE, {"of": work_process_id, "attempt": attempt})
    return await _moved(connection, left.all())


async def end_request(connection: Connection, work_process_id: int, attempt: int) -> list[int]:
    """Take a request out of its lines; returns its agents, whose lines the caller refreshes after the commit."""
    left = await connection.execute(_END_REQUEST, {"of": work_process_id, "attempt": attempt})
    return await _moved(connection, left.all())


async def _moved(connection: Connection, left: Sequence[Any]) -> list[int]:
    """The agents in whose lines others move up; a request that chooses stood in those of a whole yard."""
    agent_ids = {row.agent_id for row in left if row.agent_id is not None}
    yard_ids = [row.yard_id for row in left if row.yard_id is not None]
    if yard_ids:
        agent_ids.update(await selectors.free_agents(connection, yard_ids))
    return sorted(agent_ids)


async def hand_over(connection: Connection, request: Request) -> bool:
    """From now on a signal tells the workflow that its agents are ready. True: they are already.

    Locks the agents, so that a `ready` comes either before this, and is seen here, or after it, and is signalled.
    """
    await connection.execute(_LOCK_HELD, {"request": request.id})
    await connection.execute(_HAND_OVER, {"request": request.id})
    return bool(await connection.scalar(_ALL_READY, {"request": request.id}))


_LOCK_HELD = text(
    """
    SELECT agents.id FROM agents JOIN reservation_request_agents AS member ON member.agent_id = agents.id
    WHERE member.request_id = :request ORDER BY agents.id FOR NO KEY UPDATE OF agents
    """
)
_HAND_OVER = text("UPDATE reservation_requests SET handed_over = true WHERE id = :request")
_ALL_READY = text(
    """
    SELECT bool_and(held.ready_at IS NOT NULL OR NOT agents.acknowledge_reservation)
    FROM reservation_requests AS request
    JOIN reservations AS held
        ON held.work_process_id = request.work_process_id AND held.attempt = request.attempt
    JOIN agents ON agents.id = held.agent_id
    WHERE request.id = :request
    """
)


# The head of an agent's own line, and of its yard's among those that would take it.
HEAD = f"""
    SELECT first.request_id, first.chooses FROM (
        (SELECT line.request_id, line.score_key, false AS chooses FROM reservation_request_agents AS line
         WHERE line.agent_id = agents.id AND line.claims
         ORDER BY line.score_key, line.request_id LIMIT 1)
        UNION ALL
        (SELECT selector.request_id, selector.score_key, true FROM reservation_selectors AS selector
         WHERE selector.yard_id = agents.yard_id AND selector.waiting AND selector.claims AND {selectors.WOULD_DO}
         ORDER BY selector.score_key, selector.request_id LIMIT 1)
    ) AS first ORDER BY first.score_key, first.request_id LIMIT 1
"""
"""SQL: who is first at an agent."""


async def put_back(connection: Connection, work_process: LockedWorkProcess, silent: Collection[int]) -> list[int]:
    """Give a granted request its old place in line again; its agents are locked and no longer reserved.

    Returns further agents whose lines the caller refreshes: those that it may choose now.
    """
    request_id = await connection.scalar(
        update(reservation_requests)
        .where(
            reservation_requests.c.work_process_id == work_process.id,
            reservation_requests.c.attempt == work_process.attempt,
            reservation_requests.c.status == "granted",
        )
        .values(status="waiting")
        .returning(reservation_requests.c.id)
    )
    if request_id is None:
        return []
    wants = selectors.wanted(work_process)
    if wants is None:
        await recompute_claims(connection, [request_id])
        return []
    await selectors.put_back(connection, request_id, wants, silent)
    return await selectors.free_agents(connection, [wants["yard"]])


async def recompute_claims(connection: Connection, request_ids: Sequence[int]) -> None:
    """Let waiting requests claim their agents, or not, as the agents' `available` and `able_to` say.

    The requests' rows are locked first: two changes at once would else each miss the other's agent.
    """
    await connection.execute(
        select(reservation_requests.c.id)
        .where(reservation_requests.c.id.in_(request_ids))
        .order_by(reservation_requests.c.id)
        .with_for_update()
    )
    await connection.execute(
        text(
            """
            UPDATE reservation_request_agents AS line SET claims = now_.claims
            FROM (
                SELECT member.request_id, bool_and(
                    agents.available AND agents.able_to @> mission.operation_types_required
                    AND request.status = 'waiting'
                ) AS claims
                FROM reservation_request_agents AS member
                JOIN reservation_requests AS request ON request.id = member.request_id
                JOIN work_processes AS mission ON mission.id = request.work_process_id
                JOIN agents ON agents.id = member.agent_id
                WHERE member.request_id = ANY(:requests) GROUP BY member.request_id
            ) AS now_
            WHERE line.request_id = now_.request_id AND line.claims IS DISTINCT FROM now_.claims
            """
        ),
        {"requests": list(request_ids)},
    )


async def release(connection: Connection, work_process_id: int) -> list[int]:
    """Delete a mission's reservations; its agents are locked. Returns the agents."""
    freed = await connection.execute(
        delete(reservations).where(reservations.c.work_process_id == work_process_id).returning(reservations.c.agent_id)
    )
    return sorted(freed.scalars())
