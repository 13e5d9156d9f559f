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

from sqlalchemy import delete, func, insert, select, text, update

from missions import task_events
from missions.events import utc_now
from missions.priorities import score, score_key
from store import events
from store.database import Connection
from store.tables import (
    agents,
    reservation_request_agents,
    reservation_requests,
    reservations,
    work_processes,
)
from store.work_process_status import LockedWorkProcess


@dataclass(frozen=True)
class Request:
    """One attempt's request for agents."""

    id: int
    status: str
    round: int
    enqueued_at: datetime


async def find_request(connection: Connection, work_process_id: int, attempt: int) -> Request | None:
    """The request of this attempt, if it was made already."""
    row = (
        await connection.execute(
            select(
                reservation_requests.c.id,
                reservation_requests.c.status,
                reservation_requests.c.round,
                reservation_requests.c.enqueued_at,
            ).where(
                reservation_requests.c.work_process_id == work_process_id,
                reservation_requests.c.attempt == attempt,
            )
        )
    ).one_or_none()
    return None if row is None else Request(*row)


async def lock_agents(connection: Connection, agent_ids: Collection[int]) -> None:
    """Lock agents' rows in id order; before any read of lines or reservations."""
    await connection.execute(
        select(agents.c.id).where(agents.c.id.in_(agent_ids)).order_by(agents.c.id).with_for_update()
    )


async def enqueue(connection: Connection, work_process: LockedWorkProcess) -> tuple[Request, bool]:
    """Put a locked mission's request in line, or find it there; its agents get locked. And whether it is new."""
    await lock_agents(connection, work_process.agent_ids)
    known = await find_request(connection, work_process.id, work_process.attempt)
    if known is not None:
        return known, False
    now = utc_now()
    key = score_key(work_process.priority, now)
    request_id = await connection.scalar(
        insert(reservation_requests)
        .values(
            work_process_id=work_process.id,
            attempt=work_process.attempt,
            status="waiting",
            priority=work_process.priority,
            enqueued_at=now,
            score_key=key,
        )
        .returning(reservation_requests.c.id)
    )
    assert request_id is not None
    await connection.execute(
        text(
            """
            INSERT INTO reservation_request_agents (request_id, agent_id, score_key, claims)
            SELECT :request, agents.id, :key, bool_and(agents.available) OVER ()
            FROM agents WHERE agents.id = ANY(:agents)
            """
        ),
        {"request": request_id, "key": key, "agents": work_process.agent_ids},
    )
    return Request(request_id, "waiting", 0, now), True


async def try_grant(connection: Connection, work_process: LockedWorkProcess, request: Request) -> Request | None:
    """Grant a waiting request if it may be; mission and agents are locked. None: not yet."""
    may = await connection.scalar(
        text(
            """
            SELECT bool_and(
                agents.status = 'free' AND agents.yard_id IS NOT NULL
                AND agents.not_listening_since IS NULL AND agents.quarantined_since IS NULL
                AND NOT EXISTS (SELECT FROM reservations WHERE reservations.agent_id = agents.id)
                AND (
                    SELECT line.request_id FROM reservation_request_agents AS line
                    WHERE line.agent_id = agents.id AND line.claims
                    ORDER BY line.score_key, line.request_id LIMIT 1
                ) IS NOT DISTINCT FROM :request
            )
            FROM reservation_request_agents AS wanted JOIN agents ON agents.id = wanted.agent_id
            WHERE wanted.request_id = :request
            """
        ),
        {"request": request.id},
    )
    if not may:
        return None
    now = utc_now()
    at_grant = score(work_process.priority, request.enqueued_at, now)
    await connection.execute(
        update(reservation_requests)
        .where(reservation_requests.c.id == request.id)
        .values(status="granted", granted_at=now, score=at_grant, round=request.round + 1)
    )
    await _leave_line(connection, request.id)
    await connection.execute(
        insert(reservations),
        [
            {
                "agent_id": agent_id,
                "work_process_id": work_process.id,
                "attempt": work_process.attempt,
                "granted_at": now,
            }
            for agent_id in sorted(set(work_process.agent_ids))
        ],
    )
    if request.round == 0:
        await events.append_for_mission(
            connection,
            work_process.id,
            [
                task_events.started(
                    work_process.id,
                    work_process.type_name,
                    work_process.priority,
                    at_grant,
                    work_process.attempt - 1,
                    now,
                )
            ],
            attempt=work_process.attempt,
            values={"started_at": func.coalesce(work_processes.c.started_at, now)},
        )
    return Request(request.id, "granted", request.round + 1, request.enqueued_at)


async def _leave_line(connection: Connection, request_id: int) -> None:
    await connection.execute(
        update(reservation_request_agents)
        .where(reservation_request_agents.c.request_id == request_id)
        .values(claims=False)
    )


async def end_request(connection: Connection, work_process_id: int, attempt: int) -> list[int]:
    """Take a request out of its lines; returns its agents, whose lines the caller refreshes after the commit."""
    request_id = await connection.scalar(
        update(reservation_requests)
        .where(
            reservation_requests.c.work_process_id == work_process_id,
            reservation_requests.c.attempt == attempt,
            reservation_requests.c.status != "ended",
        )
        .values(status="ended")
        .returning(reservation_requests.c.id)
    )
    if request_id is None:
        return []
    left = await connection.execute(
        update(reservation_request_agents)
        .where(reservation_request_agents.c.request_id == request_id)
        .values(claims=False)
        .returning(reservation_request_agents.c.agent_id)
    )
    return sorted(left.scalars())


async def put_back(connection: Connection, work_process_id: int, attempt: int) -> None:
    """Give a granted request its old place in line again; its agents are locked and no longer reserved."""
    request_id = await connection.scalar(
        update(reservation_requests)
        .where(
            reservation_requests.c.work_process_id == work_process_id,
            reservation_requests.c.attempt == attempt,
            reservation_requests.c.status == "granted",
        )
        .values(status="waiting")
        .returning(reservation_requests.c.id)
    )
    if request_id is not None:
        await recompute_claims(connection, [request_id])


async def recompute_claims(connection: Connection, request_ids: Sequence[int]) -> None:
    """Let waiting requests claim their agents, or not, as the agents' `available` says.

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
                SELECT member.request_id, bool_and(agents.available) AND bool_and(request.status = 'waiting') AS claims
                FROM reservation_request_agents AS member
                JOIN reservation_requests AS request ON request.id = member.request_id
                JOIN agents ON agents.id = member.agent_id
                WHERE member.request_id = ANY(:requests) GROUP BY member.request_id
            ) AS now_
            WHERE line.request_id = now_.request_id AND line.claims IS DISTINCT FROM now_.claims
            """
        ),
        {"requests": list(request_ids)},
    )


async def release(connection: Connection, work_process_id: int, agent_ids: Collection[int] | None = None) -> list[int]:
    """Delete a mission's reservations (of these agents, or all); its agents are locked. Returns the agents."""
    condition = reservations.c.work_process_id == work_process_id
    if agent_ids is not None:
        condition &= reservations.c.agent_id.in_(agent_ids)
    freed = await connection.execute(delete(reservations).where(condition).returning(reservations.c.agent_id))
    return sorted(freed.scalars())
