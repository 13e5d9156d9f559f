"""What the watch reads beside Muster."""

import asyncio

import pytest
from sqlalchemy import delete

from faults.load.watch import Watch
from faults.waiting import until
from missions.repairs import Repair
from settings import Settings
from store import repairs
from store.database import Database
from store.tables import repairs as table

pytestmark = pytest.mark.stack


async def test_repairs_are_seen_as_they_are_counted(database: Database, settings: Settings) -> None:
    async with database.transaction() as connection:
        await connection.execute(delete(table))
    watch = Watch(settings.database_url)
    looking = asyncio.create_task(watch.run())
    for count in (1, 2):
        async with database.transaction() as connection:
            await repairs.count(connection, Repair.SLOT_FREED)

        async def seen(count: int = count) -> bool:
            return watch.repairs.counts.get(Repair.SLOT_FREED) == count

        await until(seen, 10)
    looking.cancel()
