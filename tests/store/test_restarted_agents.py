"""Agents that check in anew with an assignment: what they said nothing of is not shown as executing any more."""

import pytest
from sqlalchemy import func, select

from store import restarted_agents
from store.tables import assignments, events, work_processes
from tests.store.conftest import World

pytestmark = pytest.mark.stack


async def restart(world: World) -> tuple[list[str | None], str, list[str]]:
    """The signals, the assignment's status, and the mission's attention."""
    wakeups = await restarted_agents.note(world.database, world.agent)
    async with world.database.transaction() as connection:
        status = await connection.scalar(select(assignments.c.status).where(assignments.c.id == world.assignment))
        shown = await connection.scalar(select(work_processes.c.attention).where(work_processes.c.id == world.mission))
    return [one.signal for one in wakeups], str(status), [entry["code"] for entry in shown or []]


async def test_what_an_agent_said_nothing_of_is_doubted_once(world: World) -> None:
    await world.change(assignments, world.assignment, dispatched_at=func.now())
    assert await restart(world) == (["assignment_doubted"], "to_dispatch", ["agent_restarted"])
    assert await restart(world) == ([], "to_dispatch", ["agent_restarted"])
    async with world.database.transaction() as connection:
        told = select(events.c.payload["to"].astext).where(
            events.c.work_process_id == world.mission, events.c.type == "assignment.status_changed"
        )
        assert list((await connection.execute(told)).scalars()) == ["to_dispatch"]


async def test_what_it_reported_stays_as_it_said(world: World) -> None:
    await world.change(assignments, world.assignment, first_report_at=func.now())
    assert await restart(world) == ([], "executing", ["agent_restarted"])


async def test_mission_that_is_being_stopped_is_left_alone(world: World) -> None:
    await world.change(work_processes, world.mission, status="canceling")
    assert (await restart(world))[:2] == ([], "executing")
