"""Wakes a loop of another process once something is committed; what is missed is found by the loop's next look."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from sqlalchemy import text

from missions.errors import PartUnavailable
from store.database import Database


async def notify(database: Database, channel: str) -> None:
    """Wake whoever listens. Not within a transaction: those that notify commit one by one."""
    async with database.statement() as connection:
        await connection.execute(text("SELECT pg_notify(:channel, '')"), {"channel": channel})


class Listener:
    """One connection that listens on a channel."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._heard = asyncio.Event()

    def hear(self, *_: object) -> None:
        """Somebody notified."""
        self._heard.set()

    def check(self) -> None:
        """Raise PartUnavailable if the connection was lost."""
        if self._connection.is_closed():
            raise PartUnavailable("PostgreSQL", "the connection that listened was lost")

    async def wait(self, timeout: float) -> None:
        """Until the next notification, or so many seconds; raises PartUnavailable if the connection was lost."""
        self.check()
        # Not wait_for: in Python 3.11 it swallows a cancel that comes with the notification, and its loop never stops.
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._heard.wait()
        self._heard.clear()


@asynccontextmanager
async def listening(database: Database, channel: str) -> AsyncIterator[Listener]:
    """Listen on a connection beside the pool; raises PartUnavailable."""
    async with database.connection() as driver:
        listener = Listener(driver)
        await driver.add_listener(channel, listener.hear)
        yield listener
