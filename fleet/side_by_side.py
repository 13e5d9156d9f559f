"""Consume a queue with a few messages in hand side by side: one that takes its time holds up no other sender's."""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from aio_pika.abc import AbstractIncomingMessage, AbstractRobustChannel

from fleet.batches import Handler, until_handled
from fleet.bus import Bus, acknowledge, close, comes_again

WAITING_EACH = 20
"""How many messages of one sender may be in hand or wait for their turn; and as many to be refused."""
# Room for fifty senders that all have as many as they may: whoever asks after them is still delivered.
_FETCHED = 100 * WAITING_EACH

_Sender = tuple[str | None, str]


class SideBySideConsumer:
    """Hands the messages of one queue to `handle`, one each, at most `at_once` in hand; acknowledges each by itself.

    Those of one sender come one after the other, in order, and wait without taking a place from others. The next of one
    that has `WAITING_EACH` already is handed to `refuse` at once: what waits is unacknowledged, and the broker delivers
    only so many of these. For the same reason one that sends faster than it is refused gets no answer to the excess:
    `dropped` is told how many these were, once none of its messages is in hand.
    """

    def __init__(
        self,
        bus: Bus,
        queue: str,
        handle: Handler,
        *,
        refuse: Handler,
        dropped: Callable[[int], Awaitable[None]],
        at_once: int,
    ) -> None:
        self._bus, self._queue, self._handle, self._refuse = bus, queue, handle, refuse
        self._tell_dropped = dropped
        self._dropped: Counter[_Sender] = Counter()
        self._places = asyncio.Semaphore(at_once)
        self._refusals = asyncio.Semaphore(at_once)
        self._lines: dict[_Sender, deque[AbstractIncomingMessage]] = {}
        self._refused: Counter[_Sender] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._channel: AbstractRobustChannel | None = None

    async def start(self) -> None:
        """Begin to consume."""
        self._channel = await self._bus.consume(self._queue, self._begin, prefetch=_FETCHED)

    async def stop(self) -> None:
        """Finish what is in hand; the rest goes back to the queue."""
        self._stopping.set()
        await asyncio.gather(*self._tasks)
        if self._channel is not None:
            await close(self._channel)

    async def _begin(self, message: AbstractIncomingMessage) -> None:
        sender = _sender(message)
        line = self._lines.get(sender)
        if line is None:
            self._lines[sender] = deque([message])
            self._run(self._serve(sender))
        # Those of a channel that is gone come again: they must not count twice.
        elif sum(not comes_again(waiting) for waiting in line) < WAITING_EACH:
            line.append(message)
        elif self._refused[sender] < WAITING_EACH:
            self._refused[sender] += 1
            self._run(self._refuse_one(sender, message))
        else:
            self._dropped[sender] += 1
            await acknowledge(message)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=f"intake {self._queue}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, sender: _Sender) -> None:
        """Take what waits of one sender, until nothing does."""
        line = self._lines[sender]
        while line:
            await self._take(line[0], self._handle, self._places)
            line.popleft()
        del self._lines[sender]
        if dropped := self._dropped.pop(sender, 0):
            await self._tell_dropped(dropped)

    async def _refuse_one(self, sender: _Sender, message: AbstractIncomingMessage) -> None:
        await self._take(message, self._refuse, self._refusals)
        self._refused[sender] -= 1
        if not self._refused[sender]:
            del self._refused[sender]

    async def _take(self, message: AbstractIncomingMessage, handle: Handler, places: asyncio.Semaphore) -> None:
        async with places:
            if self._stopping.is_set() or comes_again(message):
                return  # it comes again
            if await until_handled(handle, [message], self._queue, self._stopping):
                await acknowledge(message)


def _sender(message: AbstractIncomingMessage) -> _Sender:
    """Who speaks for whom: a leader's messages must not fill the line of its follower. `agent.<uuid>.<any word>`."""
    return message.user_id, (message.routing_key or "").rpartition(".")[0]
