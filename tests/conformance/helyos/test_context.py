"""What a planner of helyOS finds in its request: every field, in a real mission."""

import json
from typing import Any

from tests.conformance.helyos.conftest import Scene
from tests.conformance.helyos.test_missions import drive
from tests.support.planner import Call
from tests.support.site import YARD, until

AGENT_FIELDS = """
id uuid agent_class agent_type connection_status reference_point coordinate_frame geometry name message_channel
public_key is_actuator data_format status yard_id protocol operation_types factsheet x y z unit orientations sensors
resources follower_connections pose
"""
MAP = {"id", "origin", "map_data", "data_format", "coordinate_frame", "map_objects"}


async def test_request_and_context_have_every_field(scene: Scene) -> None:
    site, bodies = scene.site, list[Any]()

    def planner(call: Call) -> Any:
        bodies.append(call.body)
        return {"request_id": "job", "status": "ready", "results": [drive(scene.first)]}

    steps = [
        {"step": "A", "serviceType": "context", "requestOrder": 1, "serviceConfig": {"fast": True}},
        {"step": "B", "serviceType": "context", "requestOrder": 2, "dependencies": ["A"]},
    ]
    name, _ = await site.recipe(planner, name="context", steps=steps, settings={"depth": 3})
    yard = next(y for y in (await site.get("/yards"))["items"] if y["uid"] == YARD)
    objects = {"mapObjects": [{"type": "wall", "data": {"x": 1}}, {"type": "gate", "data": {"x": 2}}]}
    await site.post(f"/yards/{yard['id']}/map-objects", objects)
    update = {"followers": [scene.second.uuid], "geometry": {"width": 2}}
    leader = await site.agent("--update", json.dumps(update))

    async def leads() -> bool:
        return bool((await leader.read())["followers"])

    await until(leads, 10)
    hitch = {"connectionGeometry": {"hitch": [-3200, 0]}}
    said = await site.api.put(f"/agents/{leader.id}/followers/{scene.second.id}", json=hitch)
    assert said.json()["followers"] == [{"id": scene.second.id, "uuid": scene.second.uuid, **hitch}]

    mission = await site.mission(name, [scene.first], {"goal": 1})
    await mission.until("succeeded")
    first, second = bodies
    assert first["request"] == {"goal": 1, "_settings": {"depth": 3}}
    assert first["config"] == {"fast": True}
    context = first["context"]
    assert set(context) == {"map", "agents", "orchestration", "orchestation"} | {"mission"}  # this one is ours
    assert context["mission"] == {
        "id": mission.id,
        "agent_ids": [str(scene.first.id)],
        "agent_uuids": [scene.first.uuid],
    }
    assert context["map"].keys() >= MAP
    assert context["map"]["origin"].keys() >= {"lat", "long", "alt"}
    assert {"wall", "gate"} <= {one["type"] for one in context["map"]["map_objects"]}
    assert context["orchestration"] == context["orchestation"] == {"current_step": "A", "next_step": ["B"]}
    shown = {agent["uuid"]: agent for agent in context["agents"]}
    mine = shown[scene.first.uuid]
    assert set(mine) == set(AGENT_FIELDS.split())
    assert (mine["id"], mine["connection_status"], mine["status"]) == (str(scene.first.id), "online", "ready")
    assert mine["pose"] == {"x": 1.0, "y": 2.0, "z": 0.0, "orientations": [0.5]}
    (link,) = shown[leader.uuid]["follower_connections"]
    assert set(link) == {"id", "uuid", "geometry", "yard_id", "connection_geometry"}
    assert (link["uuid"], link["connection_geometry"]) == (scene.second.uuid, {"hitch": [-3200, 0]})
    (before,) = second["context"]["dependencies"]
    assert (before["step"], before["requestUid"]) == ("A", "job")
    assert before["response"]["results"]


async def test_service_gets_only_what_it_asks_for(scene: Scene) -> None:
    site, bodies = scene.site, list[Any]()

    def planner(call: Call) -> Any:
        bodies.append(call.body["context"])
        return {"results": []}

    name, _ = await site.recipe(planner)
    (service,) = (await site.get(f"/services?type={name}"))["items"]
    yard = next(y for y in (await site.get("/yards"))["items"] if y["uid"] == YARD)
    await site.post(f"/yards/{yard['id']}/map-objects", {"mapObjects": [{"type": "rail"}, {"type": "tree"}]})
    for wanted in (
        {"requireMapObjects": ["rail"], "requireAgentsData": False},
        {"requireMapData": False, "requireMissionAgentsData": False},
    ):
        answer = await site.api.patch(f"/services/{service['id']}", json=wanted)
        assert answer.status_code == 200
        await (await site.mission(name, [scene.first])).until("succeeded")
    of_mission, of_nothing = bodies
    assert {one["type"] for one in of_mission["map"]["map_objects"]} == {"rail"}
    assert [agent["uuid"] for agent in of_mission["agents"]] == [scene.first.uuid]
    assert (of_nothing["agents"], "map" in of_nothing) == ([], False)
