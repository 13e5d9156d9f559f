"""Missions that say what kind of agent they want, and get one by choice of the system."""

import asyncio
import itertools
import secrets
from typing import Any

from tests.support.planner import Script
from tests.support.site import Mission, Site, SiteAgent, until
from workflows.search_attributes import AGENTS


def drive_all() -> Script:
    return lambda call: {"result": {"n": 1}}


async def fleet(site: Site, *options: tuple[str, ...]) -> tuple[str, list[SiteAgent]]:
    """Agents of a type of their own, and that type."""
    kind = f"kind-{secrets.token_hex(3)}"
    agents = [await site.agent(*each) for each in options]
    for agent in agents:
        answer = await site.api.patch(f"/agents/{agent.id}", json={"agentType": kind})
        assert answer.status_code == 200
    return kind, agents


async def choosing(site: Site, recipe: str, kind: str, **selector: Any) -> Mission:
    body = {"workProcessTypeName": recipe, "status": "dispatched", "yardUid": "1"}
    return Mission(
        site, (await site.post("/work-processes", body | {"agentSelector": {"agentType": kind, **selector}}))["id"]
    )


async def shown_agents(mission: Mission) -> list[str]:
    """Whom the Temporal UI finds the mission by."""
    described = await (await mission.run()).describe()
    return list(described.typed_search_attributes.get(AGENTS) or [])


async def test_nearest_agent_drives_and_the_mission_is_its_own(site: Site) -> None:
    kind, (_, near) = await fleet(site, (), ("--update", '{"pose": {"x": 90.0, "y": 90.0, "z": 0.0}}'))

    async def there() -> bool:
        return bool((await near.read())["pose"]["x"] == 90)

    await until(there, 10)
    recipe, _ = await site.recipe(drive_all())
    mission = await choosing(site, recipe, kind, nearestTo={"x": 80, "y": 80})
    shown = await mission.until("succeeded")
    assert (shown["agentIds"], shown["agentUuids"]) == ([near.id], [near.uuid])
    assert shown["agentSelector"]["agentType"] == kind
    assert len(near.assignments()) == 1
    assert await shown_agents(mission) == [near.uuid]
    types = [event["type"] for event in await mission.events()]
    assert types.index("work_process.agents_chosen") < types.index("task.started")
    assert (await mission.events("work_process.agents_chosen"))[0]["payload"]["agent_ids"] == [near.id]


async def test_mission_that_chooses_waits_for_all_says_why_for_each_and_is_woken(site: Site) -> None:
    kind, agents = await fleet(site, ("--work", "1.5"), ("--work", "1"))
    recipe, _ = await site.recipe(drive_all())
    both = await choosing(site, recipe, kind, count=2)
    await both.until("executing")
    one = await choosing(site, recipe, kind)
    await one.until_waiting("agent_reserved")
    reasons = (await one.read())["waitingReasons"]
    assert {reason["agentId"] for reason in reasons} == {agent.id for agent in agents}
    assert (await one.read())["agentIds"] == []
    named = await site.mission(recipe, agents)
    await asyncio.gather(*(mission.until("succeeded") for mission in (both, one, named)))


async def test_agent_that_does_not_answer_is_replaced_by_another(site: Site) -> None:
    kind, (silent, spare) = await fleet(site, ("--ignore-reserve",), ())
    recipe, _ = await site.recipe(drive_all())
    mission = await choosing(site, recipe, kind)
    assert (await mission.until("succeeded"))["agentIds"] == [spare.id]
    assert await shown_agents(mission) == [spare.uuid]
    chosen = [event["payload"]["agent_ids"] for event in await mission.events("work_process.agents_chosen")]
    assert chosen == [[silent.id], [spare.id]]
    assert len(await mission.events("task.started")) == 1


async def test_nobody_to_choose_from_until_an_agent_becomes_one(site: Site) -> None:
    kind, (truck,) = await fleet(site, ())
    recipe, _ = await site.recipe(drive_all())
    two = await choosing(site, recipe, kind, count=2)
    assert "2 of vehicle" in (words := (await two.until_waiting("too_few_candidates"))["text"])
    assert words.endswith("1 would do")
    await two.cancel()
    mission = await choosing(site, recipe, f"{kind}-new", operationTypes=["drive"])
    assert f"no vehicle of type {kind}-new is in yard '1'" in (await mission.until_waiting("no_candidate"))["text"]
    await site.api.patch(f"/agents/{truck.id}", json={"agentType": f"{kind}-new"})
    assert (await mission.until_waiting("agent_lacks_operation"))["agentId"] == truck.id
    await site.api.patch(f"/agents/{truck.id}", json={"operationTypes": ["drive"]})
    await mission.until("succeeded")


async def test_agent_needs_its_battery(site: Site) -> None:
    kind, (truck,) = await fleet(site, ("--sensors", "1"))
    recipe, _ = await site.recipe(drive_all())
    low = await choosing(site, recipe, kind, batteryAbove=80)
    assert "must be above 80" in (await low.until_waiting("agent_battery_low"))["text"]
    # It does not hold up the ones behind it.
    await (await choosing(site, recipe, kind, batteryAbove=79)).until("succeeded")
    await (await site.mission(recipe, [truck])).until("succeeded")
    await low.cancel()
    await low.until("canceled")


async def test_agent_that_need_not_answer_is_chosen_with_one_that_does_and_both_go_on_to_who_waits(site: Site) -> None:
    kind, agents = await fleet(site, ("--ignore-reserve",), ())
    answer = await site.api.patch(f"/agents/{agents[0].id}", json={"acknowledgeReservation": False})
    assert answer.status_code == 200
    recipe, _ = await site.recipe(drive_all())
    missions = [await choosing(site, recipe, kind, count=2) for _ in range(2)]
    for shown in await asyncio.gather(*(mission.until("succeeded") for mission in missions)):
        assert shown["agentIds"] == [agent.id for agent in agents]
    for agent, mission in itertools.product(agents, missions):
        assert len(agent.heard("reserve", mission)) == 1
        assert len(agent.heard("release", mission)) == 1
