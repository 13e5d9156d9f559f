"""A platform with its instruments, as readers of events name it."""

from sqlalchemy import text

from missions.errors import InvalidInput
from missions.requests import MAX_ID
from missions.statuses import AgentClass
from store.connection import Connection


async def platform_devices(connection: Connection, name: str) -> frozenset[str]:
    """The uuids of a platform and its instruments; raises InvalidInput for the field `platform`.

    `name`: the platform's uuid, else alias, else id.
    """
    number = int(name) if name.isascii() and name.isdecimal() and len(name) < 20 else 0
    row = (await connection.execute(_FIND, {"name": name, "id": number if number <= MAX_ID else 0})).one_or_none()
    if row is None:
        raise InvalidInput(
            f"there is no platform {name!r}",
            field="platform",
            value=name,
            remedy="use the uuid, alias or id of an agent of class `platform` (GET /api/v1/agents?agentClass=platform)",
        )
    return frozenset({row.uuid, *row.instruments})


_FIND = text(
    f"""
    SELECT uuid, ARRAY(SELECT instrument.uuid FROM agents AS instrument WHERE parent_id = platform.id) AS instruments
    FROM agents AS platform
    WHERE agent_class = '{AgentClass.PLATFORM}' AND (uuid = :name OR alias = :name OR id = :id)
    ORDER BY uuid = :name DESC, coalesce(alias = :name, false) DESC LIMIT 1
    """
)
