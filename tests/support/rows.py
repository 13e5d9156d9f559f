"""Rows that a test makes by itself, past what the store would do."""

from typing import Any

from sqlalchemy import insert

from store.database import Database


class Rows:
    """What a test has in the database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def made(self, table: Any, **values: Any) -> int:
        """Insert a row; returns its id."""
        async with self.database.transaction() as connection:
            return int(await connection.scalar(insert(table).values(**values).returning(table.c.id)) or 0)
