"""An agent in place of a silent one: who fits, and that two missions never get the same."""

import asyncio
import secrets
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from missions.errors import FailureCode, PlanningFailed
from missions.events import utc_now
from missions.planner_answers import PlannedAssignment
from missions.requests import AgentSelector
from store import agent_reports, substitutes
from store import agents as store
from store import assignments as assignment_rows
from store.agent_reports import StateReport
from store.database import Database
from store.reservations import enqueue
from store.tables import (
    agent_details,
    agents,
    assignments,
    reservation_requests,
    reservations,
    substitute_searches,
    work_processes,
    yards,
)
from store.waiting_line import agents_with_missed_grants, refresh_lines
from store.work_process_status import lock
from tests.support.rows import Rows


class World(Rows):
    """A yard with one free agent; missions whose agents are silent."""

    async def make(self) -> None:
        self.yard = await self.made(yards, uid=secrets.token_hex(6))
        self.free = await self.agent()

    async def agent(self, **values: Any) -> int:
        fields = {
            "status": "free",
            "available": True,
            "agent_type": "truck",
            "operation_types": ["drive"],
            "able_to": ["drive"],
        }
        return await self.made(agents, uuid=secrets.token_hex(6), yard_id=self.yard, **({**fields, **values}))

    async def mission(self, agent: int, **values: Any) -> int:
        return await self.made(
            work_processes,
            work_process_type_name="drive",
            status="executing",
            yard_id=self.yard,
            yard_uid="y",
            agent_ids=[agent],
            operation_types_required=["drive"],
            created_by={},
            workflow_id=secrets.token_hex(8),
            **values,
        )

    async def silent(self, *, agent_type: str = "truck", **values: Any) -> tuple[int, int]:
        """A mission and the assignment of its silent agent."""
        agent = await self.agent(status="busy", agent_type=agent_type)
        mission = await self.mission(agent, **values)
        async with self.database.transaction() as connection:
            await connection.execute(insert(reservations).values(agent_id=agent, work_process_id=mission, attempt=1))
        await self.made(
            reservation_requests,
            work_process_id=mission,
            attempt=1,
            status="granted",
            priority=20,
            enqueued_at=func.now(),
            score_key=func.now(),
            round=1,
        )
        assignment = await self.made(
            assignments,
            work_process_id=mission,
            attempt=1,
            step="plan",
            result_index=0,
            dispatch_group=0,
            agent_id=agent,
            workflow_id="w",
            status="executing",
        )
        return mission, assignment

    async def reserve(self, mission: int, assignment: int, refused: Sequence[int] = ()) -> int | None:
        async with self.database.transaction() as connection:
            work_process = await lock(connection, mission)
            return await substitutes.reserve(
                connection, work_process, await assignment_rows.one(connection, assignment), refused
            )

    async def freed(self, *agent_ids: int) -> list[tuple[int | None, Any]]:
        """Who is woken, by mission and assignment, after something changed for these agents."""
        woken = await refresh_lines(self.database, agent_ids)
        return [(one.work_process_id, one.payload["assignment_id"]) for one in woken if one.signal == "agent_freed"]

    async def change(self, table: Any, row: int, **values: Any) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(update(table).where(table.c.id == row).values(**values))

    async def says(self, agent: int, status: str, mission: int) -> list[tuple[str | None, Any]]:
        """The wake-ups after an agent's report."""
        async with self.database.transaction() as connection:
            uuid = await connection.scalar(select(agents.c.uuid).where(agents.c.id == agent))
        now = utc_now()
        report = StateReport(uuid=str(uuid), status=status, received_at=now, said_at=now, work_process_id=mission)
        applied = await agent_reports.apply(self.database, [report], {str(uuid): agent})
        return [(one.signal, one.payload["round"]) for one in applied.wakeups]

    async def charge(self, agent: int, battery: float) -> None:
        """What it was last time the line looked."""
        async with self.database.transaction() as connection:
            await connection.execute(insert(agent_details).values(agent_id=agent, sensors={"battery": battery}))

    async def describes(self, agent: int, **profile: Any) -> set[int]:
        """An agent describes itself; returns the agents to be looked at. As the intake does it."""
        async with self.database.transaction() as connection:
            return await store.write_profiles(connection, {agent: profile}, at=utc_now())

    async def holder(self) -> list[int]:
        async with self.database.transaction() as connection:
            held = select(reservations.c.work_process_id).where(reservations.c.agent_id == self.free)
            return list((await connection.execute(held)).scalars())


@pytest.fixture
async def world(database: Database) -> World:
    world = World(database)
    await world.make()
    return world


async def test_free_agent_that_fits_is_reserved_and_listed(world: World) -> None:
    mission, assignment = await world.silent()
    assert await world.reserve(mission, assignment)
    assert await world.holder() == [mission]
    async with world.database.transaction() as connection:
        assert (await lock(connection, mission)).agent_ids[-1] == world.free


@pytest.mark.parametrize(
    "other",
    [
        {"status": "busy"},
        {"agent_class": "tool"},
        {"agent_type": "crane"},
        {"operation_types": ["lift"]},
        {"quarantined_since": func.now()},
    ],
    ids=lambda other: next(iter(other)),
)
async def test_agent_that_does_not_fit_is_not_taken(world: World, other: dict[str, Any]) -> None:
    async with world.database.transaction() as connection:
        await connection.execute(update(agents).where(agents.c.id == world.free).values(**other))
    assert not await world.reserve(*await world.silent())
    assert await world.holder() == []


async def test_who_waits_for_the_agent_is_not_overtaken(world: World) -> None:
    waiting = await world.mission(world.free)
    async with world.database.transaction() as connection:
        await enqueue(connection, await lock(connection, waiting))
    assert not await world.reserve(*await world.silent())


async def test_who_waits_by_choice_for_such_an_agent_is_not_overtaken(world: World) -> None:
    choice = AgentSelector(agent_type="truck").model_dump(mode="json")
    waiting = await world.mission(world.free, agent_selector=choice)
    async with world.database.transaction() as connection:
        await enqueue(connection, await lock(connection, waiting))
    assert await world.reserve(*await world.silent()) is None


@pytest.mark.parametrize(("charge", "fits"), [(20, False), (80, True)])
async def test_it_is_one_that_the_mission_would_have_chosen(world: World, charge: int, fits: bool) -> None:
    await world.charge(world.free, charge)
    choice = AgentSelector(agent_type="truck", battery_above=50).model_dump(mode="json")
    got = await world.reserve(*await world.silent(agent_selector=choice))
    assert got == (world.free if fits else None)


async def test_one_that_did_not_answer_is_not_chosen_again(world: World) -> None:
    mission, assignment = await world.silent()
    assert await world.reserve(mission, assignment, [world.free]) is None
    other = await world.agent()
    assert await world.reserve(mission, assignment, [world.free]) == other


async def test_what_is_planned_later_for_a_replaced_agent_goes_to_its_substitute(world: World) -> None:
    gone = await world.agent(status="busy")
    entry = PlannedAssignment(0, gone, None, {"n": 1})
    request = {"id": None, "step": "later", "service_url": "http://planner"}
    async with world.database.transaction() as connection:
        mission = await lock(connection, await world.mission(gone))
        rows, *_ = await assignment_rows.plan(connection, mission, request, [entry], [[0]], {gone: world.free})
        assert [row["agent_id"] for row in rows] == [world.free]
        assert rows[0]["agent_uuid"] == await connection.scalar(select(agents.c.uuid).where(agents.c.id == world.free))
        with pytest.raises(PlanningFailed) as refused:
            await assignment_rows.plan(connection, mission, request, [entry], [[0]], {gone: 2**40})
    assert refused.value.failure.code is FailureCode.AGENT_UNKNOWN
    assert str(gone) in refused.value.failure.text


async def test_two_missions_never_get_the_same(world: World) -> None:
    wishes = [await world.silent() for _ in range(6)]
    got = await asyncio.gather(*(world.reserve(*wish) for wish in wishes))
    assert len([one for one in got if one is not None]) == 1
    assert len(await world.holder()) == 1


async def test_mission_that_found_nobody_is_woken_once_when_an_agent_that_fits_is_free(world: World) -> None:
    await world.change(agents, world.free, status="busy")
    crane = await world.agent(agent_type="crane")
    mission, assignment = await world.silent()
    assert await world.reserve(mission, assignment) is None
    assert await world.freed(world.free, crane) == []
    await world.change(agents, world.free, status="free")
    assert await world.freed(world.free) == [(mission, assignment)]
    assert await world.freed(world.free) == [], "it looks again, and then waits again"
    assert await world.reserve(mission, assignment) == world.free


async def test_as_many_searches_are_woken_as_agents_are_free_those_of_the_oldest_assignments(world: World) -> None:
    await world.change(agents, world.free, status="busy")
    unfit = await world.agent(status="busy", operation_types=["lift"])
    other = await world.agent(status="busy")
    searches = [await world.silent() for _ in range(4)]
    for search in searches:
        assert await world.reserve(*search) is None
    for agent in (world.free, unfit, other):
        await world.change(agents, agent, status="free")
    assert await world.freed(world.free, unfit, other) == searches[:2]
    async with world.database.transaction() as connection:
        assert world.free in await agents_with_missed_grants(connection, limit=10_000), "if those do not take it"
    assert await world.freed(world.free) == [searches[2]]


async def test_agents_that_are_freed_at_once_wake_a_search_each(world: World) -> None:
    await world.change(agents, world.free, status="busy")
    free = [world.free, *[await world.agent(status="busy") for _ in range(4)]]
    searches = [await world.silent() for _ in range(6)]
    for search in searches:
        assert await world.reserve(*search) is None
    for agent in free:
        await world.change(agents, agent, status="free")
    woken = await asyncio.gather(*(world.freed(agent) for agent in free))
    assert sorted(one for of_agent in woken for one in of_agent) == searches[:5]


async def test_agents_of_which_each_fits_another_search_wake_both(world: World) -> None:
    await world.change(agents, world.free, status="busy")
    crane = await world.agent(status="busy", agent_type="crane")
    trucks, cranes = await world.silent(), await world.silent(agent_type="crane")
    assert [await world.reserve(*search) for search in (trucks, cranes)] == [None, None]
    for agent in (world.free, crane):
        await world.change(agents, agent, status="free")
    assert await world.freed(world.free, crane) == [trucks, cranes]


async def test_battery_that_rises_above_the_limit_wakes_the_search_for_it(world: World) -> None:
    await world.charge(world.free, 20)
    mission, assignment = await world.silent(
        agent_selector=AgentSelector(agent_type="truck", battery_above=50).model_dump(mode="json")
    )
    assert await world.reserve(mission, assignment) is None
    assert await world.freed(*await world.describes(world.free, sensors={"battery": 49})) == []
    assert await world.freed(*await world.describes(world.free, sensors={"battery": 90})) == [(mission, assignment)]


async def test_agent_for_which_somebody_waits_wakes_no_search(world: World) -> None:
    await world.change(agents, world.free, status="busy")
    assert await world.reserve(*await world.silent()) is None
    waiting = await world.mission(world.free)
    async with world.database.transaction() as connection:
        await enqueue(connection, await lock(connection, waiting))
    await world.change(agents, world.free, status="free")
    assert await world.freed(world.free) == []
    assert await world.holder() == [waiting]


async def test_agent_that_was_freed_by_a_process_that_died_is_found_by_the_relay(world: World) -> None:
    await world.change(agents, world.free, status="busy")
    assert await world.reserve(*await world.silent()) is None
    await world.freed(world.free)  # nothing else about it is news
    await world.change(agents, world.free, status="free")
    async with world.database.transaction() as connection:
        assert world.free in await agents_with_missed_grants(connection, limit=10_000)


@pytest.mark.parametrize("agent_type", ["truck", "crane"])
@pytest.mark.parametrize("over", ["mission", "assignment"])
async def test_search_that_is_over_wakes_nobody_and_goes(world: World, over: str, agent_type: str) -> None:
    await world.change(agents, world.free, status="busy")
    mission, assignment = await world.silent()
    await world.reserve(mission, assignment)
    if over == "mission":
        await world.change(work_processes, mission, status="failed")
    else:
        await world.change(assignments, assignment, status="succeeded", ended_at=func.now())
    await world.change(agents, world.free, status="free", agent_type=agent_type)
    assert await world.freed(world.free) == []
    async with world.database.transaction() as connection:
        mine = substitute_searches.c.assignment_id == assignment
        assert not (await connection.execute(select(substitute_searches).where(mine))).all()


async def test_each_substitute_is_waited_for_alone(world: World) -> None:
    mission, first = await world.silent()
    second = await world.made(
        assignments,
        work_process_id=mission,
        attempt=1,
        step="other",
        result_index=0,
        dispatch_group=0,
        agent_id=await world.agent(status="busy"),
        workflow_id="w",
        status="executing",
    )
    late = await world.reserve(mission, first)
    quick = await world.agent()
    assert await world.reserve(mission, second) == quick
    assert late == world.free
    assert await world.says(quick, "ready", mission) == [("agents_ready", 3)]
    assert await world.says(quick, "ready", mission) == []
    assert await world.says(late, "ready", mission) == [("agents_ready", 2)]
