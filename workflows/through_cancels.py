"""Carry work through native cancels: the mission decides itself how it stops, and its clean-up is never cut."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from temporalio import workflow

T = TypeVar("T")


async def through_cancels(work: Coroutine[Any, Any, T], on_cancel: Callable[[str], None]) -> T:
    """Run `work` to its end; a native cancel (API, CLI, UI) calls `on_cancel(reason)` instead of stopping it.

    A native cancel cancels the main task only, so the work is a task of its own. `asyncio.shield` alone is not enough:
    the workflow would end while the work still runs.
    """
    task = asyncio.create_task(work)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            reason = workflow.cancellation_reason()
            if task.cancelled() or reason is None:
                raise  # no cancel of the mission: this run is being evicted from the cache
            on_cancel(reason)
    return task.result()
