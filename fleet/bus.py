"""One connection to RabbitMQ that comes back by itself, with publisher confirms.

UnknownOutcome   sent, and the connection was lost before the broker's confirm
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit
from weakref import WeakSet

import aio_pika
import aiormq
from aio_pika.abc import (
    AbstractChannel,
    AbstractConnection,
    AbstractIncomingMessage,
    AbstractRobustChannel,
    AbstractRobustConnection,
)
from aiormq.abc import AbstractChannel as UnderlayChannel
from aiormq.exceptions import AMQPError, ChannelInvalidStateError, DeliveryError, PublishError

from fleet import tolerant_frames, topology
from missions.errors import MusterError, PartUnavailable
from settings import Settings
from store.loops import is_cancelled

log = logging.getLogger(__name__)
T = TypeVar("T")
Callback = Callable[[AbstractIncomingMessage], Awaitable[Any]]

RABBITMQ = "RabbitMQ"
CONNECT_TIMEOUT = 10.0
READY_TIMEOUT = 3.0
"""How long a publish waits for a connection that is being re-made, in seconds."""
CONFIRM_TIMEOUT = 10.0
_RECONNECT_INTERVAL = 0.3
# A connection over which nothing comes is given up after about four times this (aiormq's own rule); the broker gives
# us up after twice this.
_HEARTBEAT = 4
_LOOKS_EVERY = 2.0
"""Seconds: a channel that is closed at two looks, while its connection is up, is not re-opened any more."""
_PERSISTENT = 2
_TRANSIENT = 1
_FEATURE = "transient_nonexcl_queues"
"""What RabbitMQ calls the queues that agents declare, also where it refuses them."""


class UnknownOutcome(MusterError):
    """A message was sent and the connection lost before the confirm: it may have arrived, or not."""


class AgentsRefused(MusterError):
    """The broker refuses the queues that every helyOS agent declares."""


class Bus:
    """The broker as this process sees it."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._connection: AbstractRobustConnection | None = None
        self._declaring: AbstractRobustChannel | None = None
        self._publishing: AbstractRobustChannel | None = None
        self._loose: AbstractRobustChannel | None = None
        self._channels: WeakSet[AbstractRobustChannel] = WeakSet()
        self._watching: asyncio.Task[None] | None = None
        self.login = unquote(urlsplit(settings.amqp_url).username or "guest")

    async def connect(self) -> None:
        """Connect and declare the topology; raises PartUnavailable, or AgentsRefused (RabbitMQ 4.3 and later)."""
        tolerant_frames.install()
        self._connection = await _reach(
            aio_pika.connect_robust(
                self._settings.amqp_url,
                timeout=CONNECT_TIMEOUT,
                client_properties={"connection_name": f"muster {self._name} {os.getpid()}"},
                reconnect_interval=_RECONNECT_INTERVAL,
                heartbeat=_HEARTBEAT,
            )
        )
        try:
            await self._probe_transient_queues()
            # This channel stays: it declares everything again whenever the connection comes back.
            self._declaring = self._connection.channel()
            await _reach(self._declaring.initialize())
            await _reach(topology.declare(self._declaring, self._settings))
            self._publishing = self._connection.channel(publisher_confirms=True, on_return_raises=True)
            await _reach(self._publishing.initialize())
            self._channels |= {self._declaring, self._publishing}
            self._watching = asyncio.create_task(self._watch(self._connection), name=f"channels of {self._name}")
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connection, also one that is lost."""
        if self._watching is not None:
            self._watching.cancel()
        if self._connection is not None:
            await close(self._connection)

    async def consuming_channel(self, prefetch: int) -> AbstractRobustChannel:
        """A channel of one's own to consume on; it comes back with the connection."""
        assert self._connection is not None, "connect first"
        channel = self._connection.channel(publisher_confirms=False)
        assert isinstance(channel, AbstractRobustChannel)
        await _reach(channel.initialize())
        await _reach(channel.set_qos(prefetch_count=prefetch))
        self._channels.add(channel)
        return channel

    async def consume(self, queue: str, callback: Callback, *, prefetch: int) -> AbstractRobustChannel:
        """Consume a queue on a channel of its own; both come back with the connection. Raises PartUnavailable."""
        channel = await self.consuming_channel(prefetch)
        # Not with ensure=False: such a queue is forgotten when the connection comes back.
        known = await _reach(channel.get_queue(queue))
        await _reach(known.consume(callback))
        return channel

    async def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        *,
        mandatory: bool = True,
        persistent: bool = True,
        correlation_id: str | None = None,
        headers: dict[str, str | int] | None = None,
    ) -> bool:
        """Publish and await the confirm. False: the broker returned it, nobody listens.

        Raises PartUnavailable if it was surely not sent, UnknownOutcome if nobody can say.
        """
        channel = await self._ready_channel()
        properties = aiormq.spec.Basic.Properties(
            content_type="application/json",
            delivery_mode=_PERSISTENT if persistent else _TRANSIENT,
            user_id=self.login,
            correlation_id=correlation_id,
            headers=dict(headers or {}),
        )
        try:
            await channel.basic_publish(
                body,
                exchange=exchange,
                routing_key=routing_key,
                properties=properties,
                mandatory=mandatory,
                timeout=CONFIRM_TIMEOUT,
            )
        except PublishError:
            return False
        except DeliveryError as error:
            # A nack comes after an error inside the broker; another of the key's queues may have the message.
            raise UnknownOutcome(f"the broker refused to confirm {routing_key}: {error}") from error
        except (AMQPError, OSError, ChannelInvalidStateError, TimeoutError) as error:
            raise UnknownOutcome(f"no confirm for {routing_key}: {error!r}") from error
        except asyncio.CancelledError as error:
            if is_cancelled():
                raise
            raise UnknownOutcome(f"no confirm for {routing_key}: connection lost") from error
        return True

    async def publish_loosely(self, exchange: str, routing_key: str, body: bytes) -> None:
        """Publish without a confirm, on a channel of its own; not for two tasks at once. Raises PartUnavailable."""
        properties = aiormq.spec.Basic.Properties(content_type="application/json", user_id=self.login)
        try:
            if self._loose is None:
                self._loose = await self.consuming_channel(0)
            channel = await _ready(self._loose)
            await channel.basic_publish(body, exchange=exchange, routing_key=routing_key, properties=properties)
        except (AMQPError, OSError, RuntimeError, TimeoutError) as error:  # closed, or about to be
            raise PartUnavailable(RABBITMQ, f"not connected: {error!r}") from error

    async def _ready_channel(self) -> UnderlayChannel:
        if self._publishing is None:
            raise PartUnavailable(RABBITMQ, "not connected yet")
        return await _ready(self._publishing)

    async def _watch(self, connection: AbstractRobustConnection) -> None:
        """Open channels that stay closed: aio-pika forgets some whose connection breaks while they are opened anew."""
        closed: set[AbstractRobustChannel] = set()
        while True:
            await asyncio.sleep(_LOOKS_EVERY)
            before, closed = closed, {channel for channel in self._channels if _is_lost(connection, channel)}
            for channel in before & closed:
                log.warning("%s: a channel stays closed, it is opened again", self._name)
                with contextlib.suppress(PartUnavailable, TimeoutError):
                    async with asyncio.timeout(CONNECT_TIMEOUT):
                        await _reach(channel.reopen())

    async def _probe_transient_queues(self) -> None:
        """Declare a queue as agents do, on a connection of its own, since a refusal closes it."""
        await probe_transient_queues(lambda: aio_pika.connect(self._settings.amqp_url, timeout=CONNECT_TIMEOUT))


async def probe_transient_queues(connect: Callable[[], Awaitable[AbstractConnection]]) -> None:
    """Raise AgentsRefused if the broker refuses transient queues that are not exclusive; else PartUnavailable."""
    connection = await _reach(connect())
    try:
        await _reach(_declare_as_agents_do(connection))
    except PartUnavailable as error:
        # Anything else, a lost connection too, says nothing of what the broker permits.
        if _FEATURE not in error.cause:
            raise
        raise AgentsRefused(
            "RabbitMQ refuses the queues that every helyOS agent declares (transient, not exclusive), as version 4.3 "
            f"and later do by default. Put [{{rabbit,[{{permit_deprecated_features,#{{{_FEATURE} => true}}}}]}}]. "
            f"into its advanced.config, or run a version below 4.3. The broker said: {error.cause}"
        ) from error
    finally:
        await close(connection)


async def _declare_as_agents_do(connection: AbstractConnection) -> None:
    channel = await connection.channel()
    queue = await channel.declare_queue(None, durable=False, exclusive=False, auto_delete=True)
    await queue.delete()


async def close(open_: AbstractConnection | AbstractChannel) -> None:
    """Close a connection or channel, also one that is lost."""
    with contextlib.suppress(PartUnavailable):
        await _reach(open_.close())


async def acknowledge(message: AbstractIncomingMessage, *, multiple: bool = False) -> None:
    """Acknowledge a message, or all of its channel until it; if their connection is lost they come again."""
    with contextlib.suppress(PartUnavailable):
        await _reach(message.ack(multiple=multiple))


def comes_again(message: AbstractIncomingMessage) -> bool:
    """Whether its channel is gone, so that the broker delivers it once more."""
    try:
        return message.channel.is_closed
    except ChannelInvalidStateError:  # what a message says of a channel that is closed
        return True


def _is_lost(connection: AbstractRobustConnection, channel: AbstractRobustChannel) -> bool:
    """Whether it is closed, not by us, though its connection is up."""
    return connection.connected.is_set() and channel.is_closed and not getattr(channel, "_close_called", False)


async def _ready(channel: AbstractRobustChannel) -> UnderlayChannel:
    try:
        ready = await asyncio.wait_for(channel.get_underlay_channel(), READY_TIMEOUT)
    except (AMQPError, OSError, RuntimeError, TimeoutError) as error:
        raise PartUnavailable(RABBITMQ, f"not connected: {error!r}") from error
    if ready.is_closed:
        raise PartUnavailable(RABBITMQ, "the channel is being re-opened")
    return ready


async def _reach(attempt: Awaitable[T]) -> T:
    try:
        return await attempt
    # RuntimeError: a channel that is gone; the last is what aiormq says of a connection that ends in its handshake.
    except (AMQPError, OSError, RuntimeError, StopAsyncIteration) as error:
        raise PartUnavailable(RABBITMQ, str(error) or type(error).__name__) from error
    except asyncio.CancelledError as error:
        if is_cancelled():
            raise
        raise PartUnavailable(RABBITMQ, "the connection was lost") from error
