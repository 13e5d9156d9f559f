"""A program that listens to Muster's events at RabbitMQ, as a site's would: on a queue of its own that outlives it."""

import asyncio
import contextlib

import aio_pika
from aio_pika import ExchangeType
from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError

QUEUE = "faults.listener"
_AGAIN = 0.3
_AWAY = (AMQPError, ChannelInvalidStateError, OSError, RuntimeError, TimeoutError)


class Listener:
    """What it has heard. Events may come again, but none before its turn: the log's sequence has no gaps."""

    def __init__(self, amqp_url: str, exchange: str) -> None:
        self.last = 0
        """The event's place in the log; 0: it has heard none."""
        self.repeated = 0
        self.wrong: list[str] = []
        self._url, self._exchange = amqp_url, exchange

    async def run(self) -> None:
        """Until cancelled; on a new connection whenever the broker was away."""
        while True:
            with contextlib.suppress(*_AWAY):
                connection = await aio_pika.connect(self._url, timeout=5)
                try:
                    await self._listen(connection)
                finally:
                    with contextlib.suppress(*_AWAY):
                        await connection.close()
            await asyncio.sleep(_AGAIN)

    async def _listen(self, connection: aio_pika.abc.AbstractConnection) -> None:
        gone = asyncio.Event()
        connection.close_callbacks.add(lambda *_: gone.set())
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=500)
        exchange = await channel.declare_exchange(self._exchange, ExchangeType.TOPIC, durable=True)
        queue = await channel.declare_queue(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
        await queue.bind(exchange, "#")
        await queue.consume(self._take)
        await gone.wait()

    async def _take(self, message: AbstractIncomingMessage) -> None:
        self.hear(int(str(message.headers["sequence"])), message.type or "")
        with contextlib.suppress(*_AWAY, asyncio.CancelledError):  # what waits for a connection that dies is cancelled
            await message.ack()

    def hear(self, sequence: int, what: str) -> None:
        """An event with this place in the log."""
        if sequence <= self.last:
            self.repeated += 1
            return
        if self.last and sequence != self.last + 1:
            self.wrong.append(f"after event {self.last} a listener at RabbitMQ heard event {sequence} ({what})")
        self.last = sequence
