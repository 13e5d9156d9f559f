"""Agents that restart, fall silent, report late or report what is not theirs; and what missions say of it."""

import asyncio
from typing import Any

from tests.support.site import Site, until


async def test_agent_that_checks_in_with_an_assignment_on_its_hands_raises_attention(site: Site) -> None:
    truck = await site.agent("--work", "60")
    recipe, _ = await site.recipe(lambda call: {"results": [{"agent_id": truck.id, "assignment": {}}]})
    mission = await site.mission(recipe, [truck])
    await truck.until_status("busy")
    truck.process.kill()
    await site.agent(uuid=truck.uuid, listening=False)

    async def raised() -> bool:
        return [entry["code"] for entry in (await mission.read())["attention"]] == ["agent_restarted"]

    await until(raised, 15)
    assert (await mission.read())["status"] == "executing"
    await mission.cancel()
    await mission.until("canceled")


async def test_silent_agent_raises_attention_as_long_as_it_is_silent(site: Site) -> None:
    truck = await site.agent("--work", "4")
    recipe, _ = await site.recipe(
        lambda call: {"results": [{"agent_id": truck.id, "assignment": {}}]}, options={"agentSilence": 1}
    )
    mission = await site.mission(recipe, [truck])

    async def entry() -> dict[str, Any]:
        return next(iter((await mission.read())["attention"]), {})

    raised = await until(entry, 8)
    assert (raised["code"], raised["agentId"]) == ("agent_silent", truck.id)
    await mission.until("succeeded")


async def test_agent_that_says_nothing_of_its_assignment_raises_attention(site: Site) -> None:
    truck = await site.agent("--ignore-assignment")
    recipe, _ = await site.recipe(
        lambda call: {"results": [{"agent_id": truck.id, "assignment": {}}]}, options={"assignmentStartTimeout": 1}
    )
    mission = await site.mission(recipe, [truck])

    async def raised() -> bool:
        return [entry["code"] for entry in (await mission.read())["attention"]] == ["assignment_not_started"]

    await until(raised, 20)
    await mission.cancel()
    await mission.until("canceled")


async def test_assignment_and_mission_time_outs_fail_and_free_the_agent(site: Site) -> None:
    truck = await site.agent("--work", "60")
    for options, code in (({"assignmentTimeout": 1}, "assignment_timeout"), ({"missionTimeout": 2}, "mission_timeout")):
        recipe, _ = await site.recipe(
            lambda call: {"results": [{"agent_id": truck.id, "assignment": {}}]}, options=options
        )
        mission = await site.mission(recipe, [truck])
        shown = await mission.until("failed")
        assert shown["failure"]["code"] == code
        assert len(truck.heard("cancel", mission)) == 1
        await truck.until_status("free")


async def test_many_missions_for_few_agents_all_end_well(site: Site) -> None:
    trucks = await asyncio.gather(*(site.agent("--work", "0.01") for _ in range(3)))
    recipe, _ = await site.recipe(
        lambda call: {"results": [{"agent_id": call.body["request"]["who"], "assignment": {}}]}
    )
    missions = await asyncio.gather(
        *(site.mission(recipe, [trucks[n % 3]], {"who": trucks[n % 3].id}) for n in range(15))
    )
    await asyncio.gather(*(mission.until("succeeded", timeout=100) for mission in missions))
    for truck in trucks:
        assert len(truck.assignments()) == 5
        await truck.until_status("free")


async def test_agent_that_is_deaf_when_its_assignment_is_sent_raises_attention(site: Site) -> None:
    truck = await site.agent("--no-assignments")
    recipe, _ = await site.recipe(
        lambda call: {"results": [{"agent_id": truck.id, "assignment": {}}]}, options={"assignmentStartTimeout": 0.1}
    )
    mission = await site.mission(recipe, [truck])
    shown = await mission.until("failed")
    (entry,) = shown["attention"]
    assert (entry["code"], entry["agentId"]) == ("agent_not_listening", truck.id)
    assert shown["failure"]["code"] == "assignment_failed"
    await truck.until_status("free")


async def test_assignment_that_came_back_waits_for_its_agent(site: Site) -> None:
    truck = await site.agent("--no-assignments")
    recipe, _ = await site.recipe(lambda call: {"results": [{"agent_id": truck.id, "assignment": {}}]})
    mission = await site.mission(recipe, [truck])
    await mission.until_waiting("agent_not_listening")
    shown = await mission.read()
    assert (shown["status"], [entry["code"] for entry in shown["attention"]]) == ("executing", ["agent_not_listening"])
    assert [row["status"] for row in await mission.assignments()] == ["to_dispatch"]
    truck.process.kill()
    again = await site.agent(uuid=truck.uuid)
    shown = await mission.until("succeeded")
    assert len(again.assignments()) == 1
    assert shown["attention"] == []


async def test_agent_that_was_killed_before_its_assignment_came_has_not_started_it(site: Site) -> None:
    truck = await site.agent()

    def plan(call: Any) -> Any:
        truck.process.kill()  # its queue stays for a minute, and takes what comes
        return {"results": [{"agent_id": truck.id, "assignment": {}}]}

    options = {"assignmentStartTimeout": 0.5, "unconfirmedStart": "fail"}
    recipe, _ = await site.recipe(plan, options=options)
    mission = await site.mission(recipe, [truck])
    await mission.until("executing")
    await site.agent(uuid=truck.uuid, listening=False)
    shown = await mission.until("failed")
    assert shown["failure"]["code"] == "assignment_not_started"
    assert "agent_restarted" in [entry["code"] for entry in shown["attention"]]
