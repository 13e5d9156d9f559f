"""Wakes a loop of another process once something is committed; what is missed is found by the loop's next look."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
from sqlalchemy import text

from missions.errors import PartUnavailable
from store.database import ANSWERS_WITHIN, Database

# Seconds between two words of who listens, at most: the server ends the session of one that says nothing.
_SILENCE = 30.0


async def notify(database: Database, channel: str) -> None:
    """Wake whoever listens. Not within a transaction: those that notify commit one by one."""
    async with database.statement() as connection:
        await connection.execute(text("SELECT pg_notify(:channel, '')"), {"channel": channel})


class Listener:
    """One connection that listens on a channel."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._asks = asyncio.Lock()
        self._heard = asyncio.Event()

    def hear(self, *_: object) -> None:
        """Somebody notified."""
        self._heard.set()

    def check(self) -> None:
        """Raise PartUnavailable if the connection was lost."""
        if self._connection.is_closed():
            raise PartUnavailable("PostgreSQL", "the connection that listened was lost")

    async def stay(self) -> None:
        """Be not silent for too long, and still there; also side by side.

        Raises PartUnavailable if the connection was lost, and with it what it held.
        """
        await self._ask("SELECT 1")

    async def _ask(self, question: str, *values: object) -> Any:
        """What has an answer at once, or never."""
        async with self._asks:
            self.check()
            try:
                return await self._connection.fetchval(question, *values, timeout=ANSWERS_WITHIN)
            except (asyncpg.InterfaceError, asyncpg.PostgresError, OSError) as error:
                reason = str(error) or "no answer in time"
                raise PartUnavailable("PostgreSQL", f"the connection that listened was lost: {reason}") from error

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
    """Listen on a connection beside the pool, for who stays (`Listener.stay`); raises PartUnavailable."""
    async with database.connection(silence=_SILENCE) as driver:
        listener = Listener(driver)
        await driver.add_listener(channel, listener.hear)
        yield listener
