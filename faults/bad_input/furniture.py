"""One of everything that has an address in the API, so that requests find something to spoil."""

from faults.bad_input.ground import Ground
from faults.waiting import until

YARD, PLATFORM = "furnished", "STATION"

_FILE = f"""\
platform: {{platformID: {PLATFORM}}}
mission:
  - instrumentID: [PRE:CTD]
    schedule: {{startTime: 2014-07-18, loop: {{quantity: 1}}}}
    missionSequence: [command: execute_resource(ACQUIRE_SAMPLE)]
"""


async def furnish(ground: Ground) -> None:
    """Yards, agents, a platform with an instrument, services, recipes, missions, a queue, webhooks: ids from 1 on."""
    for number in range(3):
        name = f"{YARD}-{number}"
        await ground.post("/yards", {"uid": name, "name": name})
        await ground.post("/services", {"name": name, "type": name, "isDummy": True, "url": "http://127.0.0.1:9"})
        await ground.post("/recipes", {"name": name, "steps": [{"step": "plan", "serviceType": name}]})
        await ground.post("/webhooks", {"url": f"https://127.0.0.1:9/{name}", "types": ["task.*"]})
    agents = await ground.check_in(f"{YARD}-0", [f"{YARD}-agent-{number}" for number in range(3)])
    await _platform(ground)
    await ground.post("/mission-queues", {"name": YARD})
    await ground.post("/yards/1/map-objects", {"mapObjects": [{"name": "gate", "type": "gate", "data": {"x": 1}}]})
    await ground.post(f"/agents/{agents[0].id}/instant-actions", {"command": "state"})
    await ground.post(f"/platforms/{PLATFORM}/missions", {"missionId": "m1", "missionYaml": _FILE})
    for status in ("dispatched", "dispatched", "draft"):
        body = {
            "workProcessTypeName": f"{YARD}-0",
            "status": status,
            "yardUid": f"{YARD}-0",
            "agentIds": [agents[0].id],
        }
        await ground.post("/work-processes", {**body, "data": {"drive": 1}})


async def _platform(ground: Ground) -> None:
    """One in the state COMMAND, where missions may be run."""
    platform, instrument = await ground.check_in(f"{YARD}-0", [PLATFORM, "CTD"])
    await ground.patch(f"/agents/{platform.id}", {"agentClass": "platform"})
    for command, state in (("INITIALIZE", "INACTIVE"), ("GO_ACTIVE", "IDLE"), ("RUN", "COMMAND")):

        async def there(command: str = command, state: str = state) -> bool:
            await ground.http.post(f"/platforms/{platform.id}/commands", json={"command": command})
            return bool((await ground.get(f"/platforms/{platform.id}"))["state"] == state)

        await until(there, 20)  # a command is refused while another one is still on its way
    await ground.patch(
        f"/agents/{instrument.id}", {"agentClass": "instrument", "alias": "PRE:CTD", "parentId": platform.id}
    )
