"""Halt, pause at once, cancel of one assignment: of real missions with SDK agents."""

import secrets
from typing import Any

from tests.support.site import Mission, Site, SiteAgent, until


def results(*agents: SiteAgent) -> list[Any]:
    return [{"agent_id": agent.id, "assignment": {"n": number}} for number, agent in enumerate(agents)]


async def driving(site: Site, truck: SiteAgent) -> Mission:
    recipe, _ = await site.recipe(lambda call: {"results": results(truck)})
    mission = await site.mission(recipe, [truck])
    await truck.until_status("busy")
    return mission


async def halt(site: Site, mission: Mission) -> Any:
    return await site.post(f"/work-processes/{mission.id}/halt", {"reason": "fire"}, status=200)


async def assert_quarantined(mission: Mission, truck: SiteAgent) -> None:
    shown = await mission.until("canceled")
    assert shown["cancel"]["halt"]
    assert [(entry["code"], entry["agentId"]) for entry in shown["attention"]] == [("halted_at_work", truck.id)]
    assert await mission.run_status() == "CANCELED"
    agent = await truck.read()
    assert f"work process {mission.id} was halted" in agent["quarantineReason"]
    heard = [record["event"] for record in truck.process.records() if record["event"] in ("cancel", "release")]
    assert heard[-1] == "release"
    assert "cancel" in heard


async def test_halt_cancels_and_releases_at_once_and_quarantines_who_was_at_work(site: Site) -> None:
    truck = await site.agent("--work", "60", "--ignore-cancel", "--ignore-release")
    mission = await driving(site, truck)
    assert (await halt(site, mission))["status"] == "canceling"
    await assert_quarantined(mission, truck)
    assert len(truck.heard("cancel", mission)) == 1
    assert (await halt(site, mission))["status"] == "canceled", "once more is fine"
    await site.post(f"/agents/{truck.id}/clear-quarantine", None, status=200)


async def test_halt_ends_a_cancel_that_waits_for_its_agent(site: Site) -> None:
    truck = await site.agent("--work", "60", "--ignore-cancel", "--ignore-release")
    mission = await driving(site, truck)
    await mission.cancel("the order was withdrawn")
    await mission.until("canceling")

    async def told() -> bool:
        return bool(truck.heard("cancel", mission))

    await until(told, 10)
    await halt(site, mission)
    await assert_quarantined(mission, truck)
    assert (await mission.read())["cancel"]["reason"] == "the order was withdrawn"


async def test_immediate_pause_tells_the_agents_at_work_and_resume_too(site: Site) -> None:
    truck = await site.agent("--work", "2")
    mission = await driving(site, truck)

    def commands() -> list[str]:
        raw = [record["raw"] for record in truck.process.records("other")]
        return [word for text in raw for word in ("pause operation", "resume operation") if word in text]

    shown = await site.post(f"/work-processes/{mission.id}/pause", {"mode": "immediate"}, status=200)
    assert (shown["pause"], shown["pauseMode"]) == ("requested", "immediate")

    async def paused() -> bool:
        return bool((await mission.read())["pause"] == "paused")

    await until(paused, 10, lambda: str(mission.last))
    actions = (await site.get(f"/agents/{truck.id}/instant-actions"))["items"]
    assert [(one["command"], one["status"], one["workProcessId"]) for one in actions] == [
        ("pause operation", "sent", mission.id)
    ]
    shown = await site.post(f"/work-processes/{mission.id}/resume", None, status=200)
    assert (shown["pause"], shown["pauseMode"]) == ("none", None)

    async def resumed() -> bool:
        return commands() == ["pause operation", "resume operation"]

    await until(resumed, 10, lambda: str(commands()))
    await mission.until("succeeded")


async def cancel_assignment(site: Site, assignment: Any, status: int = 200) -> Any:
    return await site.post(f"/assignments/{assignment['id']}/cancel", None, status=status)


async def test_one_assignment_is_cancelled_and_its_mission_goes_on_if_the_policy_says_so(site: Site) -> None:
    first, second = await site.agent("--work", "60"), await site.agent("--work", "0.1")
    recipe, _ = await site.recipe(
        lambda call: {"results": results(first, second, second), "dispatch_order": [[0], [1], [2]]},
        onAssignmentFailure="CONTINUE_MISSION",
    )
    mission = await site.mission(recipe, [first, second])
    await first.until_status("busy")
    sent, _, unsent = await mission.assignments()
    assert (await cancel_assignment(site, unsent))["status"] == "canceled", "nobody has it yet"
    assert (await cancel_assignment(site, sent))["status"] in ("canceling", "canceled")
    await mission.until("succeeded")
    assert [a["status"] for a in await mission.assignments()] == ["canceled", "succeeded", "canceled"]
    assert len(first.heard("cancel", mission)) == 1
    assert [a["n"] for a in second.assignments()] == [1]
    assert second.heard("cancel", mission) == []
    assert (await cancel_assignment(site, sent))["status"] == "canceled", "once more is fine"
    problem = await cancel_assignment(site, (await mission.assignments())[1], status=409)
    assert problem["errors"][0]["field"] == "id"


async def test_silent_agents_assignment_goes_to_a_free_agent_that_fits(site: Site) -> None:
    yard = f"silent-{secrets.token_hex(3)}"
    await site.post("/yards", {"uid": yard})
    mute = await site.agent("--work", "60", "--yard", yard)
    recipe, _ = await site.recipe(
        lambda call: {"results": results(mute)}, options={"agentSilence": 0.5, "onAgentSilent": "reassign"}
    )
    mission = await site.mission(recipe, [mute], yardUid=yard)
    await mute.until_status("busy")
    mute.process.kill()

    async def says_so() -> bool:
        return "no_substitute" in [entry["code"] for entry in (await mission.read())["attention"]]

    await until(says_so, 10, lambda: str(mission.last))
    other = await site.agent("--yard", yard)
    shown = await mission.until("succeeded")
    assert shown["agentIds"] == [other.id]
    old, new = await mission.assignments()
    assert [(a["agentId"], a["status"], a["data"]) for a in (old, new)] == [
        (mute.id, "failed", {"n": 0}),
        (other.id, "succeeded", {"n": 0}),
    ]
    assert "was silent" in (await mute.read())["quarantineReason"]
    await other.until_status("free")
    ((_, reassigned),) = [(e["type"], e["payload"]) for e in await mission.events("assignment.reassigned")]
    assert (reassigned["agent_id"], reassigned["to_agent_id"]) == (mute.id, other.id)


async def test_one_cancelled_assignment_fails_its_mission_by_default(site: Site) -> None:
    truck = await site.agent("--work", "60")
    mission = await driving(site, truck)
    await cancel_assignment(site, (await mission.assignments())[0])
    shown = await mission.until("failed")
    assert shown["failure"]["code"] == "assignment_failed"
    await truck.until_status("free")
