"""The network of the stage, which fails as it is told to."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.child import Child


class Network:
    """The links between Muster (or the agents) and the servers."""

    def __init__(self, proxy: Child, ports: dict[str, int]) -> None:
        self._proxy = proxy
        self._one_at_a_time = asyncio.Lock()
        self.ports = ports
        """Where a link's near end is, by its name."""

    async def cut(self, link: str) -> None:
        """Reset all connections, and each new one."""
        await self._order("cut", link)

    async def stall(self, link: str) -> None:
        """Let nothing pass, and close nothing."""
        await self._order("stall", link)

    async def half_open(self, link: str) -> None:
        """Forget the present connections on the way; both sides think that they still have each other."""
        await self._order("half_open", link)

    async def delay(self, link: str, seconds: float) -> None:
        """Let all pass that much later."""
        await self._order("delay", link, seconds)

    async def mend(self, link: str) -> None:
        """Let all pass again."""
        await self._order("mend", link)

    def check(self) -> None:
        """Raises RuntimeError if there is no network any more: the proxy has ended by itself."""
        self._proxy.check()

    async def _order(self, *words: Any) -> None:
        async with self._one_at_a_time:
            await self._proxy.tell(json.dumps(words))
            await self._proxy.first("done", 10)


@asynccontextmanager
async def network(targets: dict[str, str], logs: Path) -> AsyncIterator[Network]:
    """`targets`: host:port of each server by the name of the link."""
    links = [f"{name}={target}" for name, target in targets.items()]
    async with Child("faults.stage.proxy", *links, env={}, log=logs / "proxy.log") as proxy:
        _, ports = await proxy.first("listening")
        yield Network(proxy, ports)
