"""Scenarios 11 to 16 of helyOS's integration tests: what the failure of one agent does to the others."""

from typing import Any

from tests.conformance.helyos.conftest import Scene
from tests.conformance.helyos.test_missions import drive
from tests.support.site import Mission, until


async def _mission(scene: Scene, *, recipe: Any = None, first: Any = None, work: str = "0.2") -> tuple[Mission, Any]:
    """A mission of both agents; the first fails at once. `recipe`: more fields of it; `first`: of its result."""
    other = await scene.site.agent("--work", work)
    results = [drive(scene.first, fail=True) | (first or {}), drive(other)]
    name, _ = await scene.site.recipe(lambda call: {"results": results}, **(recipe or {}))
    return await scene.site.mission(name, [scene.first, other]), other


async def test_11_one_of_two_fails_the_mission(scene: Scene) -> None:
    mission, other = await _mission(scene, work="60")
    await mission.until("failed")
    await scene.first.until_status("free")
    await other.until_status("free")
    assert (await mission.statuses())[-2:] == ["assignment_failed", "failed"]
    assert sorted(a["status"] for a in await mission.assignments()) == ["canceled", "failed"]
    await scene.expect(mission, reserves=2, assignments=2, cancels=1, releases=2)


async def test_12_the_mission_continues(scene: Scene) -> None:
    mission, other = await _mission(scene, recipe={"onAssignmentFailure": "CONTINUE_MISSION"})
    await mission.until("succeeded")
    assert sorted(a["status"] for a in await mission.assignments()) == ["failed", "succeeded"]
    await other.until_status("free")
    await scene.expect(mission, reserves=2, assignments=2, cancels=0, releases=2)


async def test_13_the_failed_agent_is_released_at_once(scene: Scene) -> None:
    mission, other = await _mission(scene, recipe={"onAssignmentFailure": "RELEASE_FAILED"}, work="1")
    await mission.until("executing")

    async def released() -> bool:
        return len(scene.first.heard("release", mission)) == 1

    await until(released, 10)
    assert (await mission.read())["status"] == "executing", "the other still drives"
    await mission.until("succeeded")
    await other.until_status("free")
    # helyOS releases it once more at the mission's end, when it may be another mission's.
    await scene.expect(mission, agent=scene.first, reserves=1, assignments=1, cancels=0, releases=1)
    await scene.expect(mission, reserves=2, assignments=2, cancels=0, releases=2)


async def test_14_the_planner_overrides_the_recipe(scene: Scene) -> None:
    mission, other = await _mission(
        scene,
        recipe={"onAssignmentFailure": "CONTINUE_MISSION"},
        first={"on_assignment_failure": "FAIL_MISSION"},
        work="60",
    )
    await mission.until("failed")
    await scene.first.until_status("free")
    await other.until_status("free")
    await scene.expect(mission, reserves=2, assignments=2, cancels=1, releases=2)


async def test_15_fallback_mission_of_the_recipe(scene: Scene) -> None:
    back, _ = await scene.site.recipe(lambda call: {"results": [drive(scene.first)]})
    mission, other = await _mission(scene, recipe={"onAssignmentFailure": "RELEASE_FAILED", "fallbackMission": back})
    await mission.until("succeeded")
    await other.until_status("free")
    fallback = await _fallback(scene, back)
    await fallback.until("succeeded")
    await scene.first.until_status("free")
    shown = await fallback.read()
    failed = shown["data"]["_failed_assignment"]
    assert failed["work_process"]["id"] == mission.id
    assert failed["data"] == {"operation": "drive", "fail": True}
    assert shown["agentIds"] == [scene.first.id]
    # helyOS releases it twice of the first mission: at once and at its end.
    await scene.expect(mission, fallback, agent=scene.first, reserves=2, assignments=2, cancels=0, releases=2)
    await scene.expect(mission, agent=other, reserves=1, assignments=1, cancels=0, releases=1)


async def test_16_fallback_mission_of_the_planner(scene: Scene) -> None:
    back, _ = await scene.site.recipe(lambda call: {"results": [drive(scene.first)]})
    mission, other = await _mission(scene, first={"on_assignment_failure": "RELEASE_FAILED", "fallback_mission": back})
    await mission.until("succeeded")
    await other.until_status("free")
    fallback = await _fallback(scene, back)
    await fallback.until("succeeded")
    await scene.first.until_status("free")
    await scene.expect(mission, fallback, agent=scene.first, reserves=2, assignments=2, cancels=0, releases=2)
    await scene.expect(mission, agent=other, reserves=1, assignments=1, cancels=0, releases=1)


async def _fallback(scene: Scene, recipe: str) -> Mission:
    async def there() -> Any:
        return (await scene.site.get(f"/work-processes?type={recipe}"))["items"]

    return Mission(scene.site, (await until(there, 10))[0]["id"])
