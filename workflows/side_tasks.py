"""Tasks that go on beside a run, and are ended with it."""

import asyncio
from typing import Any


def end(task: asyncio.Task[Any]) -> None:
    """Cancel it. An activity that this cuts off ends it with an error, which is nobody's."""
    task.cancel()
    task.add_done_callback(lambda task: task.cancelled() or task.exception())
