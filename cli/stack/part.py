"""What every part of the stack has in common."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import ClassVar, Protocol

from .processes import Child


class PartFailed(Exception):
    """A part did not come up or ended by itself: which one, why, its last words and what to do."""

    def __init__(self, part: str, reason: str, *, log: str = "", remedy: str = "") -> None:
        super().__init__(f"{part} {reason}")
        self.part, self.reason, self.log, self.remedy = part, reason, log, remedy


class Part(Protocol):
    """A server or one of our own programs."""

    label: ClassVar[str]
    remedy: ClassVar[str]
    ports: Mapping[str, int]  # names with their usual ports; 0: any

    async def start(self, ports: Mapping[str, int]) -> str:
        """Start it on these ports, wait until it serves, return where."""
        ...

    async def stop(self) -> None:
        """Stop it. Does nothing if it was not started."""
        ...


async def wait_until_ready(
    part: type[Part],
    child: Child,
    probe: Callable[[], Awaitable[bool]],
    *,
    port: int | None = None,
    timeout: float = 60.0,
) -> None:
    """Wait until the child listens on the port and the probe says yes; raise `PartFailed` if it will not."""
    deadline = time.monotonic() + timeout
    while True:
        if child.process.returncode is not None:
            reason = f"ended at once (exit code {child.process.returncode})."
            break
        if (port is None or child.listens_on(port)) and await probe():
            return
        if time.monotonic() > deadline:
            reason = f"did not come up within {timeout:.0f} s."
            break
        await asyncio.sleep(0.05)
    raise PartFailed(part.label, reason, log=child.log_tail(), remedy=f"{part.remedy} Full log: {child.log}")
