"""The database as one process sees it: a bounded pool of connections, and transactions on them."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import asyncpg
from sqlalchemy import make_url

from missions.errors import InvalidInput, PartUnavailable
from settings import Settings
from store.connection import Connection

# SQLSTATE classes that say "not now": connection, resources, operator intervention, deadlock, object in use or locked.
_PASSING = ("08", "40", "53", "55006", "55P03", "57")

_STATEMENT_TIMEOUT = "57014"

EVENTS_APPENDED = "muster_events_appended"
"""Channel: events were committed."""
ANSWERS_WITHIN = 10.0
"""Seconds: a server that has not answered a statement by then is lost to us, or the network between."""
# A transaction's first word has no work to do and no lock to wait for: by it a dead connection is found out, and all
# others with it, before the activity that wants it is over (`workflows/options.py`).
_BEGINS_WITHIN = 3.0
# For what a leader does in large parts.
_MUCH_ANSWERED_WITHIN = 30.0
# An answer to a cancelled statement comes at once, or never.
_CANCELLED_WITHIN = 2.0
# When our machine is gone, or the network between, the server finds out within seconds. Else it would keep the session,
# with its locks, for hours.
_FOUND_DEAD = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
# The same where something between answers the keepalives in our place: no transaction of ours rests so long, and what
# of the pool is idle we close ourselves, so it is the server's turn only if we are gone. Else the sessions that each
# broken network leaves behind add up, until the server has none left.
_RESTS_AT_MOST = "10s"
_IDLE_AT_MOST = 30.0
_IDLE_AT_THE_SERVER = 50.0
# What a leader may do elsewhere between two looks.
_SILENT_BESIDES = 20.0
# Seconds: so many events are told together, and so late. Each notification wakes the sequencer.
_TOLD_TOGETHER = 0.05

# An idle connection that the server ended says so in its own words, if it is used before it has noticed.
_CONNECTION_LOST = (asyncpg.InternalClientError,)


def passes(error: BaseException) -> bool:
    """Whether the same transaction may succeed later."""
    if isinstance(error, asyncpg.InterfaceError):
        return "in progress" not in str(error)  # two statements at once on one connection are our mistake
    if isinstance(error, (OSError, *_CONNECTION_LOST, asyncpg.InvalidCachedStatementError)):
        return True
    return isinstance(error, asyncpg.PostgresError) and str(error.sqlstate or "").startswith(_PASSING)


def timed_out(error: PartUnavailable) -> bool:
    """Whether the server is there, and ended a statement that took longer than it may."""
    return getattr(error.__cause__, "sqlstate", None) == _STATEMENT_TIMEOUT


class Database:
    """Transactions on PostgreSQL; raises PartUnavailable where the server cannot be reached.

    Raises InvalidInput for an address whose parameters are wrong.

    `pool_size`: instead of the settings'. `statement_timeout`: seconds that a statement may take, its waits included.
    `answers_within`: seconds after which an answer is waited for no more; None: for ever, and transactions may rest.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        pool_size: int | None = None,
        statement_timeout: float | None = None,
        answers_within: float | None = ANSWERS_WITHIN,
    ) -> None:
        if not settings.database_url:
            raise PartUnavailable("PostgreSQL", "MUSTER_DATABASE_URL is not set; `muster up` starts one")
        self.url = _for_asyncpg(settings.database_url)
        self._size, self._timeout = pool_size or settings.database_pool_size, settings.database_pool_timeout
        self._answers_within = answers_within
        self._begins_within = answers_within and min(_BEGINS_WITHIN, answers_within)
        self._server_settings = {**_FOUND_DEAD, "idle_session_timeout": _milliseconds(_IDLE_AT_THE_SERVER)}
        if answers_within is not None:
            self._server_settings["idle_in_transaction_session_timeout"] = _RESTS_AT_MOST
        if statement_timeout is not None:
            self._server_settings["statement_timeout"] = _milliseconds(statement_timeout)
        self._pool: asyncpg.Pool | None = None  # made in the loop that uses it
        self._telling: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One transaction: commits at the end, rolls back on any exception."""
        async with self._connected() as driver:
            transaction = driver.transaction()
            with _whole(driver):
                async with asyncio.timeout(self._begins_within):
                    await transaction.start()
            connection = Connection(driver)
            try:
                yield connection
            except TimeoutError:
                driver.terminate()  # no rollback would be answered either
                raise
            except BaseException:
                with _whole(driver):
                    await transaction.rollback()
                raise
            with _whole(driver):
                await transaction.commit()
        if connection.appended_events:
            self._tell()

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[Connection]:
        """For a single statement, or reads that need not agree: each commits by itself, which saves two round trips."""
        async with self._connected() as driver:
            connection = Connection(driver)
            yield connection
        if connection.appended_events:
            self._tell()

    @asynccontextmanager
    async def connection(self, *, durable: bool = True, silence: float | None = None) -> AsyncIterator[Any]:
        """The driver's connection beside the pool, for what lasts; raises PartUnavailable.

        `durable` False: its commits are not waited for on disk, so a crash of the server may undo the last ones.
        `silence`: seconds between two statements; the server ends a session that is silent for much longer.
        """
        options = dict(_FOUND_DEAD)
        if not durable:
            options["synchronous_commit"] = "off"
        if silence is not None:
            options["idle_session_timeout"] = _milliseconds(silence + _SILENT_BESIDES)
        with self._errors(OSError):
            driver = await asyncpg.connect(
                self.url, timeout=self._timeout, command_timeout=_MUCH_ANSWERED_WITHIN, server_settings=options
            )
        try:
            with self._errors():  # an OSError of what else is done meanwhile is not the database's
                await _json_as_objects(driver)
                yield driver
        finally:
            driver.terminate()

    def _tell(self) -> None:
        """Tell who gives events their positions, after the commit: those that notify within one commit one by one."""
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell_soon())

    async def _tell_soon(self) -> None:
        await asyncio.sleep(_TOLD_TOGETHER)
        # Else it looks by itself.
        with suppress(PartUnavailable):
            async with self._connected() as driver:
                await driver.execute(f"NOTIFY {EVENTS_APPENDED}")

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Any]:
        with self._errors(OSError):
            if self._pool is None:
                self._pool = self._new_pool()
            await self._pool  # starts it, the first time
            connection = await self._acquire(self._pool)
            try:
                yield connection
            except _CONNECTION_LOST:
                connection.terminate()
                raise
            except TimeoutError as error:
                # The others have gone the same way: each would be found out only after as long a wait.
                await self._pool.expire_connections()
                raise PartUnavailable("PostgreSQL", "no answer in time") from error
            finally:
                with suppress(TimeoutError):  # the connection is closed then
                    await self._pool.release(connection, timeout=_CANCELLED_WITHIN)

    @contextmanager
    def _errors(self, *also: type[Exception]) -> Iterator[None]:
        """The driver's errors as ours, where another try may succeed."""
        try:
            yield
        except asyncpg.ClientConfigurationError as error:
            raise InvalidInput(
                f"MUSTER_DATABASE_URL: {error}", field="MUSTER_DATABASE_URL", remedy="mend the address's parameters"
            ) from error
        except (asyncpg.InterfaceError, asyncpg.PostgresError, *_CONNECTION_LOST, *also) as error:
            if not passes(error):
                raise
            raise PartUnavailable("PostgreSQL", str(error).split("\n")[0]) from error

    async def _acquire(self, pool: asyncpg.Pool) -> Any:
        try:
            async with asyncio.timeout(self._timeout):
                return await pool.acquire()
        except TimeoutError as error:
            raise PartUnavailable("PostgreSQL", f"no connection within {self._timeout:g} s") from error

    def _new_pool(self) -> asyncpg.Pool:
        # The last connection given back is taken first: a few warm ones serve, each with its prepared statements.
        return asyncpg.create_pool(
            self.url,
            min_size=0,
            max_size=self._size,
            timeout=self._timeout,
            command_timeout=self._answers_within,
            init=_json_as_objects,
            reset=_nothing_to_reset,
            server_settings=self._server_settings,
            statement_cache_size=500,
            max_cached_statement_lifetime=0,
            max_inactive_connection_lifetime=_IDLE_AT_MOST,
        )

    async def close(self) -> None:
        """Give all connections back."""
        if self._telling is not None:
            self._telling.cancel()
        if self._pool is not None:
            with suppress(TimeoutError):  # of a dead one's farewell
                await self._pool.close()


@contextmanager
def _whole(driver: Any) -> Iterator[None]:
    """A beginning or an end of a transaction: cut off in its middle, nobody knows whether one is open."""
    try:
        yield
    except asyncio.CancelledError:
        driver.terminate()
        raise


def _milliseconds(seconds: float) -> str:
    return str(max(1, round(seconds * 1000)))


def _for_asyncpg(address: str) -> str:
    """The address as asyncpg reads it; SQLAlchemy's `ssl` is its `sslmode`."""
    url = make_url(address).set(drivername="postgresql")
    if "ssl" in url.query:
        url = url.difference_update_query(["ssl"]).update_query_dict({"sslmode": url.query["ssl"]})
    return url.render_as_string(hide_password=False)


async def _json_as_objects(connection: Any) -> None:
    """Read JSON as objects; it is written as text, since a statement may also say `CAST(:text AS jsonb)`."""
    for name in ("json", "jsonb"):
        await connection.set_type_codec(name, schema="pg_catalog", encoder=str, decoder=json.loads)


async def _nothing_to_reset(_: Any) -> None:
    """Transactions are ended and advisory locks given back where they are taken."""
