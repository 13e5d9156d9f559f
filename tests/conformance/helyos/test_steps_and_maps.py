"""Scenarios 3, 4, 10 and 17 of helyOS's integration tests: map servers, several steps, chosen branches."""

import time
from typing import Any

from tests.conformance.helyos.conftest import Scene
from tests.conformance.helyos.test_missions import drive
from tests.support.planner import Call, Script
from tests.support.site import YARD, until

_MAP = {"update": {"origin": {"lat": 51.0, "lon": 13.0}, "map_objects": [{"type": "obstacle", "data": {"x": 1}}]}}


async def _map_service(scene: Scene, name: str, script: Script) -> None:
    service = scene.site.planner.service(name, script)
    await scene.site.post(
        "/services",
        {"name": name, "type": name, "url": service.url, "domain": "Map server"},
    )


async def _map(scene: Scene) -> list[Any]:
    yard = next(y for y in (await scene.site.get("/yards"))["items"] if y["uid"] == YARD)
    return list((await scene.site.get(f"/yards/{yard['id']}/map-objects"))["items"])


async def test_03_map_update(scene: Scene) -> None:
    await _map_service(scene, "map-3", lambda call: {"status": "ready", "result": _MAP})
    await scene.site.post("/recipes", {"name": "map-3", "steps": [{"step": "map", "serviceType": "map-3"}]})
    mission = await scene.site.mission("map-3", [scene.first])
    await mission.until("succeeded")
    assert [(o["type"], o["data"]) for o in await _map(scene)] == [("obstacle", {"x": 1})]
    await scene.expect(mission, reserves=1, assignments=0, cancels=0, releases=1)


async def test_04_map_and_drive_in_one_recipe(scene: Scene) -> None:
    await _map_service(scene, "map-4", lambda call: {"status": "ready", "result": _MAP})
    seen: list[Any] = []

    def planner(call: Call) -> Any:
        seen.append(call.body["context"]["map"]["map_objects"])
        return {"results": [drive(scene.first)]}

    service = scene.site.planner.service("drive-4", planner)
    await scene.site.post("/services", {"name": "drive-4", "type": "drive-4", "url": service.url})
    steps = [
        {"step": "map", "serviceType": "map-4", "requestOrder": 1},
        {"step": "drive", "serviceType": "drive-4", "requestOrder": 2, "dependencies": ["map"]},
    ]
    await scene.site.post("/recipes", {"name": "map-4", "steps": steps})
    mission = await scene.site.mission("map-4", [scene.first])
    await mission.until("succeeded")
    assert [o["data"] for o in seen[0]] == [{"x": 1}], "the planner sees the new map"
    await scene.expect(mission, reserves=1, assignments=1, cancels=0, releases=1)


async def test_10_cancel_during_the_map_step(scene: Scene) -> None:
    before = await _map(scene)
    service = scene.site.planner.service("map-10", lambda call: {"request_id": "job", "status": "pending"})
    await scene.site.post(
        "/services",
        {"name": "map-10", "type": "map-10", "url": service.url, "domain": "Map server"},
    )
    await scene.site.post("/recipes", {"name": "map-10", "steps": [{"step": "map", "serviceType": "map-10"}]})
    mission = await scene.site.mission("map-10", [scene.first])

    async def asked() -> bool:
        return service.count("GET") > 0

    await until(asked, 15)
    await mission.cancel()
    await mission.until("canceled")
    assert await _map(scene) == before
    await scene.expect(mission, reserves=1, assignments=0, cancels=0, releases=1)


async def test_17_chosen_branch_and_skipped_steps(scene: Scene) -> None:
    asked: dict[str, float] = {}

    def planner(call: Call) -> Any:
        step = call.body["context"]["orchestration"]["current_step"]
        asked[step] = time.time()
        if step == "choose":
            return {"results": [drive(scene.first, step=step)], "orchestration": {"allow_dependent_steps": ["left"]}}
        return {"results": [drive(scene.first, step=step)]}

    name, _ = await scene.site.recipe(
        planner,
        name="branches",
        steps=[
            {"step": "choose", "serviceType": "branches", "requestOrder": 1},
            {"step": "left", "serviceType": "branches", "requestOrder": 2, "dependencies": ["choose"]},
            {"step": "right", "serviceType": "branches", "requestOrder": 2, "dependencies": ["choose"]},
            {"step": "after_right", "serviceType": "branches", "requestOrder": 3, "dependencies": ["right"]},
        ],
    )
    mission = await scene.site.mission(name, [scene.first])
    await mission.until("succeeded")
    assert list(asked) == ["choose", "left"]
    driven = [s["at"] for s in scene.first.process.records("state") if (s["assignment"] or [0, ""])[1] == "succeeded"]
    assert len(driven) == 2
    assert driven[0] < asked["left"], "the second planner waits for the first one's assignment"
    requests = (await scene.site.get(f"/work-processes/{mission.id}/service-requests"))["items"]
    assert {r["step"]: r["status"] for r in requests} == {
        "choose": "ready",
        "left": "ready",
        "right": "skipped",
        "after_right": "skipped",
    }
    assert [a["step"] for a in scene.first.assignments()] == ["choose", "left"]
    await scene.expect(mission, reserves=1, assignments=2, cancels=0, releases=1)


async def test_17b_planner_that_does_not_wait_for_the_assignments_before(scene: Scene) -> None:
    truck = await scene.site.agent("--work", "60")
    asked: list[str] = []

    def planner(call: Call) -> Any:
        asked.append(call.body["context"]["orchestration"]["current_step"])
        return {"results": [drive(truck)] if asked[-1] == "drive" else []}

    name, _ = await scene.site.recipe(
        planner,
        name="foresight",
        steps=[
            {"step": "drive", "serviceType": "foresight"},
            {"step": "look", "serviceType": "foresight", "dependencies": ["drive"], "waitAssignments": False},
        ],
    )
    mission = await scene.site.mission(name, [truck])

    async def both_asked() -> bool:
        return asked == ["drive", "look"]

    await until(both_asked, 10)
    await truck.until_status("busy")
    assert [a["status"] for a in await mission.assignments()] == ["executing"]
    await mission.cancel()
    await mission.until("canceled")
    await scene.expect(mission, reserves=1, assignments=1, cancels=1, releases=1)
