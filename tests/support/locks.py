"""Waits for a moment at which two writers meet."""

import asyncio

from sqlalchemy import text

from store.database import Database

_WAITS_FOR_A_LOCK = text(
    "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


async def until_somebody_waits_for_a_lock(database: Database) -> None:
    """Until a statement stands behind a lock that another one holds."""
    async with asyncio.timeout(10):
        while True:
            async with database.statement() as connection:  # a transaction would see one moment for ever
                if await connection.scalar(_WAITS_FOR_A_LOCK):
                    return
            await asyncio.sleep(0.01)
