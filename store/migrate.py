"""Bring the database to this version's tables; safe when several processes start at once."""

import secrets
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection as SyncConnection
from sqlalchemy import NullPool, insert, make_url, select, text
from sqlalchemy.ext.asyncio import create_async_engine

from settings import Settings
from store.connection import Connection
from store.database import Database
from store.tables import installation

# Held for the whole upgrade: a second process waits, then finds nothing left to do.
_MIGRATION_LOCK = 0x6D6D6967


def alembic_config() -> Config:
    """Alembic's configuration, without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


async def upgrade(settings: Settings) -> str:
    """Run all missing migrations and return the installation's id."""
    database = Database(settings)
    try:
        async with database.transaction() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            await _to_newest(database.url)
            return await _installation_id(connection)
    finally:
        await database.close()


async def _to_newest(url: str) -> None:
    # Alembic works on a connection of SQLAlchemy's.
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"), poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.run_sync(_run)


def _run(connection: SyncConnection) -> None:
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


async def _installation_id(connection: Connection) -> str:
    known: str | None = await connection.scalar(select(installation.c.id))
    if known is not None:
        return known
    fresh = secrets.token_hex(4)
    await connection.execute(insert(installation).values(id=fresh))
    return fresh
