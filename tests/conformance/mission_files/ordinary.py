"""An ordinary mission of an instrument, beside mission files."""

from examples.instruments.simulator import Simulated
from tests.support.platform_stage import Platform
from tests.support.site import YARD, Mission


async def ordinary_mission(platform: Platform, ctd: Simulated) -> Mission:
    """It holds the instrument, which never answers its assignment."""
    agent_id = platform.stage.ids[ctd.uuid]
    command = {"command": {"method": "execute_resource", "name": "CLOCK_SYNC", "args": [], "kwargs": {}}}
    ctd.inject("late", "CLOCK_SYNC", 1, seconds=60.0)
    recipe, _ = await platform.site.recipe(lambda call: {"results": [{"agent_id": agent_id, "assignment": command}]})
    body = {
        "workProcessTypeName": recipe,
        "status": "dispatched",
        "yardUid": YARD,
        "agentIds": [agent_id],
        "data": {},
    }
    mission = Mission(platform.site, (await platform.site.post("/work-processes", body))["id"])
    await mission.until("executing")
    return mission
