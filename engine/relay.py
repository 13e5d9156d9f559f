"""The relay: what must happen sooner or later, whoever died in between.

It re-sends wake-ups that their committer did not deliver, makes up for missed grants, and tells of
assignments that no agent starts, and of agents that fall silent. Any number may run at once.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from engine.waker import EngineWaker
from missions.errors import PartUnavailable
from store import attention, silent_agents, slots, wakeups
from store.agent_service import listen_again
from store.database import Database
from store.waiting_line import agents_with_missed_grants, refresh_lines

logger = logging.getLogger(__name__)

_LEFT_OVER_AFTER = timedelta(seconds=2)
_BATCH = 500


class Relay:
    """The background loops of the relay role."""

    def __init__(self, database: Database, waker: EngineWaker, *, agent_silence: float) -> None:
        self._database = database
        self._agent_silence = agent_silence
        self._waker = waker
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start the loops."""
        self._tasks = [
            asyncio.create_task(self._every(1.0, self._send_left_over), name="relay: left-over wake-ups"),
            asyncio.create_task(self._every(5.0, self._make_up_for_grants), name="relay: missed grants"),
            asyncio.create_task(self._every(5.0, self._watch_starts), name="relay: assignments that nobody starts"),
            asyncio.create_task(self._every(2.0, self._watch_silence), name="relay: silent agents"),
        ]

    async def stop(self) -> None:
        """Stop the loops."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _every(self, seconds: float, work: Callable[[], Awaitable[int]]) -> None:
        while True:
            try:
                done = await work()
            except PartUnavailable as error:
                logger.warning("relay waits: %s", error)
                done = 0
            except Exception:
                # A loop that ended would stay unnoticed until somebody misses its work.
                logger.exception("relay loop failed; it goes on")
                done = 0
            if done < _BATCH:
                await asyncio.sleep(seconds)

    async def _send_left_over(self) -> int:
        async with self._database.transaction() as connection:
            batch = await wakeups.left_over(connection, older_than=_LEFT_OVER_AFTER, limit=_BATCH)
        if not batch:
            return 0
        return await self._waker.deliver(batch)

    async def _watch_starts(self) -> int:
        return await attention.unstarted_assignments(self._database)

    async def _watch_silence(self) -> int:
        await self._waker.send(await silent_agents.look(self._database, self._agent_silence))
        return 0

    async def _make_up_for_grants(self) -> int:
        async with self._database.transaction() as connection:
            again, woken = await listen_again(connection, limit=_BATCH)
        async with self._database.transaction() as connection:
            missed = await agents_with_missed_grants(connection, limit=_BATCH)
        await self._waker.send([*woken, *await refresh_lines(self._database, {*again, *missed})])
        await self._waker.send(await slots.move_up(self._database))
        return 0
