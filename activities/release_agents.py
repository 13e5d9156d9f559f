"""Release a mission's agents, at its end or that of an attempt; and what is left of those that never confirmed.

The release is published, with the broker's confirm, before the reservation ends: so release(m1) precedes reserve(m2).
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from activities.parts import Parts
from store import assignment_cancels, attention, mission_agents
from store.agent_service import quarantine
from store.attention import Entry
from store.connection import Connection
from store.mission_agents import ToRelease
from store.reservations import lock_agents_of
from store.work_process_status import LockedWorkProcess, lock


async def release_agents(parts: Parts, work_process_id: int, attempt: int, agents: Sequence[ToRelease]) -> None:
    """Tell these agents, and hold until their reservations end those whom nobody held."""
    if not all(agent.held for agent in agents):
        async with parts.database.transaction() as connection:
            await lock(connection, work_process_id)
            agents = await mission_agents.hold_for_release(connection, work_process_id, attempt)
    await asyncio.gather(*(parts.downlink.release(agent, work_process_id=work_process_id) for agent in agents))


async def quarantine_unconfirmed(
    connection: Connection, work_process: LockedWorkProcess, assignment_ids: Sequence[int], *, halted: bool = False
) -> list[Entry]:
    """Lock the agents of a locked mission that ends, named or not.

    Those who may still be at work are out of service; returns what the mission shows of these.
    """
    unconfirmed = await assignment_cancels.unconfirmed(connection, assignment_ids)
    also = {*work_process.agent_ids, *(row.agent_id for row in unconfirmed)}
    await lock_agents_of(connection, work_process.id, also)
    if not unconfirmed:
        return []
    await quarantine(
        connection,
        {row.agent_id for row in unconfirmed},
        f"was at work when work process {work_process.id} was halted"
        if halted
        else f"did not confirm the cancel of work process {work_process.id}",
    )
    return [_unconfirmed(row, halted=halted) for row in unconfirmed]


def _unconfirmed(row: Any, *, halted: bool) -> Entry:
    """What the mission shows of an agent that may still be at work."""
    stopped = f"assignment {row.id} was stopped"
    if halted:
        words = f"agent {row.uuid} was released without having confirmed that {stopped}"
        return attention.entry("halted_at_work", words, row.agent_id, row.id)
    return attention.entry(
        "cancel_unconfirmed", f"agent {row.uuid} never confirmed that {stopped}", row.agent_id, row.id
    )
