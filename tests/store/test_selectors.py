"""Missions that choose their agents: what they claim, whom they take, and who wakes them."""

from typing import Any

import pytest
from sqlalchemy import select, update

from missions.events import utc_now
from missions.statuses import AgentStatus
from store import agent_reports, mission_agents
from store import agents as store
from store.agent_reports import StateReport
from store.agents import CheckIn
from store.reservations import enqueue, find_request, hand_over, try_grant
from store.tables import agents, reservations, work_processes, yards
from store.waiting_line import agents_with_missed_grants, refresh_lines
from store.work_process_status import lock
from tests.store.test_substitutes import World, world

FIXTURES = (world,)
pytestmark = pytest.mark.stack


async def says(world: World, agent: int, **profile: Any) -> list[int]:
    """It describes itself; returns whom that grants its agents. As the intake does it."""
    moved = await world.describes(agent, **profile)
    return [woken.work_process_id for woken in await refresh_lines(world.database, moved)]


async def arrives(world: World, *named: int, **selector: Any) -> tuple[int, list[int]]:
    """A mission gets in line, with a selector or with the agents that it names: its id, and what it got."""
    wants = None if named else {"agentType": "truck", **selector}
    mission = await world.mission(0, agent_selector=wants)
    async with world.database.transaction() as connection:
        await connection.execute(
            update(work_processes)
            .where(work_processes.c.id == mission)
            .values(agent_ids=list(named), status="preparing resources")
        )
        work_process = await lock(connection, mission)
        request, _, candidates = await enqueue(connection, work_process)
        await try_grant(connection, work_process, request, candidates)
    return mission, await held(world, mission)


async def held(world: World, mission: int) -> list[int]:
    async with world.database.transaction() as connection:
        query = select(reservations.c.agent_id).where(reservations.c.work_process_id == mission)
        return sorted((await connection.execute(query)).scalars())


async def line_knows(world: World, *agent_ids: int) -> None:
    await refresh_lines(world.database, agent_ids)


async def test_battery_that_rises_above_the_limit_wakes_who_waits_for_it(world: World) -> None:
    await world.charge(world.free, 20)
    mission, got = await arrives(world, batteryAbove=50)
    assert got == []
    assert await says(world, world.free, sensors={"battery": 49}) == []
    assert await says(world, world.free, sensors={"pack": {"battery": {"value": 51}}}) == [mission]
    assert await held(world, mission) == [world.free]


async def test_battery_of_an_agent_that_checks_in_counts(world: World) -> None:
    await world.charge(world.free, 20)
    other = await world.agent()
    await line_knows(world, world.free, other)
    mission, _ = await arrives(world, batteryAbove=50, count=2)
    await world.charge(other, 80)
    async with world.database.transaction() as connection:
        uuid, yard = (
            await connection.execute(select(agents.c.uuid, agents.c.yard_id).where(agents.c.id == world.free))
        ).one()
        yard_uid = await connection.scalar(select(yards.c.uid).where(yards.c.id == yard))
        now = utc_now()
        charged = {"sensors": {"battery": 90}}
        arrival = CheckIn(uuid, yard_uid, AgentStatus.FREE, "AMQP", now, now, profile=charged)
        checked_in = await store.check_in(connection, arrival)
    woken = await refresh_lines(world.database, checked_in.moved)
    assert [one.work_process_id for one in woken] == [mission]


async def test_type_that_an_agent_says_itself_wakes_who_waits_for_it(world: World) -> None:
    await line_knows(world, world.free)
    mission, got = await arrives(world, agentType="crane")
    assert got == []
    assert await says(world, world.free, agent_type="truck") == []
    assert await says(world, world.free, agent_type="crane") == [mission]


async def test_ordinary_word_moves_no_line(world: World) -> None:
    await line_knows(world, world.free)
    await world.charge(world.free, 20)
    await arrives(world, batteryAbove=50)
    async with world.database.transaction() as connection:
        said = {"agent_type": "truck", "name": "t", "x": 1.0, "sensors": {"battery": 30}}
        assert await store.write_profiles(connection, {world.free: said}, at=utc_now()) == set()


async def test_who_waits_for_batteries_holds_back_no_agent_meanwhile(world: World) -> None:
    low = await world.agent()
    await line_knows(world, world.free, low)
    await world.charge(world.free, 90)
    await world.charge(low, 20)
    both, got = await arrives(world, batteryAbove=50, count=2)
    assert got == []
    _, got = await arrives(world, world.free)
    assert got == [world.free]
    assert await held(world, both) == []


async def test_battery_that_falls_lets_those_behind_go(world: World) -> None:
    busy = await world.agent(status="busy")
    await line_knows(world, world.free, busy)
    await world.charge(world.free, 90)
    await world.charge(busy, 90)
    both, _ = await arrives(world, batteryAbove=50, count=2)
    behind, got = await arrives(world, world.free)
    assert got == [], "the first one waits for an agent that can come"
    assert await says(world, busy, sensors={"battery": 40}) == [behind]
    assert await held(world, both) == []


async def test_charged_again_it_is_claimed_again(world: World) -> None:
    busy = await world.agent(status="busy")
    await line_knows(world, world.free, busy)
    await world.charge(world.free, 90)
    await world.charge(busy, 20)
    await arrives(world, batteryAbove=50, count=2)
    assert await says(world, busy, sensors={"battery": 60}) == []
    assert (await arrives(world, world.free))[1] == []


async def test_claims_are_never_stale_for_the_sweep_to_mend(world: World) -> None:
    await world.charge(world.free, 20)
    mission, _ = await arrives(world, batteryAbove=50)
    async with world.database.transaction() as connection:
        await store.write_profiles(connection, {world.free: {"sensors": {"battery": 90}}}, at=utc_now())
    # Whoever wrote it died before it could grant.
    async with world.database.transaction() as connection:
        missed = await agents_with_missed_grants(connection, limit=1000)
    assert world.free in missed
    assert mission in [woken.work_process_id for woken in await refresh_lines(world.database, missed)]


async def test_agent_without_a_pose_is_taken_last(world: World) -> None:
    near, far = await world.agent(x=1.0, y=1.0), await world.agent(x=1e300, y=-1e300)
    await line_knows(world, world.free, near, far)
    nearest = {"nearestTo": {"x": 2.0, "y": 2.0}}
    order = [(await arrives(world, **nearest))[1] for _ in range(3)]
    assert order == [[near], [far], [world.free]]


@pytest.mark.parametrize("place", [{"x": 1e300, "y": 0.0}, {"x": -1.7e308, "y": 1.7e308}])
async def test_any_place_may_be_the_nearest(world: World, place: dict[str, float]) -> None:
    await line_knows(world, world.free)
    async with world.database.transaction() as connection:
        await connection.execute(update(agents).where(agents.c.id == world.free).values(x=1.7e308, y=1.0))
    assert (await arrives(world, nearestTo=place))[1] == [world.free]


async def says_ready(world: World, agent: int, mission: int) -> agent_reports.Applied:
    async with world.database.transaction() as connection:
        uuid = str(await connection.scalar(select(agents.c.uuid).where(agents.c.id == agent)))
    now = utc_now()
    report = StateReport(uuid, AgentStatus.READY, now, now, work_process_id=mission)
    return await agent_reports.apply(world.database, [report], {uuid: agent})


async def told(world: World, mission: int) -> bool:
    """Its agents get their reserve; whether all of them count as ready then."""
    async with world.database.transaction() as connection:
        await mission_agents.mark_reserve_sent(connection, mission)
        request = await find_request(connection, mission, 1)
        assert request is not None
        return await hand_over(connection, request)


async def test_agent_that_need_not_answer_is_ready_once_it_is_chosen(world: World) -> None:
    mute = await world.agent(acknowledge_reservation=False, agent_type="cart")
    await line_knows(world, mute)
    mission, got = await arrives(world, agentType="cart")
    assert got == [mute]
    assert await told(world, mission)
    async with world.database.transaction() as connection:
        assert await mission_agents.silent(connection, mission) == set()


async def test_of_those_that_it_chose_a_mission_awaits_only_who_answers(world: World) -> None:
    mute = await world.agent(acknowledge_reservation=False)
    await line_knows(world, world.free, mute)
    mission, got = await arrives(world, count=2)
    assert got == [world.free, mute]
    assert not await told(world, mission)
    async with world.database.transaction() as connection:
        assert await mission_agents.silent(connection, mission) == {world.free}
    assert [woken.signal for woken in (await says_ready(world, world.free, mission)).wakeups] == ["agents_ready"]
    # That one which need not answer does so all the same wakes nobody again.
    assert (await says_ready(world, mute, mission)).wakeups == []
