"""Closed-loop load: so many at a time, each followed by the next, for some seconds."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from benchmarks.figures import Load

_POLL = 0.02

Work = Callable[[], Awaitable[object]]


async def keep_busy(works: Sequence[Work], seconds: float, quiet: Callable[[], Awaitable[None]]) -> Load:
    """Do each of the works again and again; none begins after `seconds`.

    The round lasts from the first start until `quiet` returns, and everything that was started counts: so neither
    the waves in which closed loops run nor what is cut off at the end make one side look better.
    """
    began = time.monotonic()
    ended = 0

    async def again(work: Work) -> None:
        nonlocal ended
        while time.monotonic() - began < seconds:
            await work()
            ended += 1

    await asyncio.gather(*(again(work) for work in works))
    await quiet()
    return Load(ended, time.monotonic() - began)


async def until(condition: Callable[[], Awaitable[bool]], timeout: float) -> None:
    """Ask again and again until it is so: the other side has no way to tell us. Raises TimeoutError."""
    async with asyncio.timeout(timeout):
        while True:
            if await condition():
                return
            await asyncio.sleep(_POLL)
