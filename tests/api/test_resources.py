"""Agents, recipes, services and yards."""

import asyncio

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi import FastAPI
from httpx import AsyncClient
from pydantic import SecretStr
from sqlalchemy import insert, select, update

from api.app import create_app
from missions.errors import PartUnavailable
from missions.events import utc_now
from settings import Settings
from store.account_rights import Standing
from store.database import Database
from store.tables import agents, agents_interconnections, services
from tests.api.conftest import (
    MISSION,
    RECIPE,
    SERVICE,
    RecordingWaker,
    changes,
    client_of,
    created,
    mission,
    problem,
    stored,
)


async def test_an_agent_is_registered_and_changed(world: AsyncClient) -> None:
    made = await created(
        world, "/agents", {"uuid": "arm-1", "name": "Arm", "agentClass": "tool", "operationTypes": ["weld"]}
    )
    assert made["status"] is None
    assert made["connectionStatus"] == "offline"
    assert made["pose"] == {"x": None, "y": None, "z": None, "orientations": None}
    assert made["acknowledgeReservation"] is True
    changed = await world.patch(f"/agents/{made['id']}", json={"yardId": 2, "acknowledgeReservation": False})
    assert changed.json()["yardId"] == 2
    assert changed.json()["name"] == "Arm"
    problem(await world.patch(f"/agents/{made['id']}", json={"yardId": 77}), 422)
    problem(await world.patch(f"/agents/{made['id']}", json={"uuid": "other"}), 422)
    problem(await world.patch(f"/agents/{made['id']}", json={"agentClass": None}), 422)
    problem(await world.patch(f"/agents/{made['id']}", json={"agentClass": "boat"}), 422)
    problem(await world.patch("/agents/99", json={"name": "x"}), 404)


KEY = (
    rsa.generate_private_key(65537, 2048)
    .public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode()
)


async def test_an_agent_without_a_key_is_not_made_to_sign(world: AsyncClient, database: Database) -> None:
    before = await stored(database)
    found = problem(await world.patch("/agents/1", json={"verifySignature": True}), 422)
    assert found["errors"][0]["field"] == "publicKey"
    assert await stored(database) == before
    signing = await world.patch("/agents/1", json={"verifySignature": True, "publicKey": KEY})
    assert signing.json()["verifySignature"] is True
    problem(await world.patch("/agents/1", json={"publicKey": None}), 422)
    for no_key in ("x", KEY[:-60], "é"):
        found = problem(await world.patch("/agents/1", json={"publicKey": no_key}), 422)
        assert found["errors"][0]["field"] == "publicKey"
    assert (await world.patch("/agents/1", json={"verifySignature": False, "publicKey": None})).status_code == 200


async def test_an_agent_is_online_while_it_speaks(world: AsyncClient, database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(update(agents).where(agents.c.id == 1).values(last_message_time=utc_now(), x=1.5))
    found = (await world.get("/agents/1")).json()
    assert found["connectionStatus"] == "online"
    assert found["pose"]["x"] == 1.5
    assert "factsheet" in found
    assert "factsheet" not in (await world.get("/agents")).json()["items"][0]


async def test_how_a_follower_hangs_on_its_leader(world: AsyncClient, database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(insert(agents_interconnections).values(leader_id=1, follower_id=2))
    for geometry in ({"hitch": {"x": -3200}}, None):
        leader = await world.put("/agents/1/followers/2", json={"connectionGeometry": geometry})
        assert [link["connectionGeometry"] for link in leader.json()["followers"]] == [geometry]
        assert (await world.get("/agents/2")).json()["leaders"][0]["connectionGeometry"] == geometry
    problem(await world.put("/agents/2/followers/1", json={"connectionGeometry": {}}), 404)
    problem(await world.put("/agents/1/followers/2", json={"connectionGeometry": 3}), 422)


async def test_an_operator_puts_an_agent_back_into_service(world: AsyncClient, database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            update(agents).where(agents.c.id == 1).values(quarantined_since=utc_now(), quarantine_reason="silent")
        )
    assert (await world.get("/agents/1")).json()["quarantineReason"] == "silent"
    cleared = await world.post("/agents/1/clear-quarantine")
    assert cleared.json()["quarantinedSince"] is None
    before = await stored(database)
    assert (await world.post("/agents/1/clear-quarantine")).status_code == 200
    assert await stored(database) == before
    problem(await world.post("/agents/99/clear-quarantine"), 404)


async def test_an_account_is_made_with_the_agent_or_neither(
    world: AsyncClient, settings: Settings, database: Database, waker: RecordingWaker
) -> None:
    made: list[tuple[str, str]] = []

    async def make(agent: Standing, password: SecretStr) -> None:
        async with asyncio.timeout(5), database.transaction() as connection:
            # No row is locked meanwhile: the intake could not go on.
            row = select(agents.c.id).where(agents.c.uuid == agent.uuid).with_for_update(nowait=True)
            assert await connection.scalar(row) == agent.agent_id
        if agent.uuid == "refused":
            raise PartUnavailable("RabbitMQ", "no broker")
        made.append((agent.uuid, password.get_secret_value()))

    app: FastAPI = create_app(settings, waker=waker, account_maker=make)
    account = {"password": "correct horse"}
    async with app.router.lifespan_context(app), client_of(app) as api:
        assert (await created(api, "/agents", {"uuid": "new", "account": account}))["hasRbmqAccount"] is True
        before = await stored(database)
        down = await api.post("/agents", json={"uuid": "refused", "account": account})
        assert problem(down, 503)["part"] == "RabbitMQ"
        short = await api.post("/agents", json={"uuid": "x", "account": {"password": "short"}})
        problem(short, 422)
        assert "short" not in short.json()["errors"][0]["value"]
    assert made == [("new", "correct horse")]
    assert await stored(database) == before


async def test_a_recipe_is_read_as_it_was_written(world: AsyncClient) -> None:
    body = {
        "name": "harvest",
        "description": "d",
        "settings": {"a": [1]},
        "onAssignmentFailure": "FAIL_MISSION",
        "options": {"maxWait": 60},
        "steps": [
            {
                "step": "b",
                "serviceType": "drive",
                "dependencies": ["a"],
                "requestOrder": 2,
                "waitAssignments": False,
                "timeout": 5,
            },
            {"step": "a", "serviceType": "drive", "applyResult": False, "waitAssignments": False},
        ],
    }
    made = await created(world, "/recipes", body)
    assert made["options"]["maxWait"] == 60
    assert [step["step"] for step in made["steps"]] == ["b", "a"]
    assert made["steps"][0]["dependencies"] == ["a"]
    assert made["steps"][1]["dependencies"] is None
    assert made["steps"][1]["applyResult"] is False
    # What is read can be sent back.
    again = {key: made[key] for key in (*body, "numMaxAgents", "fallbackMission")}
    replaced = await world.put(f"/recipes/{made['id']}", json=again)
    assert replaced.status_code == 200, replaced.text
    assert replaced.json() | {"version": 1, "modifiedAt": made["modifiedAt"]} == made


async def test_a_replaced_recipe_reaches_only_missions_to_come(world: AsyncClient) -> None:
    before = await mission(world)
    steps = [{"step": "other", "serviceType": "drive"}]
    tag = (await world.get("/recipes/1")).headers["ETag"]
    replaced = await world.put("/recipes/1", json=RECIPE | {"steps": steps}, headers={"If-Match": tag})
    assert replaced.json()["version"] == 2
    problem(await world.put("/recipes/1", json=RECIPE, headers={"If-Match": tag}), 412)
    problem(await world.put("/recipes/1", json=RECIPE | {"name": "renamed"}), 422)
    after = await mission(world)

    async def steps_of(made: dict[str, object]) -> list[str]:
        answer = await world.get(f"/work-processes/{made['id']}/service-requests")
        return [item["step"] for item in answer.json()["items"]]

    assert await steps_of(before) == ["plan"]
    assert await steps_of(after) == ["other"]


async def test_a_deleted_recipe_leaves_its_missions(world: AsyncClient) -> None:
    made, draft = await mission(world), await mission(world, status="draft")
    assert (await world.delete("/recipes/1")).status_code == 204
    problem(await world.get("/recipes/1"), 404)
    problem(await world.delete("/recipes/1"), 404)
    assert (await world.get(f"/work-processes/{made['id']}")).json()["workProcessTypeName"] == "driving"
    problem(await world.patch(f"/work-processes/{draft['id']}", json={"status": "dispatched"}), 422)


async def test_a_service_is_changed_without_showing_its_key(world: AsyncClient, database: Database) -> None:
    changed = await world.patch("/services/1", json={"apikey": "hush", "resultTimeout": 5, "domain": "Path planner"})
    found = changed.json()
    assert found["hasApikey"] is True
    assert found["domain"] == "Assignment planner"
    assert found["type"] == "drive"
    assert found["url"] == SERVICE["url"]
    assert found["version"] == 2
    assert "hush" not in changed.text
    async with database.transaction() as connection:
        assert await connection.scalar(select(services.c.licence_key)) == "hush"
    problem(await world.patch("/services/1", json={"enabled": None}), 422)
    problem(await world.patch("/services/1", json={"url": None}), 422)
    problem(await world.patch("/services/1", json={"name": "x"}, headers={"If-Match": '"1"'}), 412)


async def test_addresses_that_helyos_sites_use_are_taken(world: AsyncClient) -> None:
    for url in (
        "http://path_planner:9000/plan?job=",
        "http://[::1]:9000/",
        "http://10.0.0.1",
        "https://a-b.example./x",
    ):
        assert (await world.patch("/services/1", json={"url": url})).json()["url"] == url


async def test_one_enabled_service_of_a_type(world: AsyncClient) -> None:
    spare = await created(world, "/services", SERVICE | {"name": "spare", "enabled": False})
    problem(await world.patch(f"/services/{spare['id']}", json={"enabled": True}), 409)
    await world.patch("/services/1", json={"enabled": False})
    assert (await world.patch(f"/services/{spare['id']}", json={"enabled": True})).json()["enabled"] is True
    assert (await world.delete("/services/1")).status_code == 204
    problem(await world.patch("/services/1", json={}), 404)


async def test_a_dummy_needs_no_address_until_it_is_called(world: AsyncClient) -> None:
    dummy = await created(world, "/services", {"name": "dummy", "type": "d", "isDummy": True})
    problem(await world.patch(f"/services/{dummy['id']}", json={"isDummy": False}), 422)
    assert (await world.get(f"/services/{dummy['id']}")).json()["isDummy"] is True


async def test_a_yard_and_its_map(world: AsyncClient) -> None:
    objects = [{"type": "road", "data": {"points": [1]}, "metadata": {"lane": 1}}, {"name": "wall"}]
    made = await created(world, "/yards", {"uid": "west", "lat": 51.0, "mapData": {"a": 1}, "mapObjects": objects})
    assert [item["type"] for item in made["mapObjects"]] == ["road", None]
    assert made["mapObjects"][0]["metadata"] == {"lane": 1}
    path = f"/yards/{made['id']}"
    kept = (await world.patch(path, json={"name": "West"})).json()
    assert len(kept["mapObjects"]) == 2
    assert kept["mapData"] == {"a": 1}
    replaced = (await world.patch(path, json={"mapObjects": [{"type": "gate"}]})).json()
    assert [item["type"] for item in replaced["mapObjects"]] == ["gate"]
    assert replaced["name"] == "West"


async def test_a_yard_in_use_stays(world: AsyncClient) -> None:
    problem(await world.delete("/yards/1"), 409)
    await mission(world, yardId=2, status="draft")
    problem(await world.delete("/yards/2"), 409)
    await world.post("/work-processes/1/cancel")
    chooses_there = {"agentIds": [], "agentSelector": {"yardUid": "south"}, "status": "draft"}
    await mission(world, **chooses_there)
    problem(await world.delete("/yards/2"), 409)
    await world.post("/work-processes/2/cancel")
    assert (await world.delete("/yards/2")).status_code == 204
    problem(await world.get("/yards/2"), 404)
    problem(await world.patch("/yards/2", json={"name": "x"}), 404)
    # The uid is free again; the mission of the past keeps its own.
    assert (await created(world, "/yards", {"uid": "south"}))["id"] == 3
    assert (await world.get("/work-processes/1")).json()["yardUid"] == "south"


async def test_who_changed_recipes_services_and_yards_is_stored(api: AsyncClient, database: Database) -> None:
    yard = await created(api, "/yards", {"uid": "north"})
    await api.patch(f"/yards/{yard['id']}", json={"name": "North"})
    await api.delete(f"/yards/{yard['id']}")
    service = await created(api, "/services", SERVICE)
    await api.patch(f"/services/{service['id']}", json={"enabled": False})
    await api.delete(f"/services/{service['id']}")
    recipe = await created(api, "/recipes", RECIPE)
    await api.put(f"/recipes/{recipe['id']}", json=RECIPE)
    await api.delete(f"/recipes/{recipe['id']}")
    assert await changes(database) == [
        (kind, {**named, "action": action}, "api", "client")
        for kind, named in (
            ("yard.changed", {"yard_id": 1, "yard_uid": "north"}),
            ("service.changed", {"service_id": 1, "name": "planner"}),
            ("recipe.changed", {"recipe_id": 1, "name": "driving"}),
        )
        for action in ("created", "updated", "deleted")
    ]


async def test_activity_types_show_their_input(world: AsyncClient) -> None:
    found = {item["name"]: item for item in (await world.get("/activity-types")).json()["items"]}
    assert found["microservice"]["description"]
    assert found["microservice"]["inputSchema"]["type"] == "object"


@pytest.mark.parametrize("name", ["with/slash", "ünïcode", "a" * 200])
async def test_names_of_recipes_are_free(world: AsyncClient, name: str) -> None:
    await created(world, "/recipes", RECIPE | {"name": name})
    assert (await mission(world, workProcessTypeName=name))["workProcessTypeName"] == name
    assert len((await world.get("/recipes", params={"name": name})).json()["items"]) == 1


async def test_a_recipe_names_its_failure_policy_and_fallback(world: AsyncClient) -> None:
    policy = {"onAssignmentFailure": "RELEASE_FAILED", "fallbackMission": "driving"}
    made = await created(world, "/recipes", RECIPE | {"name": "careful"} | policy)
    assert {key: made[key] for key in policy} == policy
    itself = await created(world, "/recipes", RECIPE | {"name": "stubborn", "fallbackMission": "stubborn"})
    assert itself["fallbackMission"] == "stubborn"


@pytest.mark.parametrize("word", ["DEFAULT", "", None])
async def test_a_recipe_without_a_fallback_has_none(world: AsyncClient, word: str | None) -> None:
    assert (await created(world, "/recipes", RECIPE | {"name": "plain", "fallbackMission": word}))[
        "fallbackMission"
    ] is None


async def test_a_fallback_that_does_not_exist_is_refused(world: AsyncClient) -> None:
    unknown = {"fallbackMission": "repair"}
    answers = [
        await world.post("/recipes", json=RECIPE | {"name": "careful"} | unknown),
        await world.put("/recipes/1", json=RECIPE | unknown),
        await world.post("/work-processes", json=MISSION | unknown),
    ]
    for answer in answers:
        error = problem(answer, 422)["errors"][0]
        assert (error["field"], error["value"]) == ("fallbackMission", "repair")
        assert "driving" in error["remedy"]
    assert (await world.get("/recipes", params={"name": "careful"})).json()["items"] == []
