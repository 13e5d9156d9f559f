"""What a failed assignment does to its mission, by the policy of recipe and mission."""

from typing import Any

from tests.support.site import YARD, Mission, Site, SiteAgent, until


def drives(*agents: SiteAgent, **answer: Any) -> Any:
    """A planner that gives each of these agents an assignment."""
    results = [{"agent_id": agent.id, "assignment": {"n": number}} for number, agent in enumerate(agents)]
    return lambda call: {"results": results, **answer}


async def statuses(mission: Mission) -> list[str]:
    """The statuses of its assignments, in the planner's order."""
    shown = sorted(await mission.assignments(), key=lambda one: one["resultIndex"])
    return [one["status"] for one in shown]


async def fallback_of(site: Site, mission: Mission, recipe: str) -> Mission:
    """The mission that was started for the failed assignment."""

    async def found() -> Any:
        items = (await site.get(f"/work-processes?type={recipe}&limit=100"))["items"]
        return next(
            (item for item in items if item["data"]["_failed_assignment"]["work_process"]["id"] == mission.id), None
        )

    return Mission(site, (await until(found, 15))["id"])


async def test_continue_mission_goes_on_without_what_failed(site: Site) -> None:
    bad, good = await site.agent("--fail"), await site.agent()
    recipe, _ = await site.recipe(
        drives(bad, good, good, dispatch_order=[[0, 1], [2]]), onAssignmentFailure="CONTINUE_MISSION"
    )
    mission = await site.mission(recipe, [bad, good])
    shown = await mission.until("succeeded")
    assert shown["onAssignmentFailure"] == "CONTINUE_MISSION"
    assert await statuses(mission) == ["failed", "succeeded", "succeeded"]
    assert len(bad.heard("release", mission)) == 1
    assert await mission.run_status() == "COMPLETED"


async def test_a_mission_in_no_yard_has_its_fallback_where_the_agent_stands(site: Site) -> None:
    bad = await site.agent("--fail")
    fallback, _ = await site.recipe(lambda call: {"results": []})
    recipe, _ = await site.recipe(drives(bad), onAssignmentFailure="RELEASE_FAILED", fallbackMission=fallback)
    body = {"workProcessTypeName": recipe, "status": "dispatched"}
    mission = Mission(site, (await site.post("/work-processes", body))["id"])
    await mission.until("succeeded")
    shown = await (await fallback_of(site, mission, fallback)).until("succeeded")
    assert (shown["yardUid"], shown["agentIds"]) == (YARD, [bad.id])


async def test_missions_policy_wins_over_the_recipes(site: Site) -> None:
    bad = await site.agent("--fail")
    recipe, _ = await site.recipe(drives(bad), onAssignmentFailure="CONTINUE_MISSION")
    mission = await site.mission(recipe, [bad], onAssignmentFailure="FAIL_MISSION")
    assert (await mission.until("failed"))["failure"]["code"] == "assignment_failed"


async def test_release_failed_frees_the_agent_for_others_at_once(site: Site) -> None:
    bad, good = await site.agent("--fail"), await site.agent("--work", "3")
    recipe, _ = await site.recipe(
        drives(bad, good, bad, good, dispatch_order=[[0, 1], [2], [3]]), onAssignmentFailure="RELEASE_FAILED"
    )
    mission = await site.mission(recipe, [bad, good])
    await mission.until("executing")
    await bad.until_status("free")
    assert (await mission.read())["status"] == "executing"
    other, _ = await site.recipe(lambda call: {"results": []})
    await (await site.mission(other, [bad])).until("succeeded")
    await mission.until("succeeded")
    assert await statuses(mission) == ["failed", "succeeded", "canceled", "succeeded"]
    assert len(bad.heard("assignment", mission)) == 1
    assert len(bad.heard("release", mission)) == 1
    assert len(good.heard("release", mission)) == 1


async def test_released_agent_gets_nothing_from_later_steps(site: Site) -> None:
    bad, name = await site.agent("--fail"), "two-steps-for-one-agent"
    recipe, _ = await site.recipe(
        drives(bad),
        name=name,
        steps=[{"step": "a", "serviceType": name}, {"step": "b", "serviceType": name, "dependencies": ["a"]}],
        onAssignmentFailure="RELEASE_FAILED",
    )
    mission = await site.mission(recipe, [bad])
    await mission.until("succeeded")
    assert len(bad.heard("assignment", mission)) == 1
    assert {one["step"]: one["status"] for one in await mission.assignments()} == {"a": "failed", "b": "canceled"}


async def test_released_agent_runs_the_fallback_mission(site: Site) -> None:
    bad, good = await site.agent("--fail"), await site.agent("--work", "3")
    repair, service = await site.recipe(lambda call: {"results": []})
    recipe, _ = await site.recipe(drives(bad, good), onAssignmentFailure="RELEASE_FAILED", fallbackMission=repair)
    mission = await site.mission(recipe, [bad, good], {"goal": 7})
    fallback = await fallback_of(site, mission, repair)
    shown = await fallback.until("succeeded")
    assert shown["agentIds"] == [bad.id]
    assert shown["createdBy"]["id"] == "muster"
    assert shown["data"]["goal"] == 7
    failed = shown["data"]["_failed_assignment"]
    assert failed["data"] == {"n": 0}
    assert failed["result"] == {"driven": False}
    assert failed["work_process"] == {"id": mission.id, "data": {"goal": 7}, "recipe": recipe}
    assert service.calls[0].body["request"]["goal"] == 7
    await mission.until("succeeded")
    reserves = [len(bad.heard("reserve", one)) for one in (mission, fallback)]
    releases = [len(bad.heard("release", one)) for one in (mission, fallback)]
    assert (reserves, releases) == ([1, 1], [1, 1])


async def test_fallback_that_is_gone_needs_a_person_and_fails_nothing(site: Site) -> None:
    bad = await site.agent("--fail")
    gone, _ = await site.recipe(lambda call: {"results": []})
    recipe, _ = await site.recipe(drives(bad), onAssignmentFailure="RELEASE_FAILED", fallbackMission=gone)
    found = (await site.get(f"/recipes?name={gone}"))["items"][0]
    assert (await site.api.delete(f"/recipes/{found['id']}")).status_code == 204
    mission = await site.mission(recipe, [bad])
    shown = await mission.until("succeeded")
    assert [entry["code"] for entry in shown["attention"]] == ["fallback_not_started"]
    assert gone in shown["attention"][0]["text"]


async def test_late_agent_is_told_to_stop_and_the_mission_goes_on(site: Site) -> None:
    late, good = await site.agent("--work", "60"), await site.agent()
    recipe, _ = await site.recipe(
        drives(late, good), onAssignmentFailure="CONTINUE_MISSION", options={"assignmentTimeout": 1.5}
    )
    mission = await site.mission(recipe, [late, good])
    await mission.until("succeeded")
    shown = {one["agentId"]: one for one in await mission.assignments()}
    assert shown[late.id]["status"] == "failed"
    assert "did not end within 1.5 s" in shown[late.id]["error"]
    assert shown[good.id]["status"] == "succeeded"
    assert len(late.heard("cancel", mission)) == 1
    assert late.heard("cancel", mission)[0]["at"] < late.heard("release", mission)[0]["at"]


async def test_agent_that_drives_two_is_stopped_before_it_is_released(site: Site) -> None:
    """Its assignment that times out fails; the other one, sent with it, is canceled."""
    late, good = await site.agent("--work", "60"), await site.agent("--work", "4")
    recipe, _ = await site.recipe(
        drives(late, late, good), onAssignmentFailure="RELEASE_FAILED", options={"assignmentTimeout": 8}
    )
    mission = await site.mission(recipe, [late, good])
    await mission.until("succeeded")
    assert (await statuses(mission))[:2] == ["failed", "canceled"]
    first_release = late.heard("release", mission)[0]["at"]
    assert [cancel["at"] < first_release for cancel in late.heard("cancel", mission)] == [True, True]


async def test_deaf_agents_assignment_follows_the_policy(site: Site) -> None:
    deaf, good = await site.agent("--checkout", listening=False), await site.agent()
    options = {"assignmentStartTimeout": 1}
    recipe, _ = await site.recipe(drives(deaf, good), onAssignmentFailure="CONTINUE_MISSION", options=options)
    mission = await site.mission(recipe, [good])
    await mission.until("succeeded")
    assert await statuses(mission) == ["failed", "succeeded"]
