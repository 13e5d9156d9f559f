"""Rows that a test makes by itself, past what the store would do."""

import asyncio
from typing import Any

from sqlalchemy import insert, text

from store.connection import Connection
from store.database import Database
from store.tables import recipe_steps, work_process_types


async def add_recipe(connection: Connection, name: str) -> None:
    """A recipe of one step that calls nobody."""
    recipe = await connection.scalar(insert(work_process_types).values(name=name).returning(work_process_types.c.id))
    step = insert(recipe_steps).values(work_process_type_id=recipe, position=0, step="tell", uses="http_notify")
    await connection.execute(step)


class Rows:
    """What a test has in the database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def made(self, table: Any, **values: Any) -> int:
        """Insert a row; returns its id."""
        async with self.database.transaction() as connection:
            return int(await connection.scalar(insert(table).values(**values).returning(table.c.id)) or 0)

    async def until_waiting_or_done(self, task: asyncio.Task[Any], *, others: int = 0) -> None:
        """Until the task is done, or waits for a lock besides so many others."""
        async with asyncio.timeout(10), self.database.statement() as connection:
            while not task.done():
                waiting = await connection.scalar(
                    text(
                        "SELECT count(*) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
                    )
                )
                if waiting is not None and waiting > others:
                    return
                await asyncio.sleep(0.01)
