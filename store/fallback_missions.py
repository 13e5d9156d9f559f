"""Fallback missions: what an agent does that was released because its assignment failed."""

from typing import Any

from sqlalchemy import bindparam, func, select

from missions.events import EventSource
from missions.failure_policies import fallback_data
from missions.principals import MUSTER
from missions.priorities import Priority
from missions.requests import NewMission
from settings import Settings
from store import assignments, drafts, idempotency
from store.connection import Connection
from store.tables import agents, work_processes
from store.wakeups import Wakeup
from store.work_processes import ResolvePreset, dispatch

_YARD_OF_AGENT = select(agents.c.yard_id).where(agents.c.id == bindparam("agent")).scalar_subquery()


async def start(
    connection: Connection, recipe: str, assignment: Any, *, settings: Settings, resolve_preset: ResolvePreset
) -> Wakeup | None:
    """Create and dispatch a failed assignment's fallback mission, once; None: it was made before.

    Writes all or nothing; raises InvalidInput if there is no such recipe, or if it cannot be dispatched.
    """
    # One for each agent that a mission releases, however many of its assignments failed.
    key = f"fallback/{assignment['work_process_id']}/{assignment['attempt']}/{assignment['agent_id']}"
    if await idempotency.claim(connection, MUSTER, key, "") is not None:
        return None
    await drafts.find_recipe(connection, recipe, "fallbackMission")
    mission: Any = (
        (
            await connection.execute(
                select(
                    work_processes.c.id,
                    work_processes.c.work_process_type_name,
                    # A planner may give an agent to a mission that is in no yard.
                    func.coalesce(work_processes.c.yard_id, _YARD_OF_AGENT).label("yard_id"),
                    work_processes.c.data,
                    work_processes.c.priority,
                ).where(work_processes.c.id == assignment["work_process_id"]),
                {"agent": assignment["agent_id"]},
            )
        )
        .mappings()
        .one()
    )
    async with connection.begin_nested():
        new = NewMission(
            work_process_type_name=recipe,
            yard_id=mission["yard_id"],
            agent_ids=[assignment["agent_id"]],
            data=fallback_data(mission, assignment, await assignments.told_dependencies(connection, assignment)),
            priority=Priority(mission["priority"]),
        )
        work_process_id = await drafts.create(connection, new, principal=MUSTER, source=EventSource.MISSION_WORKER)
        await idempotency.remember(connection, MUSTER, key, "", work_process_id)
        return await dispatch(
            connection,
            work_process_id,
            principal=MUSTER,
            source=EventSource.MISSION_WORKER,
            settings=settings,
            resolve_preset=resolve_preset,
        )
