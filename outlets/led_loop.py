"""A loop that one process at a time runs: at once when it is notified, and after a while unasked."""

import asyncio
import contextlib
import logging
from abc import ABC, abstractmethod

from missions.errors import PartUnavailable
from store.connection import Connection
from store.database import Database
from store.leadership import Lock, leading

log = logging.getLogger(__name__)

_LOOK_AGAIN = 1.0
"""Seconds after which it looks unasked: a notification may be missed."""
_PAUSE = 1.0


class LedLoop(ABC):
    """Wakes on a channel of the database; what it could not do waits, and it goes on."""

    def __init__(
        self, database: Database, lock: Lock, channel: str, what: str, *, look_again: float = _LOOK_AGAIN
    ) -> None:
        self._database = database
        self._lock = lock
        self._channel = channel
        self._what = what
        self._look_again = look_again
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the loop."""
        self._task = asyncio.create_task(self._run(), name=self._what)

    async def stop(self) -> None:
        """Stop it; what is in hand is done again, perhaps by another process."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _prepare(self, connection: Connection) -> None:  # noqa: B027  # most have nothing to prepare
        """Called when this process begins to lead."""

    @abstractmethod
    async def _work(self, connection: Connection) -> bool:
        """Do a part of what is due, on the leader's connection; returns whether there may be more to do at once."""

    async def _run(self) -> None:
        while True:
            try:
                async with leading(self._database, self._lock, self._channel) as leader:
                    await self._prepare(leader.connection)
                    while True:
                        while await self._work(leader.connection):
                            pass
                        await leader.wait(self._look_again)
            except PartUnavailable as error:
                log.warning("%s waits: %s", self._what, error)
            except Exception:
                # A loop that ended would stay unnoticed until somebody misses its work.
                log.exception("%s failed; it goes on", self._what)
            await asyncio.sleep(_PAUSE)
