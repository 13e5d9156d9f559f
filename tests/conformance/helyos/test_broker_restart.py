"""A restart of the broker leaves SDK agents mute or deaf; both is said, and ends when their programs start anew."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from cli.stack.addresses import Addresses
from cli.stack.ports import any_free_port
from cli.stack.processes import Processes
from cli.stack.rabbitmq import RabbitMQ
from engine.client import DATA_CONVERTER
from tests.support.planner import Planner
from tests.support.services import private_part_of
from tests.support.site import Mission, Site, until


class OwnBroker:
    """A broker that this test may restart."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.ports = {name: any_free_port() for name in RabbitMQ.ports}

    async def start(self) -> RabbitMQ:
        self.node = RabbitMQ(self._folder, Processes(self._folder, "broker-restart"), disposable=False)
        await self.node.start(self.ports)
        return self.node

    async def restart(self) -> None:
        await self.node.stop()
        await self.start()


@pytest.fixture
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OwnBroker]:
    broker = OwnBroker(tmp_path_factory.mktemp("broker"))
    await broker.start()
    yield broker
    await broker.node.stop()


@pytest.fixture
async def site(services: Addresses, broker: OwnBroker, tmp_path: Path) -> AsyncIterator[Site]:
    name = f"muster_site_{secrets.token_hex(4)}"
    async with private_part_of(services, name) as shared, Planner().running() as planner:
        ours = {"amqp_url": broker.node.url, "amqp_management_url": broker.node.management_url}
        addresses = shared.model_copy(update={**ours, "mqtt_url": broker.node.mqtt_url})
        temporal = await Client.connect(
            addresses.temporal_address, namespace=addresses.temporal_namespace, data_converter=DATA_CONVERTER
        )
        site = Site(addresses, tmp_path, planner, temporal)
        try:
            await site.start()
            yield site
        finally:
            await site.stop()


@pytest.mark.timeout(300)  # a broker starts twice
async def test_mute_and_deaf_agents_are_noticed_and_work_again_once_their_programs_start_anew(
    site: Site, broker: OwnBroker
) -> None:
    mute = await site.agent("--survive", "mute", "--work", "60")
    deaf, deaf_mqtt = await site.agent("--survive", "deaf"), await site.mqtt_agent("--survive", "deaf")
    driving, _ = await site.recipe(
        lambda call: {"results": [{"agent_id": mute.id, "assignment": {}}]}, options={"agentSilence": 2}
    )
    waiting, _ = await site.recipe(
        lambda call: {"results": [{"agent_id": call.body["request"]["agent"], "assignment": {}}]}
    )
    first = await site.mission(driving, [mute])
    await mute.until_status("busy")
    (assignment,) = await first.assignments()

    await broker.restart()

    async def raised() -> Any:
        return [entry["code"] for entry in (await first.read())["attention"]] == ["agent_silent"]

    await until(raised, 30, lambda: site.worker.log()[-3000:])
    assert mute.process.process.poll() is None
    others = [(agent, await site.mission(waiting, [agent], {"agent": agent.id})) for agent in (deaf, deaf_mqtt)]
    for agent, mission in others:
        reason = await mission.until_waiting("agent_not_listening", 30)
        assert reason["agentId"] == agent.id
        assert len(agent.process.records("state")) > 1  # it talks all the time
        await until(lambda of=mission: asked_later(of), 30)

    login, login_mqtt = (agent.process.records("checked_in")[0] for agent in (mute, deaf_mqtt))
    for agent in (mute, deaf, deaf_mqtt):
        agent.process.kill()
    await site.agent(
        f"--password={login['password']}", "--finish", str(assignment["id"]), uuid=mute.uuid, listening=False
    )
    await site.agent(uuid=deaf.uuid, listening=False)
    known = f"--password={login_mqtt['password']}"
    await site.agent(*site.speaks("MQTT"), known, uuid=deaf_mqtt.uuid, listening=False)
    await first.until("succeeded")
    for agent, mission in others:
        await mission.until("succeeded")
        assert (await agent.read())["notListeningSince"] is None


async def asked_later(mission: Mission) -> bool:
    """Whether its deaf agent is asked again after a pause only."""
    return "asked again from" in (await mission.until_waiting("agent_not_listening"))["text"]
