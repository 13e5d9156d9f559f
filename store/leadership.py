"""One process at a time does a thing, and the next one takes over when it dies.

The leader holds an advisory lock on a connection of its own and works on that connection: when it is lost, nothing
that it began goes on once the lock is free.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NewType

import asyncpg
from sqlalchemy import text

from missions.errors import PartUnavailable
from store.connection import Connection
from store.database import Database
from store.notifications import Listener

Lock = NewType("Lock", int)
"""The key of an advisory lock."""

_TRY_AGAIN = 2.0


class Leader(Listener):
    """The leader's connection; hears a channel."""

    def __init__(self, driver: object) -> None:
        super().__init__(driver)
        self.connection = Connection(driver)
        self._asks = asyncio.Lock()

    async def stay(self) -> None:
        """Be no silent leader, and still the leader, for one that works on other connections, also side by side.

        Raises PartUnavailable if this one is lost: another process leads by now.
        """
        async with self._asks:
            self.check()
            try:
                await self.connection.scalar(_STAY)
            except (asyncpg.InterfaceError, asyncpg.PostgresError, OSError) as error:
                raise PartUnavailable("PostgreSQL", f"the leader's connection was lost: {error}") from error


@asynccontextmanager
async def leading(
    database: Database, lock: Lock, channel: str, *, durable: bool = True, silence: float = 1.0
) -> AsyncIterator[Leader]:
    """Wait until nobody else leads, then lead; raises PartUnavailable.

    `durable` False: for a leader that may repeat what it did before a crash of the server. `silence`: seconds between
    two looks of the leader; one that is silent for much longer loses its lock, since it may be cut off.
    """
    async with database.connection(durable=durable, silence=max(silence, _TRY_AGAIN)) as driver:
        leader = Leader(driver)
        # Not the waiting form of the lock: its statement would hold back PostgreSQL's clean-up while it waits.
        while not await leader.connection.scalar(_TRY, {"key": lock}):  # noqa: ASYNC110  # in another process
            await asyncio.sleep(_TRY_AGAIN)
        await driver.add_listener(channel, leader.hear)
        yield leader


_TRY = text("SELECT pg_try_advisory_lock(:key)")
_STAY = text("SELECT 1")
