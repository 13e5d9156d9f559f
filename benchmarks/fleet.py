"""The driver's side of the agents: what each heard, in order."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass

from benchmarks.agents import Heard
from benchmarks.child import Child

_TIMEOUT = 60.0


@dataclass(frozen=True)
class News:
    """What an agent heard or did, and when (seconds since the epoch)."""

    what: Heard
    at: float
    work_process_id: int


class Fleet:
    """Reads what the agents' process says and keeps it apart by agent."""

    def __init__(self, process: Child) -> None:
        self._process = process
        self._news: defaultdict[int, asyncio.Queue[News]] = defaultdict(asyncio.Queue)

    async def listen(self) -> None:
        """Until cancelled, or the agents' process ends."""
        async for what, agent, at, work_process_id in self._process.lines():
            self._news[agent].put_nowait(News(Heard(what), at, work_process_id))

    async def until(self, agent: int, what: Heard) -> News:
        """The agent's next news of this kind; what it heard before that is dropped. Raises TimeoutError."""
        async with asyncio.timeout(_TIMEOUT):
            while True:
                news = await self._news[agent].get()
                if news.what is what:
                    return news
