"""Starts what needs the broker: at once if that answers, else as soon as it does. Nothing else waits for it."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from missions.errors import PartUnavailable

log = logging.getLogger(__name__)

_TRY_AGAIN = 2.0


class LateStart:
    """One start in the background; `what` it is that waits, for the log."""

    def __init__(self, what: str, start: Callable[[], Awaitable[None]]) -> None:
        self._what = what
        self._start = start
        self._tried = asyncio.Event()
        self._trouble: str | None = "it is tried for the first time"
        self.done = asyncio.create_task(self._run(), name=what)
        """Ends once it is started; fails if it never will be (AgentsRefused)."""

    @property
    def waits(self) -> str | None:
        """What waits, and why; None: it is started."""
        return self._trouble and f"{self._what} waits: {self._trouble}"

    async def first_try(self) -> bool:
        """Await the first try; returns whether it succeeded. Raises what makes further ones useless."""
        tried = asyncio.create_task(self._tried.wait())
        await asyncio.wait({tried, self.done}, return_when=asyncio.FIRST_COMPLETED)
        tried.cancel()
        if self.done.done():
            self.done.result()
        return self.done.done()

    async def _run(self) -> None:
        while True:
            try:
                await self._start()
                break
            except PartUnavailable as error:
                self._trouble = str(error)
                log.warning("%s waits, and tries again in %g s: %s", self._what, _TRY_AGAIN, error)
            self._tried.set()
            await asyncio.sleep(_TRY_AGAIN)
        self._trouble = None
        if self._tried.is_set():
            log.info("%s goes on", self._what)


@asynccontextmanager
async def late_start(what: str, start: Callable[[], Awaitable[None]]) -> AsyncIterator[LateStart]:
    """A start in the background, given up at the end if it has not come about."""
    starting = LateStart(what, start)
    try:
        yield starting
    finally:
        starting.done.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await starting.done


async def until_stopped(stop: asyncio.Event, starts: Sequence[LateStart]) -> None:
    """Wait for `stop`; raises what makes one of the starts impossible."""
    stopped: asyncio.Future[Any] = asyncio.create_task(stop.wait())
    started: asyncio.Future[Any] = asyncio.gather(*(asyncio.shield(each.done) for each in starts))
    try:
        await asyncio.wait({stopped, started}, return_when=asyncio.FIRST_COMPLETED)
        if started.done():
            started.result()
            await stopped
    finally:
        stopped.cancel()
        started.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await started
