"""Bring the database to this version's tables; safe when several processes start at once."""

import secrets
from collections.abc import Callable
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection as SyncConnection
from sqlalchemy import NullPool, insert, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from missions.errors import PartUnavailable
from settings import Settings
from store.connection import Connection
from store.database import Database, passes
from store.tables import installation

# Held for the whole upgrade: a second process waits, then finds nothing left to do.
_MIGRATION_LOCK = 0x6D6D6967


def _alembic_config() -> Config:
    """Alembic's configuration, without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


async def upgrade(settings: Settings) -> str:
    """Run all missing migrations and return the installation's id."""
    database = Database(settings, answers_within=None)  # another process may be at it for long
    try:
        async with database.transaction() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            await _run(database.url, lambda config: command.upgrade(config, "head"))
            await connection.execute(text("INSERT INTO event_log DEFAULT VALUES ON CONFLICT DO NOTHING"))
            return await _installation_id(connection)
    finally:
        await database.close()


async def revise(settings: Settings, message: str, revision: str) -> None:
    """Have Alembic write a migration: what `store/tables.py` has, and this database of the version before has not."""
    await _run(Database(settings).url, lambda config: command.revision(config, message, True, rev_id=revision))


async def _run(url: str, do: Callable[[Config], object]) -> None:
    """Alembic works on a connection of SQLAlchemy's."""

    def with_connection(connection: SyncConnection) -> None:
        config = _alembic_config()
        config.attributes["connection"] = connection
        do(config)

    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url, timeout=10), poolclass=NullPool
    )
    try:
        async with engine.begin() as connection:
            await connection.run_sync(with_connection)
    except (OSError, DBAPIError) as error:
        cause = (error.orig and error.orig.__cause__) or error if isinstance(error, DBAPIError) else error
        if not passes(cause):
            raise
        raise PartUnavailable("PostgreSQL", str(cause)) from error


async def _installation_id(connection: Connection) -> str:
    known: str | None = await connection.scalar(select(installation.c.id))
    if known is not None:
        return known
    fresh = secrets.token_hex(4)
    await connection.execute(insert(installation).values(id=fresh))
    return fresh
