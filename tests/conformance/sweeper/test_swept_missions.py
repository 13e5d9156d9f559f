"""Runs ended from outside or lost, rows set by hand: the sweeper and the reconciler repair what differs."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import asyncpg
import httpx
import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest

from cli.stack.addresses import Addresses
from engine.runs import Runs
from examples.thin_agent import CheckIn, ThinAgent, state
from missions.contracts import TaskQueues, WorkProcessStart
from missions.repairs import Repair
from settings import Settings
from tests.support.mission_file_text import SAMPLE, file, timed
from tests.support.planner import Call
from tests.support.platform_stage import Platform, Stage, platform_stage
from tests.support.site import TOKEN, YARD, Mission, Site, SiteAgent, until

REPAIRED_WITHIN = 60.0
"""Seconds: what is promised, though these sites look often."""


@pytest.fixture(scope="module")
async def stage(services: Addresses, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A site that looks often, and has no patience."""
    often = {"MUSTER_SWEEP_INTERVAL": "0.3", "MUSTER_SWEEP_AFTER": "0.5"}
    async with platform_stage(services, tmp_path_factory.mktemp("swept"), **often) as running:
        yield running


@pytest.fixture(scope="module")
async def truck(stage: Stage) -> SiteAgent:
    return await stage.site.agent("--work", "60")


@pytest.fixture(scope="module")
def swept(stage: Stage) -> Site:
    return stage.site


async def repairs(site: Site, kind: Repair) -> float:
    """As `GET /metrics` counts them."""
    url = str(site.api.base_url).removesuffix("/api/v1/")
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30) as http:
        text = (await http.get(f"{url}/metrics")).text
    line = next(line for line in text.splitlines() if line.startswith(f'muster_repairs_total{{kind="{kind}"}}'))
    return float(line.split()[-1])


async def repaired(site: Site, kind: Repair, mission: int | str = "", *, what: str = "") -> None:
    """The log names the mission, or `what` it was; and each repair of this kind was counted once and logged once."""
    line = f"repaired ({kind}): {what or f'mission {mission}'} "

    async def logged_and_counted() -> bool:
        log = site.worker.log()
        return line in log and await repairs(site, kind) == log.count(f"repaired ({kind}): ")

    await until(logged_and_counted, 15, lambda: f"{line} is missing, or not as often in the log as in the count")


async def sql(site: Site, statement: str, *values: Any) -> Any:
    connection = await asyncpg.connect(site.addresses.database_url)
    try:
        return await connection.fetchval(statement, *values)
    finally:
        await connection.close()


async def drives(site: Site, truck: SiteAgent, **fields: Any) -> str:
    return (await site.recipe(lambda call: {"results": [{"agent_id": truck.id, "assignment": {}}]}, **fields))[0]


async def one_at_a_time(site: Site, done: asyncio.Event) -> str:
    """A recipe without agents, of which one mission runs at once, until all is done."""

    def script(call: Call) -> Any:
        return {"results": []} if done.is_set() else {"request_id": "job", "status": "pending"}

    return (await site.recipe(script, maxConcurrent=1))[0]


async def terminate(mission: Mission) -> None:
    await (await mission.run()).terminate(reason="by hand")


async def is_terminated(mission: Mission) -> None:
    """It ended as one whose run was ended from outside."""
    shown = await mission.until("failed", timeout=REPAIRED_WITHIN)
    assert shown["failure"]["code"] == "terminated"
    assert "by hand" in shown["failure"]["text"]
    await repaired(mission.site, Repair.RUN_ENDED, mission.id)
    assert len(await mission.events("task.failed")) == 1
    assert await mission.run_status() == "FAILED"


async def test_a_terminated_run_that_drives_is_stopped_and_its_agent_released(swept: Site, truck: SiteAgent) -> None:
    mission = await swept.mission(await drives(swept, truck), [truck])
    await truck.until_status("busy")
    await terminate(mission)
    await is_terminated(mission)
    assert [a["status"] for a in await mission.assignments()] == ["canceled"]
    await truck.until_status("free")
    cancel, release = truck.heard("cancel", mission)[0]["at"], truck.heard("release", mission)[0]["at"]
    assert cancel <= release


async def test_terminated_runs_that_plan_or_wait_leave_nothing_behind(swept: Site, truck: SiteAgent) -> None:
    recipe, service = await swept.recipe(lambda call: {"request_id": "job", "status": "pending"})
    plans = await swept.mission(recipe, [truck])
    await plans.until("calculating")
    waits = await swept.mission(recipe, [truck])
    await waits.until_waiting("agent_reserved")

    async def polled() -> bool:
        return service.count("GET") > 0

    await until(polled, 10)
    await asyncio.gather(terminate(plans), terminate(waits))
    await is_terminated(plans)
    await is_terminated(waits)
    assert service.count("DELETE") == 1
    await truck.until_status("free")


async def test_a_terminated_run_of_a_canceling_mission_ends_canceled(swept: Site) -> None:
    deaf = await swept.agent("--work", "60", "--ignore-cancel")
    mission = await swept.mission(await drives(swept, deaf), [deaf])
    await deaf.until_status("busy")
    await mission.cancel("wrong yard")
    await deaf.process.wait_for("cancel", lambda record: True)
    await terminate(mission)
    await mission.until("canceled", timeout=REPAIRED_WITHIN)
    assert await mission.run_status() == "CANCELED"
    assert len(await mission.events("task.cancelled")) == 1
    await repaired(swept, Repair.RUN_ENDED, mission.id)
    assert f"repaired ({Repair.CANCEL_SENT}): mission {mission.id} " not in swept.worker.log()


async def forgotten(site: Site, *missions: Mission) -> None:
    """The engine loses their runs."""
    runs = Runs(site.temporal)
    service, namespace = site.temporal.workflow_service, site.temporal.namespace
    for mission in missions:
        run = WorkflowExecution(workflow_id=(await mission.run()).id)
        await service.delete_workflow_execution(
            DeleteWorkflowExecutionRequest(namespace=namespace, workflow_execution=run)
        )

    async def unknown() -> bool:
        return all([await runs.look((await mission.run()).id) is None for mission in missions])

    await until(unknown, REPAIRED_WITHIN)


async def test_missions_whose_runs_the_engine_lost_go_on_where_they_were(swept: Site, truck: SiteAgent) -> None:
    """Each in another phase; the agents do not de-duplicate."""
    first, second = await swept.agent("--work", "1.5"), await swept.agent()
    done = asyncio.Event()

    def pending(call: Call) -> Any:
        if call.method == "POST" or not done.is_set():
            return {"request_id": "job", "status": "pending"}
        return {"results": [{"agent_id": second.id, "assignment": {"n": 0}}]}

    def in_groups(call: Call) -> Any:
        results = [{"agent_id": first.id, "assignment": {"n": n}} for n in range(3)]
        return {"results": results, "dispatch_order": [[0], [1], [2]]}

    later, (polled, service) = datetime.now(UTC) + timedelta(hours=1), await swept.recipe(pending)
    one_by_one = await one_at_a_time(swept, done)
    failing, _ = await swept.recipe(
        lambda call: {"status": "failed"}, options={"retryInitialInterval": 1e6, "retryMaxInterval": 1e6}
    )
    scheduled = await swept.mission(await drives(swept, second), [second], schedStartAt=later.isoformat())
    retries = await swept.mission(failing, [], maxRetries=2)
    holds = await swept.mission(one_by_one, [])
    await holds.until("calculating")
    wants_slot = await swept.mission(one_by_one, [])
    polls = await swept.mission(polled, [second])
    await polls.until("calculating")
    waits = await swept.mission(await drives(swept, second), [second])
    cancels = await swept.mission(await drives(swept, truck), [truck])
    await truck.until_status("busy")
    await waits.until_waiting("agent_reserved")
    await wants_slot.until_waiting("slot")
    await retries.until_waiting("retry")
    await swept.post(f"/work-processes/{polls.id}/pause", {}, status=200)

    executes = await swept.mission((await swept.recipe(in_groups))[0], [first])

    async def second_group() -> bool:
        return len(first.assignments()) >= 2 and service.count("GET") > 0

    await until(second_group, 15)
    swept.worker.kill()
    await cancels.cancel()
    await forgotten(swept, executes, scheduled, retries, holds, wants_slot, polls, waits, cancels)
    done.set()
    swept.worker.start()

    async def paused() -> bool:
        return bool((await polls.read())["pause"] == "paused")

    await until(paused, 30)
    assert second.assignments() == []
    await swept.post(f"/work-processes/{polls.id}/resume", {}, status=200)
    for mission in (executes, holds, wants_slot, polls, waits):
        await mission.until("succeeded", timeout=REPAIRED_WITHIN)
        await repaired(swept, Repair.RUN_RESUMED, mission.id)
        assert await mission.run_status() == "COMPLETED"
        statuses = await mission.statuses()
        assert len(statuses) == len(set(statuses)), statuses
        assert len(await mission.events("task.started")) == len(await mission.events("task.completed")) == 1
    await cancels.until("canceled", timeout=REPAIRED_WITHIN)
    await repaired(swept, Repair.RUN_LOST, cancels.id)
    for mission in (scheduled, retries):
        assert (await mission.read())["status"] == "dispatched"
        await repaired(swept, Repair.RUN_RESUMED, mission.id)
        await mission.cancel()
        await mission.until("canceled", timeout=REPAIRED_WITHIN)
    assert [data["n"] for data in first.assignments()] == [0, 1, 2]
    assert service.count("POST") == 1
    for agent in (first, second, truck):
        await agent.until_status("free")


async def test_a_canceling_mission_whose_run_was_not_cancelled_is(swept: Site, truck: SiteAgent) -> None:
    mission = await swept.mission(await drives(swept, truck), [truck])
    await truck.until_status("busy")
    cancel = "UPDATE work_processes SET status = 'canceling', cancel_requested_at = now() WHERE id = $1"
    await sql(swept, cancel, mission.id)
    await mission.until("canceled", timeout=REPAIRED_WITHIN)
    await repaired(swept, Repair.CANCEL_SENT, mission.id)
    await truck.until_status("free")


async def test_runs_without_an_open_mission_are_terminated(swept: Site, truck: SiteAgent) -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    ended = await swept.mission(await drives(swept, truck), [truck], schedStartAt=later)
    of_ended = await ended.run()
    queues = TaskQueues.of("muster", of_ended.id.split("-")[2])
    start = WorkProcessStart(work_process_id=999_999, start_at=later, steps=[], task_queues=queues)
    of_none = await swept.temporal.start_workflow(
        "WorkProcess", start, id=of_ended.id.replace(f"-{ended.id}", "-999999"), task_queue=queues.missions
    )
    await sql(swept, "UPDATE work_processes SET status = 'failed', ended_at = now() WHERE id = $1", ended.id)
    for run in (of_ended, of_none):

        async def terminated(run: Any = run) -> bool:
            return str((await run.describe()).status.name) == "TERMINATED"

        await until(terminated, REPAIRED_WITHIN)
    await repaired(swept, Repair.RUN_UNNEEDED, what=f"run {of_none.id} was terminated: there is no such")
    await repaired(swept, Repair.RUN_UNNEEDED, what=f"run {of_ended.id} was terminated:")


async def test_an_ended_mission_that_holds_an_agent_releases_it(swept: Site, truck: SiteAgent) -> None:
    recipe = await drives(swept, truck)
    ended = await swept.mission(recipe, [truck], status="draft")
    await sql(swept, "UPDATE work_processes SET status = 'failed', ended_at = now() WHERE id = $1", ended.id)
    await sql(
        swept,
        "INSERT INTO reservations (agent_id, work_process_id, attempt, reserve_sent_at) VALUES ($1, $2, 1, now())",
        truck.id,
        ended.id,
    )
    waits = await swept.mission(recipe, [truck])
    await truck.process.wait_for("release", lambda r: r["message"]["body"]["work_process_id"] == ended.id)
    await waits.until("executing")
    await repaired(swept, Repair.AGENTS_FREED, ended.id)
    await waits.cancel()
    await waits.until("canceled", timeout=REPAIRED_WITHIN)
    await truck.until_status("free")


async def test_the_slot_of_an_ended_mission_goes_to_the_next(swept: Site) -> None:
    done = asyncio.Event()
    recipe = await one_at_a_time(swept, done)
    ended = await swept.mission(recipe, [])
    await ended.until("calculating")
    waits = await swept.mission(recipe, [])
    await waits.until_waiting("slot")
    await sql(swept, "UPDATE work_processes SET status = 'failed', ended_at = now() WHERE id = $1", ended.id)
    await waits.until("calculating", timeout=REPAIRED_WITHIN)
    await repaired(swept, Repair.SLOT_FREED, ended.id)
    done.set()
    await waits.until("succeeded")


async def test_an_agent_that_did_not_hear_its_release_and_says_no_more_is_released_again(swept: Site) -> None:
    settings = Settings(amqp_url=swept.addresses.amqp_url)
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    agent = ThinAgent(settings, f"deaf-{secrets.token_hex(3)}", heard.put)
    check_in = CheckIn(settings)
    await check_in.connect()
    await agent.listen(await check_in.password(agent.uuid, YARD))
    await check_in.close()
    await agent.report(state("free", None))
    agent_id = await sql(swept, "SELECT id FROM agents WHERE uuid = $1", agent.uuid)
    recipe, _ = await swept.recipe(lambda call: {"results": [{"agent_id": agent_id, "assignment": {}}]})
    body = {"workProcessTypeName": recipe, "status": "dispatched", "yardUid": YARD, "agentIds": [agent_id], "data": {}}
    missions: list[Mission] = []

    async def ask() -> None:
        missions.append(Mission(swept, (await swept.post("/work-processes", body))["id"]))

    async def hears(kind: str) -> dict[str, Any]:
        async with asyncio.timeout(REPAIRED_WITHIN):
            while True:
                message = await heard.get()
                if message["type"] == kind:
                    return message

    await ask()
    for number in range(2):
        await hears("reserve_for_mission")
        if number == 0:
            await ask()
        mission = missions[number]
        await agent.report(state("ready", mission.id))
        assignment = (await hears("assignment_execution"))["metadata"]["id"]
        if number == 0:
            await agent.unbind()
        await agent.report(state("ready", mission.id, {"id": assignment, "status": "succeeded", "result": {}}))
        await mission.until("succeeded")
        if number == 0:
            await agent.bind()
        assert (await hears("release_from_mission"))["body"]["work_process_id"] == mission.id
        await agent.report(state("free", None))
    await repaired(swept, Repair.RELEASED_AGAIN, missions[0].id)
    await agent.close()


async def test_a_terminated_mission_file_stops_its_commands_and_frees_its_platform(stage: Stage) -> None:
    platform = await stage.platform()
    ctd, streams = platform.ctds[:2]
    ctd.inject("late", "ACQUIRE_SAMPLE", seconds=30.0)
    threads = timed(SAMPLE), timed("wait(60)", of=(3,), pre=["execute_resource(START_AUTOSAMPLE)"])
    mission = await platform.run(file(*threads), timeScale=1)
    await mission.until_thread(1, command="wait(60)")
    assert streams.state == "STREAMING"
    await terminate(mission)
    await is_terminated(mission)
    assert ctd.canceled == [ctd.commands[0].assignment]
    assert [device.state for device in (ctd, streams)] == ["INACTIVE", "INACTIVE"]
    assert [thread["status"] for thread in (await mission.shown())["threads"]] == ["stopped", "stopped"]
    assert sorted(one for one in await mission.life() if "STOPPED" in one) == [
        "M STOPPED FAILED",
        "T0 STOPPED FAILED",
        "T1 STOPPED FAILED",
    ]
    assert (await mission.shown())["running"] is False
    await sql(stage.site, "UPDATE mission_files SET running = true WHERE work_process_id = $1", mission.id)
    await repaired(stage.site, Repair.PLATFORM_FREED, mission.id)
    assert (await mission.shown())["running"] is False
    assert await platform.state() == "COMMAND"
    assert await stage.ask("SELECT count(*) FROM reservations WHERE work_process_id = $1", mission.id) == 0


async def _are_inactive(platform: Platform) -> bool:
    shown = await platform.site.get(f"/platforms/{platform.uuid}")
    return all(one["state"] == "INACTIVE" for one in shown["instruments"])


async def test_a_terminated_command_of_a_platform_fails_and_leaves_it_as_it_was(stage: Stage) -> None:
    platform = await stage.platform()
    await platform.put_in_state("INACTIVE")
    for device in (*platform.ctds, platform.camera):
        await device.set_state("INACTIVE")
        device.inject("late", seconds=30.0)
    await until(partial(_are_inactive, platform), 10)
    taken = await stage.site.post(f"/platforms/{platform.uuid}/commands", {"command": "GO_ACTIVE"}, status=202)
    command = Mission(stage.site, taken["workProcessId"])
    await command.until("executing")
    await terminate(command)
    await is_terminated(command)
    assert await platform.state() == "INACTIVE"
    assert (await stage.site.get(f"/platforms/{platform.uuid}"))["underWay"] is None


async def test_a_mission_queue_whose_run_is_terminated_goes_on(swept: Site) -> None:
    recipe, service = await swept.recipe(lambda call: {"results": []})
    service.hold.clear()
    queue = (await swept.post("/mission-queues", {"name": secrets.token_hex(3)}))["id"]
    missions = [await swept.mission(recipe, [], status="draft", missionQueueId=queue) for _ in range(2)]
    run = swept.temporal.get_workflow_handle(
        (await swept.post(f"/mission-queues/{queue}/run", {}, status=200))["workflowId"]
    )
    await missions[0].until("calculating")
    await run.terminate(reason="by hand")
    service.hold.set()
    for mission in missions:
        await mission.until("succeeded", timeout=REPAIRED_WITHIN)
    await repaired(swept, Repair.QUEUE_RUN, what=f"mission queue {queue}")
