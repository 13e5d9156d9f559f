"""Missions that need agents which can do certain things."""

from tests.support.planner import Script
from tests.support.site import Mission, Site, SiteAgent


def drives(truck: SiteAgent) -> Script:
    return lambda call: {"results": [{"agent_id": truck.id, "assignment": {"n": 1}}]}


async def test_mission_waits_until_its_agent_can_do_what_it_needs(site: Site) -> None:
    truck = await site.agent()
    recipe, _ = await site.recipe(drives(truck))
    needy: Mission = await site.mission(recipe, [truck], operationTypesRequired=["drive", "weld"])
    reason = await needy.until_waiting("agent_lacks_operation")
    assert "cannot do drive, weld" in reason["text"]
    # It does not hold up the ones behind it.
    await (await site.mission(recipe, [truck])).until("succeeded")
    answer = await site.api.patch(f"/agents/{truck.id}", json={"operationTypes": ["weld", "drive"]})
    assert answer.status_code == 200
    await needy.until("succeeded")
    await (await site.mission(recipe, [truck], operationTypesRequired=["weld"])).until("succeeded")


async def test_agent_known_to_be_unable_is_refused(site: Site) -> None:
    truck = await site.agent()
    recipe, _ = await site.recipe(drives(truck))
    await site.api.patch(f"/agents/{truck.id}", json={"operationTypes": ["drive"]})
    body = {"workProcessTypeName": recipe, "status": "draft", "yardUid": "1", "agentIds": [truck.id]}
    refused = await site.post("/work-processes", body | {"operationTypesRequired": ["drive", "weld"]}, status=422)
    assert refused["errors"][0]["field"] == "operationTypesRequired"
    assert "cannot do weld" in refused["errors"][0]["detail"]
    draft = await site.post("/work-processes", body)
    edit = await site.api.patch(f"/work-processes/{draft['id']}", json={"operationTypesRequired": ["weld"]})
    assert edit.status_code == 422
