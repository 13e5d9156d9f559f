"""A loop of a process that goes on whatever fails.

One that ended would stay unnoticed until somebody misses its work.
"""

import asyncio
import contextlib
import logging
from abc import ABC, abstractmethod

from missions.errors import PartUnavailable

log = logging.getLogger(__name__)


def is_cancelled() -> bool:
    """Whether this task is to end. If not, a CancelledError came from a connection that died: it cancels who waits."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Loop(ABC):
    """Calls `_turn` again and again, `pause` seconds after it ended or failed; `what` it is in logs."""

    def __init__(self, what: str, *, pause: float = 1.0) -> None:
        self._what = what
        self._pause = pause
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the loop."""
        self._task = asyncio.create_task(self._run(), name=self._what)

    async def stop(self) -> None:
        """Stop it, in the middle of what it has in hand."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @abstractmethod
    async def _turn(self) -> None:
        """Work; PartUnavailable, or what `_is_away` says, is waited for."""

    def _is_away(self, error: Exception) -> bool:
        return isinstance(error, PartUnavailable)

    async def _run(self) -> None:
        while True:
            try:
                await self._turn()
            except asyncio.CancelledError:
                if is_cancelled():
                    raise
                log.warning("%s: a connection was lost; it goes on", self._what)
            except Exception as error:
                if self._is_away(error):
                    log.warning("%s: waits: %s", self._what, error)
                else:
                    log.exception("%s: failed; it goes on", self._what)
            await asyncio.sleep(self._pause)
