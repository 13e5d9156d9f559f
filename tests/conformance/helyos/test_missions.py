"""Scenarios 1, 2, 5 to 8, 18 and 19 of helyOS's integration tests: missions, their ends, the order of assignments."""

import json
import secrets
from typing import Any

from tests.conformance.helyos.conftest import Scene
from tests.support.planner import Call
from tests.support.site import YARD, Mission, SiteAgent, json_message, until


def drive(agent: SiteAgent, **data: Any) -> dict[str, Any]:
    """One planner result."""
    return {"agent_id": agent.id, "assignment": {"operation": "drive", **data}}


async def test_01_complete_mission(scene: Scene) -> None:
    def planner(call: Call) -> Any:
        if call.method == "POST":
            return {"request_id": "job", "status": "pending"}
        return {"request_id": "job", "status": "ready", "results": [drive(scene.first)]}

    recipe, _ = await scene.site.recipe(planner)
    mission = await scene.site.mission(recipe, [scene.first])
    await mission.until("succeeded")
    await scene.first.until_status("free")
    assert await mission.statuses() == [
        "dispatched",
        "preparing resources",
        "calculating",
        "executing",
        "assignments_completed",
        "succeeded",
    ]
    assert [a["status"] for a in await mission.assignments()] == ["succeeded"]
    assert [state["status"] for state in scene.first.process.records("state")] == [
        "free",
        "ready",
        "busy",
        "ready",
        "free",
    ]
    await scene.expect(mission, reserves=1, assignments=1, cancels=0, releases=1)


async def test_02_cancel_while_executing(scene: Scene) -> None:
    truck = await scene.site.agent("--work", "60")
    recipe, _ = await scene.site.recipe(lambda call: {"results": [drive(truck)]})
    mission = await scene.site.mission(recipe, [truck])
    await mission.until("executing")
    await truck.until_status("busy")
    await mission.cancel()
    await mission.until("canceled")
    await truck.until_status("free")
    assert [a["status"] for a in await mission.assignments()] == ["canceled"]
    await scene.expect(mission, reserves=1, assignments=1, cancels=1, releases=1)


async def test_05_service_time_out(scene: Scene) -> None:
    recipe, service = await scene.site.recipe(lambda call: {"request_id": "job", "status": "pending"}, resultTimeout=1)
    mission = await scene.site.mission(recipe, [scene.first])
    await mission.until("failed")
    await scene.first.until_status("free")
    (request,) = (await scene.site.get(f"/work-processes/{mission.id}/service-requests"))["items"]
    assert (request["status"], service.count("DELETE")) == ("time-out", 1)
    statuses = await mission.statuses()
    assert statuses[-2:] == ["planning_failed", "failed"]
    await scene.expect(mission, reserves=1, assignments=0, cancels=0, releases=1)


async def test_06_dummy_service_with_the_assignment_in_the_request(scene: Scene) -> None:
    await scene.site.post(
        "/services",
        {"name": "dummy", "type": "dummy", "url": "http://127.0.0.1:9/", "isDummy": True},
    )
    await scene.site.post("/recipes", {"name": "dummy", "steps": [{"step": "echo", "serviceType": "dummy"}]})
    mission = await scene.site.mission("dummy", [scene.first], {"results": [drive(scene.first, speed=3)]})
    await mission.until("succeeded")
    await scene.first.until_status("free")
    assert scene.first.assignments() == [{"operation": "drive", "speed": 3}]
    await scene.expect(mission, reserves=1, assignments=1, cancels=0, releases=1)
    orders = [m.inner for m in scene.tap.messages if m.routing_key == f"agent.{scene.first.uuid}.order"]
    assert orders == scene.first.assignments(), "its copy for who listens to `order` only"


async def test_08_assignment_that_its_agent_cannot_do(scene: Scene) -> None:
    recipe, _ = await scene.site.recipe(lambda call: {"results": [drive(scene.first, fail=True)]})
    mission = await scene.site.mission(recipe, [scene.first])
    await mission.until("failed")
    await scene.first.until_status("free")
    assert (await mission.statuses())[-2:] == ["assignment_failed", "failed"]
    assert [a["status"] for a in await mission.assignments()] == ["failed"]
    await scene.expect(mission, reserves=1, assignments=1, cancels=0, releases=1)


async def test_18_two_assignments_one_after_the_other(scene: Scene) -> None:
    results = [drive(scene.first, n=0) | {"assignment_order": 1}, drive(scene.first, n=1) | {"assignment_order": 2}]
    recipe, _ = await scene.site.recipe(lambda call: {"results": results})
    mission = await scene.site.mission(recipe, [scene.first])
    await mission.until("succeeded")
    states = [(s["assignment"] or [None, None])[1] for s in scene.first.process.records("state")]
    assert [word for word in states if word] == ["executing", "succeeded", "executing", "succeeded"]
    assert [a["n"] for a in scene.first.assignments()] == [0, 1]
    one, two = (json_message(record)["metadata"] for record in scene.first.heard("assignment", mission))
    assert one["context"] == {"dependencies": []}
    ended = {"assign": one["id"], "status": "completed", "result": {"driven": True}}
    assert two["context"] == {"dependencies": [ended]}
    await scene.expect(mission, reserves=1, assignments=2, cancels=0, releases=1)


async def test_19_two_assignments_at_once(scene: Scene) -> None:
    recipe, _ = await scene.site.recipe(lambda call: {"results": [drive(scene.first), drive(scene.second)]})
    mission = await scene.site.mission(recipe, [scene.first, scene.second])
    await mission.until("succeeded")
    await scene.all_free()
    await scene.expect(mission, reserves=2, assignments=2, cancels=0, releases=2)


async def test_01_pause_and_resume(scene: Scene) -> None:
    """helyOS pauses by missions of instant actions; here between two groups, by the API."""
    results = [drive(scene.first, n=n) for n in (0, 1)]
    recipe, service = await scene.site.recipe(lambda call: {"results": results, "dispatch_order": [[0], [1]]})
    service.hold.clear()
    mission = await scene.site.mission(recipe, [scene.first])
    await mission.until("calculating")
    await scene.site.post(f"/work-processes/{mission.id}/pause", None, status=200)
    service.hold.set()

    async def paused() -> bool:
        return bool((await mission.read())["pause"] == "paused")

    await until(paused, 10)
    await scene.expect(mission, reserves=1, assignments=0, cancels=0, releases=0)
    await scene.site.post(f"/work-processes/{mission.id}/resume", None, status=200)
    await mission.until("succeeded")
    await scene.expect(mission, reserves=1, assignments=2, cancels=0, releases=1)


async def test_07_mission_requested_by_an_agent(scene: Scene) -> None:
    recipe, _ = await scene.site.recipe(lambda call: {"results": [drive(scene.first)]})
    await scene.site.api.patch(f"/agents/{scene.first.id}", json={"operationTypes": ["drive"]})
    uuid = f"asks-{secrets.token_hex(3)}"
    body = {
        "work_process_type_name": recipe,
        "data": {"field": 7},
        "agent_uuids": [scene.first.uuid],
        "yard_uid": YARD,
        "operation_types_required": ["drive"],
    }
    # The SDK's own call cannot name operation types.
    message = json.dumps({"type": "mission_request", "uuid": uuid, "body": body})
    await scene.site.agent("--say", f"xchange_helyos.agents.ul agent.{uuid}.mission_req {message}", uuid=uuid)

    async def requested() -> Any:
        return (await scene.site.get(f"/work-processes?type={recipe}"))["items"]

    mission = Mission(scene.site, (await until(requested, 10))[0]["id"])
    await mission.until("succeeded")
    await scene.first.until_status("free")
    (reserve,) = scene.first.heard("reserve", mission)
    assert json_message(reserve)["body"]["operation_types_required"] == ["drive"]
    assert (await mission.read())["data"] == {"field": 7}
    await scene.expect(mission, reserves=1, assignments=1, cancels=0, releases=1)
