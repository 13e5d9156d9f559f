"""Simulated devices on a whole Muster, and missions that send them commands."""

import secrets
from collections.abc import AsyncIterator
from typing import Any, Protocol

import pytest

from examples.instruments.simulator import Instruments, Simulated
from settings import Settings
from tests.support.site import YARD, Mission, Site


class Commanding(Protocol):
    """Sends commands to a device, one after the other, and returns the mission that does it."""

    async def __call__(self, uuid: str, *commands: tuple[Any, ...]) -> Mission: ...


@pytest.fixture(scope="session")
async def instruments(site: Site) -> AsyncIterator[Instruments]:
    settings = Settings(amqp_url=site.addresses.amqp_url)
    async with Instruments(settings, YARD, sampling=0.1, time_scale=100) as running:
        yield running


@pytest.fixture
async def ctd(instruments: Instruments) -> AsyncIterator[Simulated]:
    uuid = f"SBE37_SIM_{secrets.token_hex(3)}"
    yield await instruments.start(uuid)
    await instruments.stop(uuid)


@pytest.fixture(scope="session")
async def command(site: Site) -> Commanding:
    """A planner that plans what the mission's data say; failed assignments do not end the mission."""
    recipe, _ = await site.recipe(lambda call: call.body["request"], onAssignmentFailure="CONTINUE_MISSION")

    async def send(uuid: str, *commands: tuple[Any, ...]) -> Mission:
        (agent,) = (await site.get(f"/agents?uuid={uuid}"))["items"]
        results = [
            {
                "agent_id": agent["id"],
                "assignment": {"command": {"method": method, "name": name, "args": args, "kwargs": {}}},
            }
            for method, name, *args in commands
        ]
        body = {
            "workProcessTypeName": recipe,
            "status": "dispatched",
            "yardUid": YARD,
            "agentIds": [agent["id"]],
            "data": {"results": results, "dispatch_order": [[index] for index in range(len(results))]},
        }
        return Mission(site, (await site.post("/work-processes", body))["id"])

    return send
