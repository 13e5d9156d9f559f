import secrets

from missions.mission_files.references import DeviceFacts, PlatformFacts
from store import platform_facts
from store.database import Database
from store.tables import agents
from tests.support.rows import Rows


async def test_a_platform_and_its_own_instruments(database: Database) -> None:
    rows, mark = Rows(database), secrets.token_hex(4)
    platform = await rows.made(agents, uuid=f"{mark}-p", agent_class="platform")
    other = await rows.made(agents, uuid=f"{mark}-q", agent_class="platform", alias=f"{mark}-alias")
    await rows.made(agents, uuid=f"{mark}-a", agent_class="instrument", parent_id=platform, alias=f"PRE:{mark}")
    await rows.made(agents, uuid=f"{mark}-b", agent_class="instrument", parent_id=platform)
    await rows.made(agents, uuid=f"{mark}-c", agent_class="instrument", parent_id=other)
    async with database.transaction() as connection:
        assert await platform_facts.facts(connection, platform) == PlatformFacts(
            f"{mark}-p", None, [DeviceFacts(f"{mark}-a", f"PRE:{mark}"), DeviceFacts(f"{mark}-b", None)]
        )
