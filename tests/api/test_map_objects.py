"""Map objects of a yard, one by one."""

from typing import Any

import pytest
from httpx import AsyncClient
from sqlalchemy import func, select

from store.database import Database
from store.tables import events, map_objects
from tests.api.conftest import problem, stored

PATH = "/yards/1/map-objects"
WALL = {"type": "wall", "name": "W", "data": {"x": [1]}, "dataFormat": "json", "metadata": {"by": "me"}}


async def added(api: AsyncClient, *objects: dict[str, Any]) -> list[Any]:
    answer = await api.post(PATH, json={"mapObjects": list(objects)})
    assert answer.status_code == 201, answer.text
    return list(answer.json()["items"])


async def test_map_objects_are_added_to_those_of_the_yard(world: AsyncClient) -> None:
    (wall,) = await added(world, WALL)
    assert {name: wall[name] for name in WALL} == WALL
    await added(world, {"type": "gate"}, {})
    shown = (await world.get("/yards/1")).json()["mapObjects"]
    assert [item["type"] for item in shown] == ["wall", "gate", None]
    assert (await world.get(f"{PATH}/{wall['id']}")).json() == wall


async def test_they_are_listed_by_type_in_pages(world: AsyncClient) -> None:
    await added(world, *({"type": kind, "name": str(n)} for n in range(3) for kind in ("wall", "gate")))
    first = (await world.get(PATH, params={"type": "wall", "limit": 2})).json()
    rest = (await world.get(PATH, params={"type": "wall", "limit": 2, "cursor": first["nextCursor"]})).json()
    assert [item["name"] for item in first["items"] + rest["items"]] == ["0", "1", "2"]
    assert rest["nextCursor"] is None
    assert (await world.get("/yards/2/map-objects")).json()["items"] == []


async def test_a_map_object_changes_only_in_what_was_sent(world: AsyncClient) -> None:
    (wall,) = await added(world, WALL)
    changed = (await world.patch(f"{PATH}/{wall['id']}", json={"data": None, "name": "V"})).json()
    assert changed == wall | {"data": None, "name": "V", "modifiedAt": changed["modifiedAt"]}


async def test_a_deleted_map_object_keeps_its_row(world: AsyncClient, database: Database) -> None:
    (wall,) = await added(world, WALL)
    path = f"{PATH}/{wall['id']}"
    assert (await world.delete(path)).status_code == 204
    for answer in (await world.get(path), await world.patch(path, json={}), await world.delete(path)):
        assert problem(answer, 404)["errors"][0]["field"] == "objectId"
    assert (await world.get(PATH)).json()["items"] == []
    async with database.transaction() as connection:
        assert await connection.scalar(select(map_objects.c.deleted_at)) is not None


async def test_each_change_leaves_its_event(world: AsyncClient, database: Database) -> None:
    (wall,) = await added(world, WALL)
    await world.patch(f"{PATH}/{wall['id']}", json={"name": "V"})
    await world.delete(f"{PATH}/{wall['id']}")
    async with database.transaction() as connection:
        query = select(events.c.payload).where(events.c.type == "yard.map_updated").order_by(events.c.id)
        told = list((await connection.execute(query)).scalars())
    of_wall = {"yard_id": 1, "yard_uid": "north", "map_objects": 1, "map_object_id": wall["id"]}
    nothing = {"step": None, "changed": [], "replaced": False}
    assert told == [of_wall | nothing | {"action": action} for action in ("created", "updated", "deleted")]


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        (PATH, {"mapObjects": []}, 422, "mapObjects"),
        (PATH, {"mapObjects": [{"type": 1}]}, 422, "mapObjects.0.type"),
        (PATH, {"mapObjects": [{"colour": "red"}]}, 422, "mapObjects.0.colour"),
        (PATH, {"mapObjects": [{"data": "\x00"}]}, 422, "mapObjects.0.data"),
        (PATH, {}, 422, "mapObjects"),
        ("/yards/99/map-objects", {"mapObjects": [{}]}, 404, "id"),
    ],
)
async def test_bad_map_objects_are_refused_and_nothing_is_stored(
    world: AsyncClient, database: Database, path: str, body: dict[str, Any], status: int, field: str
) -> None:
    before = await stored(database)
    assert problem(await world.post(path, json=body), status)["errors"][0]["field"] == field
    assert await stored(database) == before
    problem(await world.get("/yards/99/map-objects"), 404)


async def test_thousands_are_added_at_once(world: AsyncClient, database: Database) -> None:
    assert len(await added(world, *({"type": "t"} for _ in range(40_000)))) == 40_000
    async with database.transaction() as connection:
        assert await connection.scalar(select(func.count()).select_from(map_objects)) == 40_000
