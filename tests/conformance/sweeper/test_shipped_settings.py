"""What is promised of repairs, on a site with the settings that ship."""

from missions.repairs import Repair
from tests.support.site import Site

REPAIRED_WITHIN = 60.0


async def test_a_terminated_run_is_repaired_within_a_minute(site: Site) -> None:
    agent = await site.agent("--work", "60")
    recipe, _ = await site.recipe(lambda call: {"results": [{"agent_id": agent.id, "assignment": {}}]})
    mission = await site.mission(recipe, [agent])
    await agent.until_status("busy")
    await (await mission.run()).terminate(reason="by hand")
    await mission.until("failed", timeout=REPAIRED_WITHIN)
    await agent.until_status("free")
    assert f"repaired ({Repair.RUN_ENDED}): mission {mission.id} " in site.worker.log()
