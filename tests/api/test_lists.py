from typing import Any

import pytest
from httpx import AsyncClient
from sqlalchemy import insert

from store.database import Database
from store.tables import assignments
from tests.api.conftest import RECIPE, created, mission, problem


async def _pages(api: AsyncClient, path: str, **query: Any) -> list[list[int]]:
    pages: list[list[int]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await api.get(path, params=query | cursor)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        pages.append([item["id"] for item in found["items"]])
        if found["nextCursor"] is None:
            return pages
        cursor = {"cursor": found["nextCursor"]}


async def test_missions_come_newest_first_in_pages(world: AsyncClient) -> None:
    for _ in range(5):
        await mission(world, status="draft")
    assert await _pages(world, "/work-processes", limit=2) == [[5, 4], [3, 2], [1]]
    assert await _pages(world, "/work-processes", limit=5) == [[5, 4, 3, 2, 1]]


async def test_a_page_stays_right_while_missions_are_added(world: AsyncClient) -> None:
    for _ in range(3):
        await mission(world, status="draft")
    first = (await world.get("/work-processes", params={"limit": 2})).json()
    await mission(world, status="draft")
    second = (await world.get("/work-processes", params={"limit": 2, "cursor": first["nextCursor"]})).json()
    assert [item["id"] for item in first["items"] + second["items"]] == [3, 2, 1]


async def test_filters(world: AsyncClient) -> None:
    await created(world, "/recipes", RECIPE | {"name": "other"})
    one = await mission(world, status="draft")
    two = await mission(world, agentIds=[1, 2], yardId=2)
    three = await mission(world, workProcessTypeName="other", agentIds=[3])
    await world.post(f"/work-processes/{three['id']}/cancel")

    async def ids(**query: Any) -> list[int]:
        return (await _pages(world, "/work-processes", **query))[0]

    assert await ids(status="draft") == [one["id"]]
    assert await ids(status=["draft", "dispatched"]) == [two["id"], one["id"]]
    assert await ids(status="cancelling") == [three["id"]]
    assert await ids(type="other") == [three["id"]]
    assert await ids(type="none") == []
    assert await ids(yardId=2) == [two["id"]]
    assert await ids(agent_id=1) == await ids(agentId=1)
    assert await ids(agentId=1) == [two["id"], one["id"]]
    assert await ids(createdAfter=one["createdAt"]) == [three["id"], two["id"]]
    assert await ids(agentId=1, status="draft") == [one["id"]]


@pytest.mark.parametrize("path", ["/agents", "/recipes", "/services", "/yards"])
async def test_other_lists_come_in_pages_too(world: AsyncClient, path: str) -> None:
    ids = [item["id"] for item in (await world.get(path)).json()["items"]]
    assert ids == sorted(ids)
    assert await _pages(world, path, limit=1) == [[one] for one in ids]


async def test_agents_are_found_by_uuid_and_yard(world: AsyncClient) -> None:
    assert await _pages(world, "/agents", uuid="truck-2") == [[2]]
    assert await _pages(world, "/agents", yardId=2) == [[]]
    assert await _pages(world, "/agents", status="free") == [[]]


async def test_services_are_found_by_name_and_type(world: AsyncClient) -> None:
    await created(world, "/services", {"name": "second", "type": "other", "url": "http://a/"})
    assert await _pages(world, "/services", name="second") == [[2]]
    assert await _pages(world, "/services", type="drive") == [[1]]
    assert await _pages(world, "/services", name="second", type="drive") == [[]]


async def test_assignments_come_in_pages(world: AsyncClient, database: Database) -> None:
    made = await mission(world)
    rows = [
        {
            "work_process_id": made["id"],
            "attempt": 1,
            "step": "plan",
            "result_index": index,
            "dispatch_group": index // 2,
            "agent_id": 1,
            "workflow_id": made["workflowId"],
            "data": {"n": index},
            "status": "to_dispatch",
        }
        for index in range(3)
    ]
    async with database.transaction() as connection:
        await connection.execute(insert(assignments), rows)
    path = f"/work-processes/{made['id']}/assignments"
    assert await _pages(world, path, limit=2) == [[1, 2], [3]]
    last = (await world.get(path)).json()["items"][-1]
    assert last["agentUuid"] == "truck-1"
    assert last["group"] == 1
    assert last["data"] == {"n": 2}
    for part in ("assignments", "service-requests", "events"):
        problem(await world.get(f"/work-processes/99/{part}"), 404)


async def test_events_are_read_on_after_the_last_one(world: AsyncClient) -> None:
    made = await mission(world)
    path = f"/work-processes/{made['id']}/events"
    first = (await world.get(path, params={"limit": 2})).json()
    assert [event["mission_sequence"] for event in first["items"]] == [1, 2]
    rest = (await world.get(path, params={"after": first["nextCursor"]})).json()
    assert [event["mission_sequence"] for event in rest["items"]] == [3]
    assert rest["nextCursor"] is None
    assert rest["items"][0]["mission_id"] == str(made["id"])


async def test_agents_are_found_by_type(world: AsyncClient) -> None:
    await created(world, "/agents", {"uuid": "mower-1", "agentType": "mower"})
    found = (await world.get("/agents", params={"agentType": "mower"})).json()["items"]
    assert [agent["uuid"] for agent in found] == ["mower-1"]
