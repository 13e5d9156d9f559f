"""An agent by hand: what no SDK would send, but an account could."""

import json
from collections.abc import Awaitable
from types import TracebackType
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import ChannelAccessRefused, PublishError

from fleet.accounts import Login
from settings import Settings


class RawAgent:
    """A connection with an account of one's own; `user_id` is set as the SDK does."""

    def __init__(self, settings: Settings, login: Login) -> None:
        self._settings = settings
        self._login = login
        self.connection: AbstractConnection | None = None

    async def __aenter__(self) -> "RawAgent":
        self.connection = await aio_pika.connect(_with_login(self._settings.amqp_url, self._login))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.connection is not None
        await self.connection.close()

    async def channel(self) -> AbstractChannel:
        assert self.connection is not None
        return await self.connection.channel(publisher_confirms=True, on_return_raises=True)

    async def publish(self, exchange: str, key: str, body: bytes, **properties: Any) -> None:
        """Publish on a channel of its own, since a refusal closes it."""
        properties.setdefault("user_id", self._login.username)
        channel = await self.channel()
        try:
            to = await channel.get_exchange(exchange, ensure=False)
            await to.publish(aio_pika.Message(body, **properties), key)
        finally:
            if not channel.is_closed:
                await channel.close()

    async def state(self, uuid: str, status: str = "free", *, key: str | None = None, **body: Any) -> None:
        """Publish a state."""
        message = {"type": "agent_state", "uuid": uuid, "body": {"status": status, **body}}
        await self.publish(self._settings.uplink_exchange, key or f"agent.{uuid}.state", enveloped(message))

    async def may_bind(self, exchange: str, key: str) -> bool:
        """Whether it can listen to this key."""
        channel = await self.channel()
        queue = await channel.declare_queue(None, exclusive=True)
        return await _allowed(channel, queue.bind(exchange, key))

    async def may_publish(self, exchange: str, key: str, **properties: Any) -> bool:
        """Whether it can publish with this key."""
        try:
            await self.publish(exchange, key, b"{}", **properties)
        except ChannelAccessRefused:
            return False
        except PublishError:  # allowed; nobody listens
            return True
        return True

    async def may_consume(self, queue: str) -> bool:
        """Whether it can read this queue."""
        channel = await self.channel()
        return await _allowed(channel, (await channel.get_queue(queue, ensure=False)).get(fail=False))

    async def may(self, deed: str, queue: str) -> bool:
        """Whether it can `purge` or `delete` this queue."""
        channel = await self.channel()
        known = await channel.get_queue(queue, ensure=False)
        return await _allowed(
            channel, known.purge() if deed == "purge" else known.delete(if_unused=False, if_empty=False)
        )

    async def may_declare(self, queue: str) -> bool:
        """Whether it can make a queue of this name."""
        channel = await self.channel()
        return await _allowed(channel, channel.declare_queue(queue, exclusive=True))


async def _allowed(channel: AbstractChannel, deed: Awaitable[object]) -> bool:
    """Whether the broker does not refuse it; it closes the channel if it does."""
    try:
        await deed
    except ChannelAccessRefused:
        return False
    finally:
        if not channel.is_closed:
            await channel.close()
    return True


def enveloped(message: Any, signature: str | None = None) -> bytes:
    """A message as agents send it."""
    text = message if isinstance(message, str) else json.dumps(message)
    return json.dumps({"message": text, "signature": signature}).encode()


def _with_login(amqp_url: str, login: Login) -> str:
    scheme, rest = amqp_url.split("://", 1)
    return f"{scheme}://{login.username}:{login.password}@{rest.rpartition('@')[2]}"
