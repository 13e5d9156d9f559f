"""A platform by the name that a client gives it: its id, its uuid or its alias."""

from sqlalchemy import text

from missions.errors import InvalidInput, NotFound
from missions.requests import MAX_ID
from missions.statuses import AgentClass
from store.connection import Connection


async def platform_id(connection: Connection, name: str, *, field: str | None = None) -> int:
    """The id of the platform of this uuid, else alias, else id.

    Raises NotFound if there is none; where a `field` of the request names it, InvalidInput for that.
    """
    number = int(name) if name.isascii() and name.isdecimal() and len(name) < 20 else 0
    found: int | None = await connection.scalar(_FIND, {"name": name, "id": number if number <= MAX_ID else 0})
    if found is None:
        raise (NotFound if field is None else InvalidInput)(
            f"there is no platform {name!r}",
            field=field or "platform",
            value=name,
            remedy="use the uuid, alias or id of an agent of class `platform` (GET /api/v1/agents?agentClass=platform)",
        )
    return found


_FIND = text(
    f"""
    SELECT id FROM agents
    WHERE agent_class = '{AgentClass.PLATFORM}' AND (uuid = :name OR alias = :name OR id = :id)
    ORDER BY uuid = :name DESC, coalesce(alias = :name, false) DESC LIMIT 1
    """
)
