"""What a client may ask of an instrument that a mission holds: nothing, and it is told who holds it."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from missions.events import utc_now
from store.database import Database
from tests.api.conftest import created, mission, problem, stored
from tests.support.instruments import HeldInstrument


@pytest.fixture
async def held(world: httpx.AsyncClient, database: Database) -> HeldInstrument:
    return await HeldInstrument(database).make()


def names_the_holder(answer: httpx.Response, held: HeldInstrument, field: str) -> None:
    found = problem(answer, 409)
    (error,) = found["errors"]
    assert held.name in found["detail"]
    assert held.holder in found["detail"]
    assert (error["field"], error["value"]) == (field, held.instrument)
    assert f"work process {held.run}" in error["remedy"]


async def test_instant_action_is_refused_and_not_stored(
    world: httpx.AsyncClient, database: Database, held: HeldInstrument
) -> None:
    before = await stored(database)
    path = f"/agents/{held.instrument}/instant-actions"
    for channel in ("instantActions", "stream"):
        names_the_holder(await world.post(path, json={"command": "reset", "channel": channel}), held, "id")
    assert await stored(database) == before
    await held.let_go()
    await created(world, path, {"command": "reset"})


async def test_vehicle_takes_instant_actions_and_missions_that_do_not_wait_whoever_holds_it(
    world: httpx.AsyncClient, held: HeldInstrument
) -> None:
    await held.reserve(1, held.run)
    await created(world, "/agents/1/instant-actions", {"command": "headlight on"})
    await mission(world, waitFreeAgent=False)


def past_the_line(held: HeldInstrument, **fields: Any) -> dict[str, Any]:
    named = {"yardId": held.yard, "agentIds": [1, held.instrument], "waitFreeAgent": False}
    return {"workProcessTypeName": "driving", "status": "dispatched", **named, **fields}


async def test_mission_that_does_not_wait_is_refused_when_it_is_dispatched(
    world: httpx.AsyncClient, database: Database, held: HeldInstrument
) -> None:
    before = await stored(database)
    names_the_holder(await world.post("/work-processes", json=past_the_line(held)), held, "agentIds")
    assert await stored(database) == before

    draft = await created(world, "/work-processes", past_the_line(held, status="draft"))
    answer = await world.patch(f"/work-processes/{draft['id']}", json={"status": "dispatched"})
    names_the_holder(answer, held, "agentIds")
    assert "waitFreeAgent" in answer.json()["errors"][0]["remedy"]
    assert (await world.get(f"/work-processes/{draft['id']}")).json()["status"] == "draft"

    await held.let_go()
    assert (await world.patch(f"/work-processes/{draft['id']}", json={"status": "dispatched"})).status_code == 200


async def test_mission_that_waits_or_starts_later_is_taken(world: httpx.AsyncClient, held: HeldInstrument) -> None:
    await created(world, "/work-processes", past_the_line(held, waitFreeAgent=True))
    later = (utc_now() + timedelta(hours=1)).isoformat()
    await created(world, "/work-processes", past_the_line(held, schedStartAt=later))
