"""Agents that are out of service: not listening, or quarantined. Both keep them out of reservations."""

from collections.abc import Collection, Sequence

from sqlalchemy import case, func, select, text, update

from missions.event_catalogue import event
from missions.event_payloads.agent import AgentNotListening, AgentQuarantined, AgentRateLimited
from missions.events import EventSource
from missions.principals import MUSTER
from store import events, unheard_assignments
from store.connection import Connection
from store.tables import agents
from store.wakeups import Wakeup

# Seconds. A program may listen again without checking in, so its agent is not kept waiting for long; but each time
# costs the history of its mission about ten events, of which a run has 50,000: after an hour the pause grows on.
_LONG_PAUSE, _LONGEST_PAUSE = 60.0, 15 * 60.0
_LONG_PAUSES = 60
_MOST_DOUBLINGS = 16


async def not_listening(connection: Connection, agent_ids: Collection[int], *, pause: float) -> None:
    """Note that agents did not get or answer what they were sent. They are locked.

    Cleared when they speak again; but one that is deaf and talks on would be asked for ever, at once. So each time in a
    row its word counts only after twice the `pause` (seconds) of the time before, at most a minute, and after about an
    hour at most 15 minutes; the first time at once. A check-in, or a message that it answers, begins anew
    (store/agent_reports.py).
    """
    count = agents.c.not_listening_count
    first_hour = func.least(pause * func.power(2, func.least(count - 1, _MOST_DOUBLINGS)), _LONG_PAUSE)
    later = func.power(2, func.least(func.greatest(count - _LONG_PAUSES, 0), _MOST_DOUBLINGS))
    seconds = func.least(first_hour * later, _LONGEST_PAUSE)
    fresh = await connection.execute(
        update(agents)
        .where(agents.c.id.in_(agent_ids), agents.c.not_listening_since.is_(None))
        .values(
            not_listening_since=func.now(),
            not_listening_count=count + 1,
            listen_again_at=case((count > 0, func.now() + func.make_interval(0, 0, 0, 0, 0, 0, seconds))),
        )
        .returning(agents.c.id, agents.c.uuid)
    )
    await events.append(
        connection,
        [
            event(
                AgentNotListening(agent_id=row.id, agent_uuid=row.uuid), source=EventSource.MISSION_WORKER, actor=MUSTER
            )
            for row in fresh
        ],
    )


async def quiet_for(connection: Connection, agent_ids: Collection[int], seconds: float) -> set[int]:
    """Those of these agents that have said nothing for so long."""
    rows = await connection.execute(_QUIET, {"ids": list(agent_ids), "seconds": seconds})
    return set(rows.scalars())


_QUIET = text(
    """
    SELECT id FROM agents WHERE id = ANY(CAST(:ids AS bigint[]))
        AND coalesce(last_message_time < now() - make_interval(secs => CAST(:seconds AS float8)), true)
    """
)


async def heard(connection: Connection, agent_ids: Collection[int]) -> None:
    """Note that agents that need not answer got their reserve: the next time is a first time again. They are locked."""
    await connection.execute(
        update(agents)
        .where(agents.c.id.in_(agent_ids), agents.c.not_listening_count > 0)
        .values(not_listening_count=0, listen_again_at=None)
    )


async def listen_again(connection: Connection, limit: int) -> tuple[list[int], list[Wakeup]]:
    """Ask agents again that have spoken since they were deaf, and whose pause is over; returns them, and the wake-ups.

    The caller refreshes their lines after the commit (store/waiting_line.py).
    """
    ids = list((await connection.execute(_LOCK_DUE, {"limit": limit})).scalars())
    if not ids:
        return [], []
    await connection.execute(update(agents).where(agents.c.id.in_(ids)).values(not_listening_since=None))
    return ids, await unheard_assignments.wake(connection, ids)


_LOCK_DUE = text(
    """
    SELECT id FROM agents
    WHERE not_listening_since < last_message_time AND listen_again_at <= now()
    ORDER BY id LIMIT :limit FOR NO KEY UPDATE
    """
)


async def rate_limited(connection: Connection, dropped: Collection[str], begun: Sequence[AgentRateLimited]) -> None:
    """Note whose messages were dropped; `begun`: of agents that were not above their limit before."""
    ids = select(agents.c.id).where(agents.c.uuid.in_(dropped)).order_by(agents.c.id).with_for_update(key_share=True)
    locked = list((await connection.execute(ids)).scalars())
    await connection.execute(update(agents).where(agents.c.id.in_(locked)).values(rate_limited_at=func.now()))
    await events.append(
        connection,
        [event(payload, source=EventSource.agent(payload.agent_uuid), actor=MUSTER) for payload in begun],
    )


async def quarantine(connection: Connection, agent_ids: Collection[int], reason: str) -> None:
    """Keep agents out of reservations until they report `free` or an operator clears it. They are locked."""
    fresh = await connection.execute(
        update(agents)
        .where(agents.c.id.in_(agent_ids))
        .values(
            quarantined_since=func.coalesce(agents.c.quarantined_since, func.now()),
            quarantine_reason=reason,
        )
        .returning(agents.c.id, agents.c.uuid)
    )
    await events.append(
        connection,
        [
            event(
                AgentQuarantined(agent_id=row.id, agent_uuid=row.uuid, reason=reason),
                source=EventSource.MISSION_WORKER,
                actor=MUSTER,
            )
            for row in fresh
        ],
    )
