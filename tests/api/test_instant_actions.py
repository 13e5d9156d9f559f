import pytest
from httpx import AsyncClient

from tests.api.conftest import created, problem

PATH = "/agents/1/instant-actions"


async def test_a_command_is_written_before_it_is_sent(world: AsyncClient) -> None:
    action = await created(world, PATH, {"command": "pause operation", "sender": "ann"})
    shown = {name: action[name] for name in ("agentId", "agentUuid", "yardId", "sender", "command", "status", "sentAt")}
    assert shown == {
        "agentId": 1,
        "agentUuid": "truck-1",
        "yardId": 1,
        "sender": "ann",
        "command": "pause operation",
        "status": "to_send",
        "sentAt": None,
    }
    assert (await world.get(f"{PATH}/{action['id']}")).json() == action


async def test_an_object_is_sent_as_text(world: AsyncClient) -> None:
    action = await created(world, PATH, {"command": {"lift": "up", "to": 3}})
    assert action["command"] == '{"lift":"up","to":3}'


async def test_an_agents_commands_come_newest_first(world: AsyncClient) -> None:
    for text in ("one", "two", "three"):
        await created(world, PATH, {"command": text})
    await created(world, "/agents/2/instant-actions", {"command": "other"})
    first = (await world.get(PATH, params={"limit": 2})).json()
    second = (await world.get(PATH, params={"limit": 2, "cursor": first["nextCursor"]})).json()
    assert [item["command"] for item in first["items"] + second["items"]] == ["three", "two", "one"]
    assert second["nextCursor"] is None


@pytest.mark.parametrize("command", ["", 7, None, ["stop"], "\u0000"])
async def test_a_command_is_text_or_an_object(world: AsyncClient, command: object) -> None:
    problem(await world.post(PATH, json={"command": command}), 422)
    assert (await world.get(PATH)).json()["items"] == []


async def test_a_command_may_go_to_the_agents_stream(world: AsyncClient) -> None:
    action = await created(world, PATH, {"command": "lights on", "channel": "stream"})
    assert (action["channel"], (await created(world, PATH, {"command": "stop"}))["channel"]) == (
        "stream",
        "instantActions",
    )
    problem(await world.post(PATH, json={"command": "stop", "channel": "radio"}), 422)


async def test_agents_and_commands_must_exist(world: AsyncClient) -> None:
    problem(await world.post("/agents/9/instant-actions", json={"command": "stop"}), 404)
    problem(await world.get("/agents/9/instant-actions"), 404)
    action = await created(world, PATH, {"command": "stop"})
    problem(await world.get(f"/agents/2/instant-actions/{action['id']}"), 404)
