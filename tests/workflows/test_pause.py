"""Pause and resume of a real mission."""

import pytest

from tests.support.site import Site, until


async def test_a_paused_mission_sends_nothing_until_it_is_resumed(site: Site) -> None:
    truck = await site.agent("--work", "1")
    results = [{"agent_id": truck.id, "assignment": {"n": n}} for n in (0, 1)]
    recipe, _ = await site.recipe(lambda call: {"results": results, "dispatch_order": [[0], [1]]})
    mission = await site.mission(recipe, [truck])
    await truck.until_status("busy")
    asked = await site.post(f"/work-processes/{mission.id}/pause", None, status=200)
    assert asked["pause"] == "requested", "the agent still drives"

    async def paused() -> bool:
        return bool((await mission.read())["pause"] == "paused")

    await until(paused, 10, lambda: str(mission.last))
    assert (await site.post(f"/work-processes/{mission.id}/pause", None, status=200))["pause"] == "paused"
    assert [a["n"] for a in truck.assignments()] == [0]
    assert (await site.post(f"/work-processes/{mission.id}/resume", None, status=200))["pause"] == "none"
    await mission.until("succeeded")
    assert [a["n"] for a in truck.assignments()] == [0, 1]
    kinds = [event["type"] for event in await mission.events()]
    words = ["work_process.pause_requested", "work_process.paused", "work_process.resumed"]
    assert [kind for kind in kinds if kind in words] == words


@pytest.mark.parametrize("verb", ["pause", "resume"])
async def test_only_a_mission_that_runs_can_be_paused(site: Site, verb: str) -> None:
    recipe, _ = await site.recipe(lambda call: {"results": []})
    draft = await site.mission(recipe, [], status="draft")
    problem = await site.post(f"/work-processes/{draft.id}/{verb}", None, status=409)
    assert [(error["field"], error["value"]) for error in problem["errors"]] == [("status", "draft")]
