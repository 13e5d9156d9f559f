"""Heartbeats in the background, for activities that are long as a whole but never stuck in one place."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from temporalio import activity

_INTERVAL = 1.0


@contextlib.asynccontextmanager
async def beating() -> AsyncIterator[None]:
    """Tell the engine each second that the activity goes on; this is also how a cancel reaches it."""
    task = asyncio.create_task(_beat())
    try:
        yield
    finally:
        task.cancel()


async def _beat() -> None:
    # Not at once: most calls end within the first interval, and a heartbeat costs the engine a write.
    while True:
        await asyncio.sleep(_INTERVAL)
        activity.heartbeat()
