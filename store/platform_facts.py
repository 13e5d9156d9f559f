"""What a mission file is checked against: a platform, and the instruments below it."""

from sqlalchemy import bindparam, or_, select

from missions.mission_files.references import DeviceFacts, PlatformFacts
from store.connection import Connection
from store.tables import agents

_FAMILY = (
    select(agents.c.uuid, agents.c.alias)
    .where(or_(agents.c.id == bindparam("platform"), agents.c.parent_id == bindparam("platform")))
    .order_by(agents.c.id != bindparam("platform"), agents.c.id)
)


async def facts(connection: Connection, platform_id: int) -> PlatformFacts:
    """The platform with this id, which there is (store/platform_ids.py)."""
    platform, *below = await connection.execute(_FAMILY, {"platform": platform_id})
    return PlatformFacts(platform.uuid, platform.alias, [DeviceFacts(row.uuid, row.alias) for row in below])
