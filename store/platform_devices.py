"""A platform with its instruments, as readers of events name it."""

from sqlalchemy import bindparam, or_, select

from store.connection import Connection
from store.platform_ids import platform_id
from store.tables import agents

_DEVICES = select(agents.c.uuid).where(
    or_(agents.c.id == bindparam("platform"), agents.c.parent_id == bindparam("platform"))
)


async def platform_devices(connection: Connection, name: str) -> frozenset[str]:
    """The uuids of a platform and its instruments; raises InvalidInput for the field `platform`.

    `name`: the platform's uuid, else alias, else id.
    """
    found = await platform_id(connection, name, field="platform")
    return frozenset(row.uuid for row in await connection.execute(_DEVICES, {"platform": found}))
