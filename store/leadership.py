"""One process at a time does a thing, and the next one takes over when it dies.

The leader holds an advisory lock on a connection of its own and works on that connection: when it is lost, nothing
that it began goes on once the lock is free.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NewType

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

    async def takes(self, lock: Lock) -> bool:
        """Whether this one leads from now on; not the waiting form, which would hold back PostgreSQL's clean-up."""
        return bool(await self._ask("SELECT pg_try_advisory_lock($1)", lock))


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
        while not await leader.takes(lock):  # noqa: ASYNC110  # in another process
            await asyncio.sleep(_TRY_AGAIN)
        await driver.add_listener(channel, leader.hear)
        yield leader
