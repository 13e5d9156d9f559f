"""The database engine of one process, with a bounded pool."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from missions.errors import PartUnavailable
from settings import Settings

Connection = AsyncConnection

# SQLSTATE classes that say "not now": connection, resources, operator intervention, deadlock, object in use or locked.
_PASSING = ("08", "40", "53", "55006", "55P03", "57")

_STATEMENT_TIMEOUT = "57014"


def passes(error: BaseException) -> bool:
    """Whether the same transaction may succeed later."""
    if isinstance(error, (OSError, PoolTimeout)) or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return True
    cause = (error.orig.__cause__ or error.orig) if isinstance(error, DBAPIError) and error.orig else error
    if isinstance(cause, (OSError, asyncpg.InterfaceError)):
        return True
    return str(getattr(cause, "sqlstate", None) or "").startswith(_PASSING)


def timed_out(error: PartUnavailable) -> bool:
    """Whether the server is there, and ended a statement that took longer than it may."""
    cause = error.__cause__
    return isinstance(cause, DBAPIError) and getattr(cause.orig, "sqlstate", None) == _STATEMENT_TIMEOUT


def _unavailable(error: Exception) -> PartUnavailable:
    return PartUnavailable("PostgreSQL", str(error).split("\n")[0])


def _milliseconds(statement_timeout: float) -> dict[str, str]:
    return {"statement_timeout": str(max(1, round(statement_timeout * 1000)))}


class Database:
    """Transactions on PostgreSQL; raises PartUnavailable where the server cannot be reached.

    `pool_size`: instead of the settings'. `statement_timeout`: seconds that a statement may take, its waits included.
    """

    def __init__(
        self, settings: Settings, *, pool_size: int | None = None, statement_timeout: float | None = None
    ) -> None:
        if not settings.database_url:
            raise PartUnavailable("PostgreSQL", "MUSTER_DATABASE_URL is not set; `muster up` starts one")
        url = make_url(settings.database_url).set(drivername="postgresql+asyncpg")
        self.engine: AsyncEngine = create_async_engine(
            url,
            pool_size=pool_size or settings.database_pool_size,
            max_overflow=0,
            pool_timeout=settings.database_pool_timeout,
            pool_pre_ping=False,
            # The last connection given back is taken first: a few warm ones serve, each with its prepared statements.
            pool_use_lifo=True,
            connect_args={
                "timeout": settings.database_pool_timeout,
                "prepared_statement_cache_size": 500,
                "server_settings": {} if statement_timeout is None else _milliseconds(statement_timeout),
            },
        )
        self._autocommit = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One transaction: commits at the end, rolls back on any exception."""
        try:
            async with self.engine.begin() as connection:
                yield connection
        except (OSError, PoolTimeout, DBAPIError, asyncpg.PostgresError) as error:
            if not passes(error):
                raise
            raise _unavailable(error) from error

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[Connection]:
        """For a single statement, or reads that need not agree: each commits by itself, which saves two round trips."""
        try:
            async with self._autocommit.connect() as connection:
                yield connection
        except (OSError, PoolTimeout, DBAPIError, asyncpg.PostgresError) as error:
            if not passes(error):
                raise
            raise _unavailable(error) from error

    async def close(self) -> None:
        """Give all connections back."""
        await self.engine.dispose()
