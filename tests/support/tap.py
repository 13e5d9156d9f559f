"""Every message that goes through a broker, copied by RabbitMQ's own tracing: it changes no route and no confirm."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import aio_pika
import httpx
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from tests.support.services import WorkerAddresses

_MARKS = "amq.topic"


@dataclass(frozen=True)
class Tapped:
    """One published message, its envelope opened where it has one."""

    exchange: str
    routing_key: str
    inner: Any

    @property
    def kind(self) -> str:
        """The inner message's type."""
        return str(self.inner.get("type", "")) if isinstance(self.inner, dict) else ""

    @property
    def work_process_id(self) -> int | None:
        """The mission that it names."""
        if not isinstance(self.inner, dict):
            return None
        for part in (self.inner.get("metadata"), self.inner.get("body")):
            if isinstance(part, dict) and part.get("work_process_id") is not None:
                return int(part["work_process_id"])
        return None


class Tap:
    """What was published since the tap was opened."""

    def __init__(self, channel: AbstractChannel) -> None:
        self.messages: list[Tapped] = []
        self._channel = channel
        self._marks: dict[str, asyncio.Event] = {}

    def count(self, kind: str, mission: int, agent: str | None = None) -> int:
        """How many messages of this kind named this mission, to this agent or to any."""
        return sum(
            message.kind == kind
            and message.work_process_id == mission
            and (agent is None or message.inner["uuid"] == agent)
            for message in self.messages
        )

    async def caught_up(self) -> None:
        """Return once everything that the broker had carried before is among the messages."""
        key = f"mark.{secrets.token_hex(4)}"
        self._marks[key] = asyncio.Event()
        await (await self._channel.get_exchange(_MARKS, ensure=False)).publish(
            aio_pika.Message(b"{}"), key, mandatory=False
        )
        await asyncio.wait_for(self._marks[key].wait(), 10)

    async def _take(self, message: AbstractIncomingMessage) -> None:
        exchange = message.headers["exchange_name"]
        keys = message.headers["routing_keys"]
        assert isinstance(keys, list)
        if exchange == _MARKS and (mark := self._marks.get(str(keys[0]))):
            mark.set()
            return
        self.messages.append(Tapped(str(exchange), str(keys[0]), _opened(message.body)))


def _opened(body: bytes) -> Any:
    try:
        outer = json.loads(body)
        return json.loads(outer["message"]) if isinstance(outer, dict) and "message" in outer else outer
    except (ValueError, TypeError):
        return None


@asynccontextmanager
async def tapped(addresses: WorkerAddresses) -> AsyncIterator[Tap]:
    """Trace the vhost of these addresses until the end."""
    vhost = urlsplit(addresses.amqp_url).path.lstrip("/")
    async with httpx.AsyncClient(base_url=addresses.amqp_management_url, trust_env=False, timeout=30) as management:
        path = f"/api/vhosts/{quote(vhost, safe='')}"
        (await management.put(path, json={"tracing": True})).raise_for_status()
        connection = await aio_pika.connect(addresses.amqp_url)
        try:
            channel = await connection.channel()
            queue = await channel.declare_queue(exclusive=True)
            await queue.bind("amq.rabbitmq.trace", "publish.#")
            tap = Tap(channel)
            await queue.consume(tap._take, no_ack=True)
            yield tap
        finally:
            await connection.close()
            await management.put(path, json={"tracing": False})
