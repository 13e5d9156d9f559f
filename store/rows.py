"""Rows as plain dicts, for readers that hand them on."""

from typing import Any

from sqlalchemy import Select, select

from store.connection import Connection, Parameters

Row = dict[str, Any]


async def all_rows(connection: Connection, query: Select[Any]) -> list[Row]:
    """Every row of the query."""
    return [row._asdict() for row in await connection.execute(query)]


async def one_row(connection: Connection, query: Select[Any], parameters: Parameters | None = None) -> Row | None:
    """The only row of the query, if there is one."""
    row = (await connection.execute(query, parameters)).one_or_none()
    return None if row is None else row._asdict()


async def ping(connection: Connection) -> None:
    """One round trip, to see that the server answers."""
    await connection.execute(select(1))
