"""What is promised of repairs, on a site with the settings that ship: within a minute."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest

from engine.runs import Runs
from missions.repairs import Repair
from tests.support.site import Mission, Site, SiteAgent, until

REPAIRED_WITHIN = 60.0


async def drives(site: Site, agent: SiteAgent) -> str:
    return (await site.recipe(lambda call: {"results": [{"agent_id": agent.id, "assignment": {}}]}))[0]


async def lose(site: Site, mission: Mission) -> None:
    """The engine forgets its run."""
    run = WorkflowExecution(workflow_id=(await mission.run()).id)
    request = DeleteWorkflowExecutionRequest(namespace=site.temporal.namespace, workflow_execution=run)
    await site.temporal.workflow_service.delete_workflow_execution(request)
    runs = Runs(site.temporal)

    async def unknown() -> bool:
        return await runs.look(run.workflow_id) is None

    await until(unknown, 30)


async def test_what_does_not_fit_is_repaired_within_a_minute(site: Site) -> None:
    """A terminated run, a lost one, one that nobody needs, and an agent of a mission that has ended."""
    driver, held = await site.agent("--work", "60"), await site.agent()
    recipe = await drives(site, driver)
    terminated = await site.mission(recipe, [driver])
    await driver.until_status("busy")
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    lost, unneeded = [await site.mission(recipe, [driver], schedStartAt=later) for _ in range(2)]
    ended = await site.mission(recipe, [held], status="draft")
    unneeded_run = await unneeded.run()
    await lose(site, lost)
    connection = await asyncpg.connect(site.addresses.database_url)
    end = "UPDATE work_processes SET status = 'failed', ended_at = now() WHERE id = ANY($1)"
    await connection.execute(end, [ended.id, unneeded.id])
    hold = "INSERT INTO reservations (agent_id, work_process_id, attempt, reserve_sent_at) VALUES ($1, $2, 1, now())"
    await connection.execute(hold, held.id, ended.id)
    await connection.close()
    await (await terminated.run()).terminate(reason="by hand")
    found = {
        Repair.RUN_ENDED: f"mission {terminated.id} ",
        Repair.RUN_RESUMED: f"mission {lost.id} ",
        Repair.RUN_UNNEEDED: f"run {unneeded_run.id} ",
        Repair.AGENTS_FREED: f"mission {ended.id} ",
    }

    async def all_repaired() -> bool:
        log = site.worker.log()
        return all(f"repaired ({kind}): {what}" in log for kind, what in found.items())

    await until(all_repaired, REPAIRED_WITHIN, lambda: site.worker.log()[-3000:])
    await terminated.until("failed", timeout=REPAIRED_WITHIN)
    await asyncio.gather(driver.until_status("free"), held.process.wait_for("release", lambda record: True))
    assert (await lost.read())["status"] == "dispatched"
    await lost.cancel()
    await lost.until("canceled")
