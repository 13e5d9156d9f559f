"""What a mission file is checked against: a platform, and the instruments below it."""

from sqlalchemy import bindparam, or_, select

from missions.mission_files.references import DeviceFacts, PlatformFacts
from missions.statuses import AgentClass
from store.connection import Connection
from store.tables import agents

_FAMILY = (
    select(agents.c.id, agents.c.uuid, agents.c.alias, agents.c.agent_class)
    .where(
        or_(
            (agents.c.id == bindparam("platform_id")) & (agents.c.agent_class == AgentClass.PLATFORM),
            (agents.c.parent_id == bindparam("platform_id")) & (agents.c.agent_class == AgentClass.INSTRUMENT),
        )
    )
    .order_by(agents.c.id)
)


async def facts(connection: Connection, platform_id: int) -> PlatformFacts | None:
    """The platform with this id; None if there is none."""
    rows = (await connection.execute(_FAMILY, {"platform_id": platform_id})).all()
    platform = next((row for row in rows if row.id == platform_id), None)
    if platform is None:
        return None
    below = [DeviceFacts(row.uuid, row.alias) for row in rows if row.id != platform_id]
    return PlatformFacts(platform.uuid, platform.alias, below)


async def id_of(connection: Connection, uuid: str) -> int | None:
    """The id of the platform with this uuid."""
    found = select(agents.c.id).where(agents.c.uuid == uuid, agents.c.agent_class == AgentClass.PLATFORM)
    platform_id: int | None = await connection.scalar(found)
    return platform_id
