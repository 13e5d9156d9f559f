"""Waiting for what nobody tells."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until(condition: Callable[[], Awaitable[T | None]], timeout: float, otherwise: str = "") -> T:
    """Ask until the answer is something, and return it; raises TimeoutError with these words."""
    deadline, pause = time.monotonic() + timeout, 0.02
    while not (value := await condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(otherwise)
        await asyncio.sleep(pause)
        pause = min(pause * 1.3, 0.2)
    return value
