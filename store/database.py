"""The database engine of one process, with a bounded pool."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import make_url
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from missions.errors import PartUnavailable
from settings import Settings

Connection = AsyncConnection


class Database:
    """Transactions on PostgreSQL; raises PartUnavailable where the server cannot be reached."""

    def __init__(self, settings: Settings) -> None:
        url = make_url(settings.database_url).set(drivername="postgresql+asyncpg")
        self.engine: AsyncEngine = create_async_engine(
            url,
            pool_size=settings.database_pool_size,
            max_overflow=0,
            pool_timeout=settings.database_pool_timeout,
            pool_pre_ping=False,
            connect_args={"timeout": settings.database_pool_timeout},
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One transaction: commits at the end, rolls back on any exception."""
        try:
            async with self.engine.begin() as connection:
                yield connection
        except (OSError, InterfaceError, OperationalError, PoolTimeout) as error:
            raise PartUnavailable("PostgreSQL", str(error)) from error

    async def close(self) -> None:
        """Give all connections back."""
        await self.engine.dispose()
