"""One sender's messages take no place of another's, however many it sends."""

import asyncio
import secrets
from collections.abc import Sequence

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage

from fleet.bus import Bus
from fleet.side_by_side import WAITING_EACH, SideBySideConsumer
from settings import Settings
from tests.support.site import until

pytestmark = pytest.mark.stack


async def test_what_is_sent_faster_than_it_is_refused_is_dropped_and_counted(settings: Settings) -> None:
    taken: dict[str, list[str]] = {"handled": [], "refused": []}
    gate, other = asyncio.Event(), asyncio.Event()

    async def handle(messages: Sequence[AbstractIncomingMessage]) -> None:
        await wait_and_note("handled", messages)

    async def refuse(messages: Sequence[AbstractIncomingMessage]) -> None:
        await wait_and_note("refused", messages)

    async def wait_and_note(what: str, messages: Sequence[AbstractIncomingMessage]) -> None:
        keys = [message.routing_key or "" for message in messages]
        if "agent.two.word" in keys:
            other.set()
        else:
            await gate.wait()
            taken[what] += keys

    dropped: list[int] = []

    async def count(number: int) -> None:
        dropped.append(number)

    connection = await aio_pika.connect(settings.amqp_url)
    bus = Bus(settings, "test")
    await bus.connect()
    try:
        async with connection, await connection.channel() as channel:
            exchange = await channel.declare_exchange(f"side-{secrets.token_hex(4)}", "topic", auto_delete=True)
            queue = await channel.declare_queue(f"side-{secrets.token_hex(4)}")
            await queue.bind(exchange, "agent.#")
            consumer = SideBySideConsumer(bus, queue.name, handle, refuse=refuse, dropped=count, at_once=2)
            await consumer.start()
            for uuid in ["one"] * 3 * WAITING_EACH + ["two"]:
                await exchange.publish(aio_pika.Message(b""), f"agent.{uuid}.word")
            async with asyncio.timeout(5):
                await other.wait()
            gate.set()

            async def done() -> bool:
                return len(taken["handled"]) == WAITING_EACH and len(taken["refused"]) >= WAITING_EACH

            await until(done, 5)
            await consumer.stop()
            left = (await queue.delete(if_unused=False, if_empty=False)).message_count
    finally:
        await bus.close()
    assert (len(taken["handled"]), len(taken["refused"]), left) == (WAITING_EACH, WAITING_EACH, 0)
    assert dropped == [WAITING_EACH]
