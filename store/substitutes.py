"""An agent in place of one that fell silent: found, reserved like any other, given the assignment's data."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import text

from store import substitute_searches
from store.agents import AgentAddress
from store.connection import Connection
from store.reservations import lock_agents
from store.substitute_searches import FITS
from store.work_process_status import LockedWorkProcess

Row = Any

_LOOK = text(
    f"""
    SELECT agents.id FROM agents, substitute_searches AS selector
    WHERE selector.assignment_id = :assignment AND NOT agents.id = ANY(CAST(:refused AS bigint[])) AND {FITS}
    ORDER BY agents.id LIMIT 20
    """
)
_CHOOSE = text(
    f"""
    SELECT agents.id, agents.uuid FROM agents, substitute_searches AS selector
    WHERE selector.assignment_id = :assignment AND agents.id = ANY(CAST(:candidates AS bigint[])) AND {FITS}
    ORDER BY agents.id LIMIT 1
    """
)
_RESERVE = text(
    """
    WITH request AS (
        UPDATE reservation_requests SET round = round + 1, handed_over = true
        WHERE work_process_id = :of AND attempt = :attempt RETURNING round
    ), held AS (
        INSERT INTO reservations (agent_id, work_process_id, attempt, reserve_sent_at, round)
        SELECT :agent, :of, :attempt, now(), round FROM request
    ), noted AS (
        UPDATE assignments SET substitute_id = :agent WHERE id = :assignment
    )
    UPDATE work_processes SET
        agent_ids = array_remove(agent_ids, CAST(:agent AS bigint)) || CAST(:agent AS bigint),
        agent_uuids = array_remove(agent_uuids, CAST(:uuid AS text)) || CAST(:uuid AS text)
    WHERE id = :of
    """
)
_RESERVED = text(
    """
    SELECT agents.id, agents.uuid, agents.protocol, agents.acknowledge_reservation, held.ready_at, held.round
    FROM reservations AS held
    JOIN agents ON agents.id = held.agent_id
    WHERE held.work_process_id = :of AND held.agent_id = :agent
    """
)
_LEAVES = text(
    """
    UPDATE work_processes SET
        agent_ids = array_remove(agent_ids, agents.id), agent_uuids = array_remove(agent_uuids, agents.uuid),
        version = version + 1
    FROM agents WHERE work_processes.id = :of AND agents.id = :agent
    """
)
_DISMISS = text("UPDATE assignments SET substitute_id = NULL WHERE id = :assignment AND substitute_id = :agent")
_HAS_WORK = text(
    """
    SELECT EXISTS (
        SELECT FROM assignments AS one JOIN work_processes AS mission ON mission.id = one.work_process_id
        WHERE mission.id = :of AND one.attempt = mission.attempt AND one.agent_id = :agent AND one.ended_at IS NULL
    )
    """
)
_COPY = text(
    """
    WITH made AS (
        INSERT INTO assignments (
            work_process_id, attempt, step, result_index, dispatch_group, yard_id, service_request_id, agent_id,
            workflow_id, data, on_assignment_failure, fallback_mission, status
        )
        SELECT work_process_id, attempt, step,
            (SELECT max(result_index) + 1 FROM assignments AS other WHERE other.work_process_id = one.work_process_id
                AND other.attempt = one.attempt AND other.step = one.step),
            dispatch_group, yard_id, service_request_id, :agent, workflow_id, data, on_assignment_failure,
            fallback_mission, 'not_ready_to_dispatch'
        FROM assignments AS one WHERE one.id = :assignment
        RETURNING id
    ), moved AS (
        UPDATE assignments SET agent_id = :agent
        WHERE work_process_id = :of AND agent_id = :silent AND intent_at IS NULL AND status = 'not_ready_to_dispatch'
    )
    UPDATE assignments SET reassigned_to = made.id FROM made WHERE assignments.id = :assignment RETURNING made.id
    """
)


async def reserve(
    connection: Connection, work_process: LockedWorkProcess, assignment: Row, refused: Collection[int] = ()
) -> int | None:
    """Reserve a free agent that fits, in place of the assignment's silent one.

    None: there is none now, and a search is on. Not one of the `refused`. The mission is locked. Agents get locked in
    the order of their ids, then looked at anew, as for any grant.
    """
    await substitute_searches.begin(connection, work_process, assignment)
    wanted = {"assignment": assignment["id"], "refused": list(refused)}
    candidates = list((await connection.execute(_LOOK, wanted)).scalars())
    if not candidates:
        return None
    await lock_agents(connection, candidates)
    again = {"assignment": assignment["id"], "candidates": candidates}
    chosen = (await connection.execute(_CHOOSE, again)).one_or_none()
    if chosen is None:
        return None
    await substitute_searches.end(connection, assignment["id"])
    await connection.execute(
        _RESERVE,
        {
            "agent": chosen.id,
            "uuid": chosen.uuid,
            "of": work_process.id,
            "attempt": work_process.attempt,
            "assignment": assignment["id"],
        },
    )
    return int(chosen.id)


async def of_assignment(connection: Connection, assignment: Row) -> Row | None:
    """The agent that the mission holds in place of this assignment's silent one, as `reserved` says it."""
    if assignment["substitute_id"] is None:
        return None
    return await reserved(connection, assignment["work_process_id"], assignment["substitute_id"])


async def has_work(connection: Connection, work_process_id: int, agent_id: int) -> bool:
    """Whether anything was planned for this agent in the mission, and has not ended."""
    return bool(await connection.scalar(_HAS_WORK, {"of": work_process_id, "agent": agent_id}))


async def dismiss(connection: Connection, work_process_id: int, assignment_id: int, agent_id: int) -> None:
    """This substitute is not needed, or did not answer: it leaves. Mission and agent are locked."""
    await connection.execute(_DISMISS, {"assignment": assignment_id, "agent": agent_id})
    await leaves(connection, work_process_id, [agent_id])


async def reserved(connection: Connection, work_process_id: int, agent_id: int) -> Row | None:
    """An agent that the mission holds: its address, whether it acknowledges, since when it is ready, the round."""
    return (await connection.execute(_RESERVED, {"of": work_process_id, "agent": agent_id})).one_or_none()


async def leaves(connection: Connection, work_process_id: int, agent_ids: Collection[int]) -> None:
    """These agents are the mission's no longer; it is locked."""
    for agent_id in sorted(agent_ids):
        await connection.execute(_LEAVES, {"of": work_process_id, "agent": agent_id})


async def plan_again(connection: Connection, assignment: Row, agent_id: int) -> int:
    """Plan an assignment's data once more, for another agent, which also gets what was not sent yet; its new id."""
    made = await connection.scalar(
        _COPY,
        {
            "agent": agent_id,
            "assignment": assignment["id"],
            "of": assignment["work_process_id"],
            "silent": assignment["agent_id"],
        },
    )
    assert made is not None
    return int(made)


def is_ready(row: Row) -> bool:
    """Whether a reserved agent may be sent assignments."""
    return row.ready_at is not None or not row.acknowledge_reservation


def address_of(row: Row) -> AgentAddress:
    """Where a reserved agent is reached."""
    return AgentAddress(row.id, row.uuid, row.protocol)
