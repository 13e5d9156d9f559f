"""What there must be before missions can be asked for: yard, planner, recipe, agents, platforms."""

from functools import partial

from examples.instruments.registration import PREFIX
from faults.load import scripts
from faults.load.client import Client
from faults.stage.crew import YARD, Platform, bystanders, odd_agents, platforms, probes, thin_agents
from faults.stage.stage import Stage
from faults.waiting import until


async def prepare(stage: Stage, client: Client) -> None:
    """All of it; returns when the agents are free and the platforms take mission files."""
    crew = stage.crew
    await client.post("/yards", {"uid": YARD, "name": YARD}, fine=(409,))
    service = {
        "name": "planner",
        "type": "planner",
        "url": stage.planner_url(),
        "requireAgentsData": False,
        "resultTimeout": scripts.RESULT_TIMEOUT,
    }
    await client.post("/services", service)
    recipe = {
        "name": scripts.RECIPE,
        "steps": [{"step": "plan", "serviceType": "planner"}],
        "options": {"unconfirmedStart": "fail", "assignmentStartTimeout": 10},
    }
    await client.post("/recipes", recipe)
    await stage.start(*crew.thin, *crew.devices, *crew.sdk)
    everyone = [uuid for uuids in thin_agents().values() for uuid in uuids]
    everyone += [*probes(), *bystanders(), *odd_agents(), *crew.sdk]
    await until(partial(_are_free, client, everyone), 120, "the agents do not check in")
    for platform in platforms():
        devices = [platform.uuid, *platform.ctds]
        await until(partial(_are_free, client, devices), 120, f"{platform} is not there")
        await _register(client, platform)


async def activate(client: Client, platform: Platform) -> None:
    """Bring it to where its instruments take commands. Raises TimeoutError."""
    for command, state in _ACTIVATION:
        await until(partial(_told, client, platform, command, state), 120, f"{platform.uuid} does not come to {state}")


# From wherever it stands: the platform and its instruments may stand elsewhere.
_ACTIVATION = (("RESET", "UNINITIALIZED"), ("INITIALIZE", "INACTIVE"), ("GO_ACTIVE", "IDLE"), ("RUN", "COMMAND"))


async def _told(client: Client, platform: Platform, command: str, state: str) -> bool:
    """Whether the command brought it there: a fault may hit this one too, and the operator cancel it."""

    async def stands() -> bool:
        return (await client.get(f"/platforms/{platform.uuid}"))["underWay"] is None

    await client.post(f"/platforms/{platform.uuid}/commands", {"command": command}, fine=(409,))
    await until(stands, 60, f"{platform.uuid} does not end {command}")
    return bool((await client.get(f"/platforms/{platform.uuid}"))["state"] == state)


async def _register(client: Client, platform: Platform) -> None:
    parent = await _agent(client, platform.uuid)
    await client.patch(f"/agents/{parent}", {"agentClass": "platform"})
    for ctd in platform.ctds:
        fields = {"agentClass": "instrument", "alias": f"{PREFIX}{ctd}", "parentId": parent}
        await client.patch(f"/agents/{await _agent(client, ctd)}", fields)
    await activate(client, platform)


async def _agent(client: Client, uuid: str) -> int:
    return int((await client.get("/agents", uuid=uuid))["items"][0]["id"])


async def _are_free(client: Client, uuids: list[str]) -> bool:
    found: dict[str, str] = {}
    cursor: str | None = None
    while True:
        page = await client.get("/agents", limit=200, **({"cursor": cursor} if cursor else {}))
        found |= {agent["uuid"]: agent["status"] for agent in page["items"]}
        cursor = page["nextCursor"]
        if cursor is None:
            return all(found.get(uuid) == "free" for uuid in uuids)
