"""One tail of the event log for all live streams of this process.

Each new event is read and made to bytes once, and kept in a window of the newest ones; positions have no gaps. A reader
is only a position: it takes what follows from the window, or from the database where it has fallen behind the window.
So none can slow down another, and none holds memory.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from missions.errors import PartUnavailable
from missions.event_filters import EventFilter
from missions.events import Event
from store import event_history
from store.database import Database
from store.notifications import listening
from store.positions import POSITIONED

logger = logging.getLogger(__name__)

_WINDOW_EVENTS = 5000
_WINDOW_BYTES = 8 * 1024 * 1024
_PAGE = 200
_LOOK_AGAIN = 1.0
"""Seconds after which it looks unasked: a notification may be missed."""
_PAUSE = 1.0
_LINGER = 30.0
"""Seconds that the tail goes on without readers: one that was cut comes back."""
_CATCHING_UP = 4
"""Readers that read from the database at once, so that a crowd that comes back leaves connections for others."""
_CHUNK_BYTES = 64 * 1024
_SOON = 0.05


@dataclass(frozen=True)
class Entry:
    """An event, and the bytes by which streams send it."""

    event: Event
    position: int
    block: bytes


def entry(event: Event) -> Entry:
    """An event in the form of server-sent events."""
    position = event.sequence
    assert position is not None
    data = event.model_dump_json().encode()  # one line
    return Entry(event, position, b"id: %d\nevent: %s\ndata: %s\n\n" % (position, event.type.encode(), data))


class Reader:
    """Who follows the log: what it wants, and up to where it has it."""

    def __init__(self, wanted: EventFilter, position: int) -> None:
        self.wanted = wanted
        self.position = position
        self.waiting: asyncio.Future[None] | None = None


class TooManyReaders(Exception):
    """As many read as may."""


class LiveLog:
    """The tail; runs while somebody reads."""

    def __init__(self, database: Database, *, max_readers: int) -> None:
        self._database = database
        self._max_readers = max_readers
        self._readers: set[Reader] = set()
        self._window: dict[int, Entry] = {}
        self._bytes = 0
        self._start = self._position = -1  # the window holds what is after the one and up to the other
        self._task: asyncio.Task[None] | None = None
        self._catching_up = asyncio.Semaphore(_CATCHING_UP)
        self.ending = asyncio.Event()
        """Set when the process is about to stop: streams end."""

    @contextmanager
    def reading(self, reader: Reader) -> Iterator[None]:
        """Count somebody as a reader; raises TooManyReaders."""
        if len(self._readers) >= self._max_readers:
            raise TooManyReaders
        self._readers.add(reader)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="the tail of the event log")
        try:
            yield
        finally:
            self._readers.discard(reader)

    async def close(self) -> None:
        """Stop the tail."""
        self.ending.set()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def following(self, reader: Reader) -> Sequence[Entry]:
        """What comes next for a reader, once there is something; its position moves on, also past what it skips.

        Waits while the database is away. Raises Gone if what comes next was archived meanwhile.
        """
        while True:
            if not self._start <= reader.position <= self._position:
                found = await self._from_database(reader)
            elif reader.position < self._position:
                found = self._from_window(reader)
            else:
                reader.waiting = asyncio.get_running_loop().create_future()
                try:
                    await reader.waiting
                finally:
                    reader.waiting = None
                continue
            if found:
                return found

    def _from_window(self, reader: Reader) -> list[Entry]:
        found: list[Entry] = []
        size = 0
        while reader.position < self._position and size < _CHUNK_BYTES:
            reader.position += 1
            each = self._window[reader.position]
            if reader.wanted.matches(each.event):
                found.append(each)
                size += len(each.block)
        return found

    async def _from_database(self, reader: Reader) -> list[Entry]:
        try:
            async with self._catching_up, self._database.transaction() as connection:
                page = await event_history.page(
                    connection, reader.wanted, after=reader.position, limit=_PAGE, field="Last-Event-ID"
                )
        except PartUnavailable:
            await asyncio.sleep(_PAUSE)
            return []
        if reader.position == page.position and page.next_after is None:
            # Ahead of the tail, which begins or was held up.
            await asyncio.sleep(_SOON)
        reader.position = page.position
        return [entry(event) for event in page.events]

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        used = loop.time()
        while self._readers or loop.time() < used + _LINGER:
            try:
                async with listening(self._database, POSITIONED) as listener:
                    while self._readers or loop.time() < used + _LINGER:
                        used = loop.time() if self._readers else used
                        while await self._read():
                            pass
                        await listener.wait(_LOOK_AGAIN)
                        await listener.stay()
            except PartUnavailable as error:
                logger.warning("live streams wait: %s", error)
                await asyncio.sleep(_PAUSE)
            except Exception:
                # A tail that ended would leave its readers waiting for ever.
                logger.exception("the tail of the event log failed; it goes on")
                await asyncio.sleep(_PAUSE)
        self._forget(-1)

    async def _read(self) -> bool:
        """Read what is new; returns whether there may be more."""
        async with self._database.statement() as connection:
            if self._position < 0:
                self._forget((await event_history.bounds(connection)).last)
                self._wake()
            new = [entry(event) for event in await event_history.new_events(connection, self._position, _PAGE)]
        if new:
            self._append(new)
        return len(new) == _PAGE

    def _append(self, new: Sequence[Entry]) -> None:
        if new[0].position != self._position + 1:  # it was away for so long that events in between are archived
            self._forget(new[0].position - 1)
        for each in new:
            self._window[each.position] = each
            self._bytes += len(each.block)
        self._position = new[-1].position
        while len(self._window) > _WINDOW_EVENTS or self._bytes > _WINDOW_BYTES:
            self._start += 1
            self._bytes -= len(self._window.pop(self._start).block)
        self._wake(new)

    def _forget(self, position: int) -> None:
        self._window.clear()
        self._bytes = 0
        self._start = self._position = position

    def _wake(self, new: Sequence[Entry] = ()) -> None:
        """Wake those for whom there is something; all others have it too, since they skip it."""
        wanted_by_somebody: dict[EventFilter, bool] = {}
        for reader in self._readers:
            if reader.waiting is None or reader.waiting.done():
                continue
            wanted = wanted_by_somebody.get(reader.wanted)
            if wanted is None:
                wanted = not new or any(reader.wanted.matches(each.event) for each in new)
                wanted_by_somebody[reader.wanted] = wanted
            in_step = bool(new) and reader.position == new[0].position - 1
            if wanted or not in_step:
                reader.waiting.set_result(None)
            else:
                reader.position = new[-1].position
