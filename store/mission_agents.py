"""Which agents a mission has to talk to: whom it reserves, who has not answered, whom it releases."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import text

from store.agents import AgentAddress
from store.connection import Connection
from store.reservations import lock_agents


@dataclass(frozen=True)
class ToTell:
    """An agent that is to get its reserve; `was_deaf`: it did not get or answer an earlier one."""

    address: AgentAddress
    acknowledges: bool
    was_deaf: bool


async def mark_reserve_sent(connection: Connection, work_process_id: int) -> list[ToTell]:
    """The agents to tell. Marked first: who may have got it also gets a release."""
    rows = await connection.execute(_MARK_RESERVE_SENT, {"of": work_process_id})
    return [
        ToTell(AgentAddress(row.id, row.uuid, row.protocol), row.acknowledge_reservation, row.was_deaf) for row in rows
    ]


_MARK_RESERVE_SENT = text(
    """
    UPDATE reservations SET reserve_sent_at = now() FROM agents
    WHERE reservations.work_process_id = :of AND reservations.agent_id = agents.id AND reservations.ready_at IS NULL
    RETURNING agents.id, agents.uuid, agents.protocol, agents.acknowledge_reservation,
        agents.not_listening_count > 0 AS was_deaf
    """
)


async def silent(connection: Connection, work_process_id: int) -> set[int]:
    """The reserved agents that acknowledge reservations and have not done so."""
    return set((await connection.execute(_SILENT, {"of": work_process_id})).scalars())


_SILENT = text(
    """
    SELECT agents.id FROM reservations JOIN agents ON agents.id = reservations.agent_id
    WHERE reservations.work_process_id = :of AND reservations.ready_at IS NULL AND agents.acknowledge_reservation
    """
)


@dataclass(frozen=True)
class ToRelease(AgentAddress):
    """An agent that gets a release; `held`: no other mission can reserve it meanwhile."""

    held: bool


async def to_release(connection: Connection, work_process_id: int) -> list[ToRelease]:
    """Every agent that was sent a reserve or an assignment, if it is still this mission's or nobody's.

    Not one that was released before: a second release could overtake another mission's reserve.
    """
    rows = await connection.execute(_TO_RELEASE, {"of": work_process_id})
    return [ToRelease(row.id, row.uuid, row.protocol, row.held) for row in rows]


_TO_RELEASE = text(
    """
    SELECT agents.id, agents.uuid, agents.protocol, reservations.work_process_id IS NOT NULL AS held
    FROM agents LEFT JOIN reservations ON reservations.agent_id = agents.id
    WHERE agents.id IN (
        SELECT agent_id FROM reservations WHERE work_process_id = :of AND reserve_sent_at IS NOT NULL
        UNION SELECT agent_id FROM assignments
            WHERE work_process_id = :of AND intent_at IS NOT NULL AND released_at IS NULL
    ) AND (reservations.work_process_id IS NULL OR reservations.work_process_id = :of)
    ORDER BY agents.id
    """
)


async def hold_for_release(
    connection: Connection, work_process_id: int, attempt: int, only: int | None = None
) -> list[ToRelease]:
    """Reserve those of `to_release` whom nobody holds, so that the release overtakes no other mission's reserve.

    They had an assignment without a reservation; who releases them frees them with the others. The mission is locked.
    Returns whom to release now; `only`: this agent, if it is one of them.
    """
    free = (await connection.execute(_NOBODYS, {"of": work_process_id, "only": only})).scalars().all()
    await lock_agents(connection, free)
    await hold(connection, work_process_id, attempt, free)
    return [agent for agent in await to_release(connection, work_process_id) if only in (None, agent.id)]


async def hold(connection: Connection, work_process_id: int, attempt: int, agent_ids: Collection[int]) -> None:
    """Reserve those of these agents, which are locked, that nobody holds."""
    await connection.execute(_HOLD, {"of": work_process_id, "attempt": attempt, "ids": list(agent_ids)})


_NOBODYS = text(
    """
    SELECT DISTINCT agent_id FROM assignments
    WHERE work_process_id = :of AND intent_at IS NOT NULL AND released_at IS NULL
        AND agent_id = coalesce(CAST(:only AS bigint), agent_id)
        AND NOT EXISTS (SELECT FROM reservations WHERE reservations.agent_id = assignments.agent_id)
    """
)
_HOLD = text(
    """
    INSERT INTO reservations (agent_id, work_process_id, attempt, granted_at)
    SELECT agent_id, :of, :attempt, now() FROM unnest(CAST(:ids AS bigint[])) AS agent_id
    ON CONFLICT (agent_id) DO NOTHING
    """
)


async def holds(connection: Connection, work_process_id: int, agent_id: int) -> bool:
    """Whether a mission holds an agent now."""
    return bool(await connection.scalar(_HOLDS, {"of": work_process_id, "agent": agent_id}))


_HOLDS = text("SELECT EXISTS (SELECT FROM reservations WHERE work_process_id = :of AND agent_id = :agent)")


async def release_early(connection: Connection, work_process_id: int, agent_id: int) -> None:
    """End a mission's hold on one agent before its end, and note that it was released; the agent is locked."""
    await connection.execute(_RELEASE_EARLY, {"of": work_process_id, "agent": agent_id})


_RELEASE_EARLY = text(
    """
    WITH held AS (DELETE FROM reservations WHERE work_process_id = :of AND agent_id = :agent)
    UPDATE assignments SET released_at = now()
    WHERE work_process_id = :of AND agent_id = :agent AND released_at IS NULL
    """
)
