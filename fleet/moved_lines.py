"""Waiting lines that moved by what agents said: refreshed once a batch is committed, before it is acknowledged."""

from collections.abc import Awaitable, Callable, Collection

from store.database import Database
from store.wakeups import Waker, Wakeup

RefreshLines = Callable[[Database, Collection[int]], Awaitable[list[Wakeup]]]


class MovedLines:
    """The agents whose lines are still to be refreshed: a batch that is tried again finds only repeats."""

    def __init__(self, database: Database, waker: Waker, refresh_lines: RefreshLines) -> None:
        self._database = database
        self._waker = waker
        self._refresh_lines = refresh_lines
        self._agent_ids: set[int] = set()

    def add(self, agent_ids: Collection[int]) -> None:
        """Note agents whose change is committed."""
        self._agent_ids |= set(agent_ids)

    async def refresh(self) -> None:
        """Grant what can be granted now; raises PartUnavailable, and knows them still."""
        if self._agent_ids:
            await self._waker.send(await self._refresh_lines(self._database, frozenset(self._agent_ids)))
            self._agent_ids.clear()
