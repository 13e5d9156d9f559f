"""The random id of this installation, in the names of its workflows and queues."""

from sqlalchemy import select

from store.connection import Connection
from store.tables import installation


async def installation_id(connection: Connection) -> str:
    """The id; the database was migrated."""
    known = await connection.scalar(_ID)
    assert isinstance(known, str), "the first migration makes it"
    return known


_ID = select(installation.c.id)
