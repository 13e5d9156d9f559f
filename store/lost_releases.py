"""Agents that stand at `ready` for a mission that does not hold them: the release did not reach them.

Who says so long after is released again at once (`store/ready_agents.py`). These said it when it may have crossed the
release, and nothing since: they have nothing more to say.
"""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Interval, bindparam, text, update

from store.agents import AgentAddress
from store.connection import Connection
from store.ready_agents import Stranded
from store.tables import agents


async def found(connection: Connection, grace: timedelta) -> Sequence[Stranded]:
    """Those who have stood so for `grace`."""
    rows = await connection.execute(_FOUND, {"grace": grace})
    return [Stranded(AgentAddress(row.id, row.uuid, row.protocol), row.work_process_id) for row in rows]


async def still(connection: Connection, stranded: Stranded, grace: timedelta) -> bool:
    """Whether it does so now that the agent is locked: another mission may have been granted it since."""
    asked = {"grace": grace, "agent": stranded.agent.id, "mission": stranded.work_process_id}
    return bool(await connection.scalar(_STILL, asked))


async def released(connection: Connection, stranded: Stranded) -> None:
    """It was told once more; not a third time, unless it says again that it is held."""
    values = {"reported_work_process_id": None}
    await connection.execute(update(agents).where(agents.c.id == stranded.agent.id).values(values))


# A mission that ended just now may be about to release it.
_STANDING = """
    SELECT agent.id, agent.uuid, agent.protocol, mission.id AS work_process_id
    FROM agents AS agent JOIN work_processes AS mission ON mission.id = agent.reported_work_process_id
    WHERE agent.status = 'ready' AND agent.state_at < now() - CAST(:grace AS interval)
        AND coalesce(mission.ended_at < now() - CAST(:grace AS interval), true)
        AND NOT EXISTS (SELECT FROM reservations WHERE agent_id = agent.id)
"""
_FOUND = text(f"{_STANDING} ORDER BY agent.id").bindparams(bindparam("grace", type_=Interval))
_STILL = text(f"SELECT EXISTS ({_STANDING} AND agent.id = :agent AND mission.id = :mission)").bindparams(
    bindparam("grace", type_=Interval)
)
