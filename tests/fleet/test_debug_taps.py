"""Looking on: copies of what goes to agents, only where somebody asked for them, and never in an agent's stead."""

import asyncio
import json

import aio_pika

from fleet.bus import Bus
from fleet.downlink import Delivery, Downlink
from fleet.signing import Signer
from fleet.topology import exchanges
from settings import Settings
from store.agents import AgentAddress

TAP = "muster.test_tap"


async def test_tap_gets_a_copy_and_does_not_confirm_for_an_agent_that_is_gone(settings: Settings) -> None:
    settings = settings.model_copy(update={"debug_exchange": TAP})
    bus = Bus(settings, "tap")
    await bus.connect()
    try:
        async with await aio_pika.connect(settings.amqp_url) as connection:
            channel = await connection.channel()
            queue = await channel.declare_queue(None, exclusive=True)
            await queue.bind(TAP, "agent.*.instantActions")
            downlink = Downlink(settings, bus, Signer.load(settings))
            assert await downlink.release(AgentAddress(1, "gone", "AMQP"), work_process_id=7) is Delivery.NOT_LISTENING
            async with asyncio.timeout(10), queue.iterator(no_ack=True) as copies:
                copy = await anext(copies)
        assert copy.routing_key == "agent.gone.instantActions"
        assert json.loads(json.loads(copy.body)["message"])["type"] == "release_from_mission"
    finally:
        await bus.close()


class StuckBus(Bus):
    """Nobody takes what is published loosely."""

    async def publish_loosely(self, exchange: str, routing_key: str, body: bytes) -> None:
        await asyncio.Event().wait()


async def test_a_tap_that_nobody_serves_holds_nothing_up(settings: Settings) -> None:
    settings = settings.model_copy(update={"debug_exchange": TAP})
    bus = StuckBus(settings, "tap")
    await bus.connect()
    try:
        downlink = Downlink(settings, bus, Signer.load(settings))
        async with asyncio.timeout(5):
            for _ in range(3):
                await downlink.release(AgentAddress(1, "gone", "AMQP"), work_process_id=7)
    finally:
        await bus.close()


def test_there_is_no_tap_by_default() -> None:
    assert Settings().debug_exchange == ""
    assert "" not in exchanges(Settings())
