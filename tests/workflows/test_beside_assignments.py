"""What agents on the SDK hear, say and ask for beside their assignments."""

import json
import secrets

from tests.support.site import Mission, Site, until


async def test_an_sdk_agent_requests_a_mission_for_itself(site: Site) -> None:
    uuid = f"truck-{secrets.token_hex(3)}"
    recipe, service = await site.recipe(
        lambda call: {"status": "successful", "results": [{"agent_uuid": uuid, "assignment": {"go": 1}}]}
    )
    asked = json.dumps({"mission_name": recipe, "data": {"to": "gate"}, "agent_uuids": [uuid]})
    truck = await site.agent("--request-mission", asked, uuid=uuid)

    async def found() -> list[int]:
        return [item["id"] for item in (await site.get(f"/work-processes?type={recipe}"))["items"]]

    (mission_id,) = await until(found, 15)
    await Mission(site, mission_id).until("succeeded")
    assert truck.assignments() == [{"go": 1}]
    assert service.calls[0].body["request"] == {"to": "gate"}


async def test_an_instant_action_reaches_the_agent_and_waits_for_a_dead_worker(site: Site) -> None:
    truck = await site.agent()
    path = f"/agents/{truck.id}/instant-actions"

    async def sent(action_id: int) -> bool:
        return bool((await site.get(f"{path}/{action_id}"))["status"] == "sent")

    first = await site.post(path, {"command": "pause operation"})
    await until(lambda: sent(first["id"]), 10)
    site.worker.kill()
    second = await site.post(path, {"command": {"operation": "resume"}})
    assert second["status"] == "to_send"
    site.worker.start()
    await until(lambda: sent(second["id"]), 30)
    await truck.process.wait_for("other", lambda record: "resume" in str(record["raw"]))
    heard = [json.loads(json.loads(record["raw"])["message"])["body"] for record in truck.process.records("other")]
    assert heard[-2:] == ["pause operation", '{"operation":"resume"}']


async def test_planners_are_told_who_follows_whom(site: Site) -> None:
    trailer = await site.agent()
    truck = await site.agent("--update", json.dumps({"followers": [trailer.uuid]}))

    async def leads() -> bool:
        return bool((await truck.read())["followers"])

    await until(leads, 10)
    assert (await trailer.read())["leaders"] == [{"id": truck.id, "uuid": truck.uuid, "connectionGeometry": None}]
    recipe, service = await site.recipe(lambda call: {"status": "successful", "results": []})
    mission = await site.mission(recipe, [truck])
    await mission.until("succeeded")
    told = {agent["uuid"]: agent["follower_connections"] for agent in service.calls[0].body["context"]["agents"]}
    assert told[trailer.uuid] == []
    (connection,) = told[truck.uuid]
    assert connection == {
        "id": str(trailer.id),
        "uuid": trailer.uuid,
        "geometry": None,
        "yard_id": (await trailer.read())["yardId"],
        "connection_geometry": None,
    }


async def test_a_planners_instant_action_reaches_its_agent_without_an_assignment(site: Site) -> None:
    truck = await site.agent()
    results = [
        {"agent_id": truck.id, "instant_action": {"command": "headlight on"}},
        {"agent_id": truck.id, "assignment": {"n": 1}},
    ]
    recipe, _ = await site.recipe(lambda call: {"results": results, "dispatch_order": [[0], [1]]})
    mission = await site.mission(recipe, [truck])
    await mission.until("succeeded")
    await truck.process.wait_for("other", lambda record: "headlight on" in str(record["raw"]))
    assert truck.assignments() == [{"n": 1}]
    actions = (await site.get(f"/agents/{truck.id}/instant-actions"))["items"]
    assert [action["command"] for action in actions] == ["headlight on"]


async def test_instant_actions_alone_execute_nothing(site: Site) -> None:
    truck = await site.agent()
    results = [{"agent_id": truck.id, "instant_action": {"command": "pause operation"}}]
    recipe, _ = await site.recipe(lambda call: {"results": results})
    mission = await site.mission(recipe, [truck])
    await mission.until("succeeded")
    await truck.process.wait_for("other", lambda record: "pause operation" in str(record["raw"]))
    assert "executing" not in await mission.statuses()
