"""A consumer's own queue on a real broker: what kills the consumer is put aside, and nothing else."""

import asyncio
import json
import secrets

import aio_pika
import pytest

from examples.consumers.feed import TRIES, from_queue
from tests.support.services import WorkerAddresses

pytestmark = pytest.mark.stack


class Died(Exception):
    pass


async def test_poisoned_event_is_put_aside_and_the_others_are_used_in_order(worker_addresses: WorkerAddresses) -> None:
    url, name = worker_addresses.amqp_url, f"consumer-{secrets.token_hex(4)}"
    connection = await aio_pika.connect(url)
    channel = await connection.channel()
    exchange = await channel.declare_exchange(name, "topic", durable=True)
    used: list[int] = []
    tried = 0

    async def consume() -> None:
        nonlocal tried
        async for event in from_queue(url, name, ("task.*",), exchange=name):
            if event["payload"] == 3:
                tried += 1
                raise Died
            used.append(event["payload"])
            if event["payload"] == 9:
                return

    first = asyncio.create_task(consume())
    while not used:  # it has bound its queue once the first one comes
        event = {"id": secrets.token_hex(8), "payload": 0}
        await exchange.publish(aio_pika.Message(json.dumps(event).encode()), "task.started")
        await asyncio.sleep(0.1)
    used.clear()
    for number in range(1, 10):
        event = {"id": str(number), "payload": number}
        await exchange.publish(aio_pika.Message(json.dumps(event).encode()), "task.started")
    ends = [(await asyncio.gather(first, return_exceptions=True))[0]]
    while ends[-1] is not None:
        assert isinstance(ends[-1], Died), ends[-1]
        assert len(ends) < 2 * TRIES
        ends += await asyncio.gather(consume(), return_exceptions=True)

    assert [number for number in used if number] == [1, 2, 4, 5, 6, 7, 8, 9]
    assert tried == TRIES + 1  # the limit counts how often it was given back
    dead = await channel.get_queue(f"{name}.dead")
    (put_aside,) = [
        json.loads((await dead.get()).body)["payload"] for _ in range(dead.declaration_result.message_count)
    ]
    assert put_aside == 3
    await connection.close()


async def test_a_family_has_its_types_of_two_dots_too(worker_addresses: WorkerAddresses) -> None:
    url, name = worker_addresses.amqp_url, f"consumer-{secrets.token_hex(4)}"
    connection = await aio_pika.connect(url)
    async with connection:
        exchange = await (await connection.channel()).declare_exchange(name, "topic", durable=True)

        async def publish(kind: str) -> None:
            event = {"id": secrets.token_hex(8), "type": kind}
            await exchange.publish(aio_pika.Message(json.dumps(event).encode()), kind)

        async def take(found: list[str]) -> None:
            async for event in from_queue(url, name, ("mission.*", "task.failed"), exchange=name):
                found.append(event["type"])
                if event["type"] == "task.failed":
                    return

        found: list[str] = []
        taking = asyncio.create_task(take(found))
        while not found:  # it has bound its queue once the first one comes
            await publish("mission.started")
            await asyncio.sleep(0.1)
        for kind in ("mission_queue.created", "task.started", "mission.thread.started", "task.failed"):
            await publish(kind)
        await asyncio.wait_for(taking, 20)
        assert [kind for kind in found if kind != "mission.started"] == ["mission.thread.started", "task.failed"]
