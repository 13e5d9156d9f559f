"""Consume a queue in batches: a plain callback collects, one task handles, one multiple-ack ends each batch.

What arrives while a batch is handled becomes the next one, so batches grow under load and stay small without it.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import islice, takewhile

from aio_pika.abc import AbstractIncomingMessage, AbstractRobustChannel

from fleet.bus import Bus, UnknownOutcome, acknowledge, close, comes_again
from missions.errors import PartUnavailable
from store.loops import is_cancelled

log = logging.getLogger(__name__)

Handler = Callable[[Sequence[AbstractIncomingMessage]], Awaitable[None]]

# Rests twice as long as it worked, for a batch costs as much with one message as with ten.
_REST = 2
_LONGEST_REST = 0.05
_WORTH_HANDLING = 64
_RETRY_FIRST = 0.1
_RETRY_MAX = 2.0


class BatchConsumer:
    """Hands the messages of one queue to `handle`, in order, and acknowledges them once it returned.

    While `handle` raises PartUnavailable or UnknownOutcome the same batch is tried again: nothing is lost and nothing
    is dead-lettered because a part is away. `gather`: seconds to let a batch grow before it is handled; under load it
    rests longer than it worked (at most 50 ms).
    """

    def __init__(self, bus: Bus, queue: str, handle: Handler, *, batch_size: int, gather: float = 0.0) -> None:
        self._bus = bus
        self._queue = queue
        self._handle = handle
        self._batch_size = batch_size
        self._gather = gather
        self._waiting: deque[AbstractIncomingMessage] = deque()
        self._arrived = asyncio.Event()
        self._stopping = asyncio.Event()
        self._channel: AbstractRobustChannel | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to consume."""
        self._channel = await self._bus.consume(self._queue, self._collect, prefetch=self._batch_size * 2)
        self._task = asyncio.create_task(self._run(), name=f"intake {self._queue}")

    async def stop(self) -> None:
        """Finish the batch in hand; what is collected beyond it goes back to the queue."""
        self._stopping.set()
        self._arrived.set()
        if self._task is not None:
            await self._task
        if self._channel is not None:
            await close(self._channel)

    async def _collect(self, message: AbstractIncomingMessage) -> None:
        self._waiting.append(message)
        self._arrived.set()

    async def _run(self) -> None:
        rested = 0.0
        while not self._stopping.is_set():
            try:
                rested = await self._serve(rested)
            except Exception:
                # One that ended would keep its place at the queue, and nobody else would get the messages.
                log.exception("intake of %s failed; it goes on", self._queue)
                await asyncio.sleep(_RETRY_FIRST)

    async def _serve(self, rested: float) -> float:
        """Handle the next batch, not before the time `rested`; returns until when to rest after it."""
        await self._arrived.wait()
        await self._let_grow(rested)
        batch = self._take()
        if not batch:
            self._arrived.clear()
            return rested
        begun = time.monotonic()
        handled = await until_handled(self._handle, batch, self._queue, self._stopping)
        ended = time.monotonic()
        if handled:
            # A connection that was lost meanwhile will deliver the batch again: reports are idempotent.
            await acknowledge(batch[-1], multiple=True)
        return ended + min(_REST * (ended - begun), _LONGEST_REST)

    async def _let_grow(self, rested: float) -> None:
        """Wait for more messages, at least until the time `rested`, unless there are many already."""
        pause = max(self._gather, rested - time.monotonic()) if len(self._waiting) < _WORTH_HANDLING else self._gather
        if pause:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    def _take(self) -> list[AbstractIncomingMessage]:
        """The next messages of one channel; those of a channel that is gone come again and are dropped here."""
        while self._waiting and comes_again(self._waiting[0]):
            self._waiting.popleft()
        if not self._waiting:
            return []
        channel = self._waiting[0].channel
        first = islice(self._waiting, self._batch_size)
        batch = list(takewhile(lambda message: not comes_again(message) and message.channel is channel, first))
        for _ in batch:
            self._waiting.popleft()
        return batch


async def until_handled(
    handle: Handler, batch: Sequence[AbstractIncomingMessage], queue: str, stopping: asyncio.Event
) -> bool:
    """Hand over a batch until it is taken. False: we stop, or it will come again on another channel."""
    pause = _RETRY_FIRST
    while True:
        try:
            await handle(batch)
            return True
        except (PartUnavailable, UnknownOutcome) as error:
            log.warning("intake of %s waits: %s", queue, error)
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            log.warning("intake of %s: a connection was lost meanwhile; trying again", queue)
        except Exception:
            # Handlers sort out bad messages themselves; this is our own mistake, and must not lose messages.
            log.exception("intake of %s failed; trying again", queue)
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), pause)
        if stopping.is_set() or comes_again(batch[0]):
            return False
        pause = min(pause * 2, _RETRY_MAX)
