"""Consume a queue with a few messages in hand side by side: one that takes its time holds up no other sender's."""

import asyncio
from contextlib import suppress
from weakref import WeakValueDictionary

from aio_pika.abc import AbstractIncomingMessage, AbstractRobustChannel
from aiormq.exceptions import AMQPError, ChannelInvalidStateError

from fleet.batches import Handler, until_handled
from fleet.bus import Bus

_FETCHED_FOR_EACH = 8


class SideBySideConsumer:
    """Hands the messages of one queue to `handle`, one each, at most `at_once` in hand; acknowledges each by itself.

    Those with one routing key come one after the other, in order, and wait without taking a place from others.
    """

    def __init__(self, bus: Bus, queue: str, handle: Handler, *, at_once: int) -> None:
        self._bus, self._queue, self._handle, self._at_once = bus, queue, handle, at_once
        self._places = asyncio.Semaphore(at_once)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._channel: AbstractRobustChannel | None = None

    async def start(self) -> None:
        """Begin to consume."""
        self._channel = await self._bus.consuming_channel(self._at_once * _FETCHED_FOR_EACH)
        # Not with ensure=False: such a queue is forgotten when the connection comes back.
        queue = await self._channel.get_queue(self._queue)
        await queue.consume(self._begin)

    async def stop(self) -> None:
        """Finish what is in hand; the rest goes back to the queue."""
        self._stopping.set()
        await asyncio.gather(*self._tasks)
        if self._channel is not None:
            with suppress(AMQPError, OSError, RuntimeError):
                await self._channel.close()

    async def _begin(self, message: AbstractIncomingMessage) -> None:
        task = asyncio.create_task(self._take(message), name=f"intake {self._queue}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take(self, message: AbstractIncomingMessage) -> None:
        key = message.routing_key or ""
        turn = self._turns.setdefault(key, asyncio.Lock())
        async with turn, self._places:
            if self._stopping.is_set() or message.channel.is_closed:
                return  # it comes again
            if await until_handled(self._handle, [message], self._queue, self._stopping):
                with suppress(AMQPError, ChannelInvalidStateError, OSError):
                    await message.ack()
