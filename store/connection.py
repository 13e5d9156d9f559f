"""One connection to PostgreSQL: SQLAlchemy writes the statements, asyncpg runs them.

Without SQLAlchemy's engine between them, which takes 0.1 ms of CPU a statement and as much a transaction again: about a
tenth of what a mission costs (docs/decisions.md).
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakKeyDictionary

import asyncpg
from sqlalchemy import ClauseElement, IteratorResult, Result, ScalarResult
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect
from sqlalchemy.engine.result import SimpleResultMetaData

Parameters = Mapping[str, Any]
Rows = Result[*tuple[Any, ...]]

_MANY = 1000
_MANY_ANSWERED_WITHIN = 30.0
"""Seconds, for more rows than that; all else has the time that `Database` gives it."""

_DIALECT = asyncpg_dialect.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own gap


class _Compiled:
    """A statement as asyncpg takes it: `$1`, `$2` … in the order of `names`."""

    def __init__(self, statement: ClauseElement, given: Sequence[str]) -> None:
        compiled: Any = statement.compile(
            dialect=_DIALECT, column_keys=list(given) or None, compile_kwargs={"render_postcompile": True}
        )
        self.sql = str(compiled)
        self.names: tuple[str, ...] = tuple(compiled.positiontup or ())
        self.given = frozenset(given)
        self.constants = {
            name: value
            for name, value in compiled.params.items()
            if name not in compiled.binds or not compiled.binds[name].required
        }
        self.encoders = [
            (place, encode) for place, name in enumerate(self.names) if (encode := _encoder(compiled, name))
        ]
        self.metadata: SimpleResultMetaData | None = None  # the columns, once there were rows

    def arguments(self, parameters: Parameters) -> list[Any]:
        """The values in the statement's order."""
        constants = self.constants
        values = [parameters[name] if name in parameters else constants[name] for name in self.names]
        for place, encode in self.encoders:
            values[place] = encode(values[place])
        return values

    def result(self, records: Sequence[asyncpg.Record]) -> Rows:
        """The rows, under their columns' names."""
        if self.metadata is None:
            if not records:
                return IteratorResult(_NOTHING, iter(()))
            self.metadata = SimpleResultMetaData(tuple(records[0].keys()))
        return IteratorResult(self.metadata, map(tuple, records))


_NOTHING = SimpleResultMetaData(("",))  # one column, as `scalars` wants


def _encoder(compiled: Any, name: str) -> Callable[[Any], Any] | None:
    if name not in compiled.binds:  # one value of a list
        return None
    encoder: Callable[[Any], Any] | None = compiled.binds[name].type.dialect_impl(_DIALECT).bind_processor(_DIALECT)
    return encoder


# Statements that are constants of a module are compiled once; those built for one call go with it.
_compiled: WeakKeyDictionary[ClauseElement, _Compiled] = WeakKeyDictionary()


def _compile(statement: ClauseElement, given: Parameters) -> _Compiled:
    known = _compiled.get(statement)
    if known is None or known.given != given.keys():
        known = _compiled[statement] = _Compiled(statement, tuple(given))
    return known


class Connection:
    """Runs statements, in a transaction or each by itself: as `Database` gave it."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self.appended_events = False
        """Whether who reads the log is to be told, once it is committed."""

    async def execute(
        self, statement: ClauseElement, parameters: Parameters | Sequence[Parameters] | None = None
    ) -> Rows:
        """Run a statement and return its rows; with a list of parameters once for each, rows in their order."""
        if isinstance(parameters, Sequence):
            return await self._execute_each(statement, parameters)
        compiled = _compile(statement, parameters or {})
        return compiled.result(await self._driver.fetch(compiled.sql, *compiled.arguments(parameters or {})))

    async def _execute_each(self, statement: ClauseElement, parameters: Sequence[Parameters]) -> Rows:
        compiled = _compile(statement, parameters[0])
        timeout = _MANY_ANSWERED_WITHIN if len(parameters) > _MANY else None
        return compiled.result(
            await self._driver.fetchmany(compiled.sql, [compiled.arguments(one) for one in parameters], timeout=timeout)
        )

    async def scalar(self, statement: ClauseElement, parameters: Parameters | None = None) -> Any:
        """The first column of the first row; None without rows."""
        compiled = _compile(statement, parameters or {})
        return await self._driver.fetchval(compiled.sql, *compiled.arguments(parameters or {}))

    async def scalars(self, statement: ClauseElement, parameters: Parameters | None = None) -> ScalarResult[Any]:
        """The first column of each row."""
        return (await self.execute(statement, parameters)).scalars()

    async def affected(self, statement: ClauseElement, parameters: Parameters | None = None) -> int:
        """Run a statement; how many rows it wrote."""
        compiled = _compile(statement, parameters or {})
        status: str = await self._driver.execute(compiled.sql, *compiled.arguments(parameters or {}))
        return int(status.rpartition(" ")[2])

    @asynccontextmanager
    async def begin_nested(self) -> AsyncIterator[None]:
        """A part of the transaction that is undone alone, on an exception."""
        transaction = self._driver.transaction()
        await transaction.start()
        try:
            yield
        except TimeoutError:
            raise  # no rollback would be answered either: the whole transaction goes with its connection
        except BaseException:
            await transaction.rollback()
            raise
        await transaction.commit()
