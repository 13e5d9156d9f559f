"""Agents that fall silent with an assignment: raised once, taken back when they speak; who watches them is woken."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func

from missions.events import utc_now
from store import attention
from store.tables import agents, assignments, work_processes
from tests.store.conftest import World

pytestmark = pytest.mark.stack


@pytest.mark.parametrize("recipe", [None, 10])
async def test_silence_is_raised_once_and_taken_back_by_a_word(world: World, recipe: int | None) -> None:
    await world.change(work_processes, world.mission, options={"agentSilence": recipe} if recipe else {})
    watched = recipe is not None
    assert await world.look() == (["agent_silent"], [True] * watched)
    assert await world.look() == (["agent_silent"], [])
    await world.change(agents, world.agent, last_message_time=utc_now())
    assert await world.look() == ([], [False] * watched)
    assert await world.look() == ([], [])


@pytest.mark.parametrize(
    ("table", "values"),
    [
        (work_processes, {"options": {"agentSilence": 600}}),
        (work_processes, {"options": {"agentSilence": 1e30}}),
        (work_processes, {"pause": "paused", "pause_mode": "immediate"}),
        (assignments, {"status": "canceling"}),
        (assignments, {"status": "succeeded"}),
        (assignments, {"intent_at": func.now()}),
        (agents, {"last_message_time": func.now()}),
    ],
    ids=[
        "recipe waits longer",
        "longer than intervals are",
        "stands still",
        "cancelled",
        "over",
        "just sent",
        "speaks",
    ],
)
async def test_agent_that_may_be_quiet_is_left_alone(world: World, table: Any, values: dict[str, Any]) -> None:
    rows = {work_processes: world.mission, assignments: world.assignment, agents: world.agent}
    await world.change(table, rows[table], **values)
    assert await world.look() == ([], [])


async def test_a_time_out_that_no_interval_holds_stops_no_look(world: World) -> None:
    await world.change(work_processes, world.mission, options={"assignmentStartTimeout": 1e30})
    await attention.unstarted_assignments(world.database)


async def test_without_a_limit_nobody_is_silent(world: World) -> None:
    for_years = utc_now() - timedelta(days=2000)
    await world.change(assignments, world.assignment, intent_at=for_years)
    await world.change(agents, world.agent, last_message_time=for_years)
    assert await world.look(default=0) == ([], [])
