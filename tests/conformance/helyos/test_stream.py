"""Passing messages to an agent: the SDK does not listen to them, so one is read by hand, with the agent's account."""

import asyncio
import json
import secrets
from urllib.parse import urlsplit

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from tests.conformance.helyos.conftest import Scene
from tests.support.site import until

_EXCHANGE = "xchange_helyos.agents.stream.dl"


async def test_20_stream_message(scene: Scene) -> None:
    site, uuid, password = scene.site, f"truck-{secrets.token_hex(3)}", secrets.token_hex(8)
    agent = await site.post("/agents", {"uuid": uuid, "account": {"password": password}})
    path = f"/agents/{agent['id']}/instant-actions"

    async def ended_as(status: str) -> None:
        sent = await site.post(path, {"command": "lights on", "channel": "stream"})

        async def there() -> bool:
            return bool((await site.get(f"{path}/{sent['id']}"))["status"] == status)

        await until(there, 10)

    await ended_as("not_listening")
    broker = urlsplit(site.addresses.amqp_url)
    connection = await aio_pika.connect(
        host=broker.hostname or "", port=broker.port or 0, login=uuid, password=password, virtualhost=broker.path[1:]
    )
    heard: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
    try:
        queue = await (await connection.channel()).declare_queue(None, exclusive=True)
        await queue.bind(_EXCHANGE, f"agent.{uuid}.stream")
        await queue.consume(heard.put, no_ack=True)
        await ended_as("sent")
        message = await asyncio.wait_for(heard.get(), 10)
    finally:
        await connection.close()
    assert json.loads(json.loads(message.body)["message"]) == {
        "uuid": uuid,
        "metadata": {},
        "body": "lights on",
        "_version": "2.0.0",
    }
    assert message.delivery_mode == aio_pika.DeliveryMode.NOT_PERSISTENT
    on_stream = [one for one in scene.tap.messages if one.routing_key == f"agent.{uuid}.stream"]
    assert [one.exchange for one in on_stream] == [_EXCHANGE] * 2  # the first came back
    scene.figures["messages"] = "1"
