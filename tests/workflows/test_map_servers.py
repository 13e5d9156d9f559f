"""Services of the domain `Map server` change the map of the mission's yard; other results do not."""

import secrets
from typing import Any

from tests.support.planner import Script, Service
from tests.support.site import Mission, Site

WALL = {"type": "wall", "name": "W", "data": {"x": 1}, "data_format": "json", "metadata": {"by": "test"}}


class Mapped:
    """A yard with a recipe whose only step asks a map server."""

    def __init__(self, site: Site, name: str, yard_id: int, service: Service) -> None:
        self.site, self.name, self.yard_id, self.service = site, name, yard_id, service

    @classmethod
    async def of(cls, site: Site, script: Script, **step: Any) -> "Mapped":
        name = f"map-{secrets.token_hex(3)}"
        service = site.planner.service(name, script)
        yard = await site.post("/yards", {"uid": name, "lat": 1.0, "mapObjects": [{"type": "old", "name": "O"}]})
        await site.post("/services", {"name": name, "type": name, "url": service.url, "domain": "Map server"})
        await site.post("/recipes", {"name": name, "steps": [{"step": "map", "serviceType": name, **step}]})
        return cls(site, name, yard["id"], service)

    async def mission(self) -> Mission:
        return await self.site.mission(self.name, [], yardUid=self.name)

    async def yard(self) -> Any:
        return await self.site.get(f"/yards/{self.yard_id}")

    async def types(self) -> list[str]:
        return [item["type"] for item in (await self.yard())["mapObjects"]]


async def test_update_replaces_map_objects_origin_and_map_data(site: Site) -> None:
    update = {"origin": {"lat": 51.5, "long": 13.25, "alt": 3}, "map_objects": [WALL, WALL], "map_data": {"v": 2}}
    mapped = await Mapped.of(site, lambda call: {"results": [{"update": update}]})
    mission = await mapped.mission()
    await mission.until("succeeded")
    yard = await mapped.yard()
    assert (yard["lat"], yard["lon"], yard["alt"], yard["mapData"]) == (51.5, 13.25, 3, {"v": 2})
    assert await mapped.types() == ["wall", "wall"]
    wall = yard["mapObjects"][0]
    assert (wall["name"], wall["data"], wall["dataFormat"], wall["metadata"]) == ("W", {"x": 1}, "json", {"by": "test"})
    (event,) = await mission.events("yard.map_updated")
    assert event["payload"] == {
        "yard_id": mapped.yard_id,
        "yard_uid": mapped.name,
        "action": "created",
        "map_object_id": None,
        "step": "map",
        "changed": ["alt", "lat", "lon", "map_data"],
        "map_objects": 2,
        "replaced": True,
    }
    assert await mission.assignments() == []


async def test_create_adds_map_objects_to_the_old_ones(site: Site) -> None:
    mapped = await Mapped.of(site, lambda call: {"result": {"create": {"map_objects": [WALL]}}})
    await (await mapped.mission()).until("succeeded")
    assert await mapped.types() == ["old", "wall"]
    assert (await mapped.yard())["lat"] == 1.0


async def test_result_that_is_not_applied_changes_no_map(site: Site) -> None:
    mapped = await Mapped.of(site, lambda call: {"results": [{"update": {"map_objects": []}}]}, applyResult=False)
    mission = await mapped.mission()
    await mission.until("succeeded")
    assert await mapped.types() == ["old"]
    assert await mission.events("yard.map_updated") == []


async def test_wrong_map_fails_the_mission_and_changes_nothing(site: Site) -> None:
    mapped = await Mapped.of(site, lambda call: {"results": [{"update": {"map_data": 1, "map_objects": [WALL, 3]}}]})
    shown = await (await mapped.mission()).until("failed")
    assert shown["failure"]["code"] == "planning_failed"
    assert "results[0].update.map_objects[1] = 3" in shown["failure"]["text"]
    assert await mapped.types() == ["old"]
    assert (await mapped.yard())["mapData"] is None


async def test_map_that_comes_after_a_cancel_changes_nothing(site: Site) -> None:
    mapped = await Mapped.of(site, lambda call: {"results": [{"update": {"map_objects": [WALL]}}]})
    mapped.service.hold.clear()
    mission = await mapped.mission()
    await mission.until("calculating")
    await mission.cancel()
    mapped.service.hold.set()
    await mission.until("canceled")
    assert await mission.run_status() == "CANCELED"
    assert await mapped.types() == ["old"]


async def test_map_of_many_objects_just_works(site: Site) -> None:
    """More than the bind parameters of one statement, 32,767, in more than ten megabytes."""
    objects = [{"type": "tree", "name": f"tree {n}", "data": {"outline": "x" * 350}} for n in range(33_000)]
    mapped = await Mapped.of(site, lambda call: {"results": [{"update": {"map_objects": objects}}]})
    mission = await mapped.mission()
    await mission.until("succeeded", timeout=60)
    (event,) = await mission.events("yard.map_updated")
    assert event["payload"]["map_objects"] == 33_000
