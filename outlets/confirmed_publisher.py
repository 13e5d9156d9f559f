"""One connection to a broker of its own, on which messages are published in order and each is confirmed.

Not the agents' bus: what events do to this connection must not touch agents.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import aio_pika
from aio_pika import ExchangeType
from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel
from aiormq.exceptions import (
    AMQPError,
    ChannelAccessRefused,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    DeliveryError,
)
from pamqp.commands import Basic

from missions.errors import PartUnavailable
from store.loops import is_cancelled

RABBITMQ = "RabbitMQ for events"
_CONNECT_TIMEOUT = 10.0
_CONFIRM_TIMEOUT = 10.0
_CLOSE_TIMEOUT = 2.0
_HEARTBEAT = 10


@dataclass(frozen=True)
class Message:
    """What is published."""

    routing_key: str
    body: bytes
    properties: Basic.Properties


@dataclass(frozen=True)
class NotConfirmed:
    """Why a message was not confirmed.

    `refused`: the broker is there and refused a message, perhaps this one alone; else it does not answer.
    """

    reason: str
    refused: bool


class ConfirmedPublisher:
    """Publishes to one topic exchange, which it declares where it is missing; connects when it is needed."""

    def __init__(self, url: str, exchange: str, name: str) -> None:
        self._url = url
        self._exchange = exchange
        self._name = name
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None

    async def publish(self, messages: Sequence[Message]) -> list[NotConfirmed | None]:
        """Publish in order and await all confirms; None for each message that is confirmed.

        Raises PartUnavailable if the broker or its exchange cannot be reached, and then nothing was sent.
        """
        channel = await self._ready_channel()
        # The channel's lock is first come first served, so that tasks send in the order in which they were made.
        sending = [asyncio.ensure_future(self._send(channel, message)) for message in messages]
        try:
            await asyncio.wait(sending, timeout=_CONFIRM_TIMEOUT)
        finally:
            for task in sending:
                task.cancel()
        outcomes = [_outcome(error) for error in await asyncio.gather(*sending, return_exceptions=True)]
        if any(outcome is not None and not outcome.refused for outcome in outcomes):
            await self.close()
        return outcomes

    async def close(self) -> None:
        """Close the connection, also one whose other end is silent."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(AMQPError, OSError, TimeoutError, RuntimeError):
                async with asyncio.timeout(_CLOSE_TIMEOUT):
                    await connection.close()

    async def _send(self, channel: AbstractChannel, message: Message) -> None:
        await channel.basic_publish(
            message.body,
            exchange=self._exchange,
            routing_key=message.routing_key,
            properties=message.properties,
            wait=False,  # type: ignore[call-arg]  # the abstract class lacks it
        )

    async def _ready_channel(self) -> AbstractChannel:
        if self._connection is None or self._connection.is_closed:
            self._channel = None
        if self._channel is not None and not self._channel.is_closed:
            return self._channel
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT):
                self._channel = await self._open()
        # The last: what aiormq says of a connection that ends within its handshake.
        except (AMQPError, OSError, TimeoutError, RuntimeError, StopAsyncIteration) as error:
            await self.close()
            raise PartUnavailable(RABBITMQ, _text(error)) from error
        except asyncio.CancelledError as error:
            await self.close()
            if is_cancelled():
                raise
            raise PartUnavailable(RABBITMQ, "the connection was lost") from error
        return self._channel

    async def _open(self) -> AbstractChannel:
        if self._connection is None or self._connection.is_closed:
            self._connection = await aio_pika.connect(
                self._url, client_properties={"connection_name": f"muster {self._name}"}, heartbeat=_HEARTBEAT
            )
        await self._declare(self._connection)
        channel = self._connection.channel(publisher_confirms=True, on_return_raises=False)
        await channel.initialize()
        return await channel.get_underlay_channel()

    async def _declare(self, connection: AbstractConnection) -> None:
        # An account that may only write can use an exchange that somebody else has made, and look whether it is there.
        looking = connection.channel()
        await looking.initialize()
        try:
            await looking.declare_exchange(self._exchange, ExchangeType.TOPIC, passive=True)
        except ChannelNotFoundEntity:
            looking = connection.channel()
            await looking.initialize()
            await looking.declare_exchange(self._exchange, ExchangeType.TOPIC, durable=True)
        await looking.close()


# What may be the message's own fault. Other errors close channel or connection, and say nothing against a message.
_REFUSALS = (DeliveryError, ChannelAccessRefused, ChannelPreconditionFailed, ValueError, TypeError)


def _outcome(error: BaseException | None) -> NotConfirmed | None:
    if error is None:
        return None
    if isinstance(error, DeliveryError):
        return NotConfirmed("the broker refused the message (nack): perhaps a bound queue is full", refused=True)
    if isinstance(error, asyncio.CancelledError):
        return NotConfirmed(f"no confirm within {_CONFIRM_TIMEOUT:g} s, or the connection was lost", refused=False)
    return NotConfirmed(_text(error), refused=isinstance(error, _REFUSALS))


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__
