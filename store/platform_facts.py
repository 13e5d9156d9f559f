"""What a mission file is checked against: a platform and its instruments."""

from sqlalchemy import text

from missions.mission_files.references import DeviceFacts, PlatformFacts
from missions.statuses import AgentClass
from store.connection import Connection


async def facts(connection: Connection, platform_id: int) -> PlatformFacts:
    """The platform, which is there, and its instruments."""
    rows = (await connection.execute(_DEVICES, {"id": platform_id})).all()
    own = next(row for row in rows if row.id == platform_id)
    instruments = [DeviceFacts(row.uuid, row.alias) for row in rows if row.id != platform_id]
    return PlatformFacts(own.uuid, own.alias, instruments)


_DEVICES = text(
    f"""
    SELECT id, uuid, alias FROM agents
    WHERE id = :id OR parent_id = :id AND agent_class = '{AgentClass.INSTRUMENT}' ORDER BY id
    """
)
