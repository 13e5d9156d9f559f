"""Another version of the worker takes over, its workflows give one command more: missions on their way go on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHandle

from cli.stack.addresses import Addresses
from examples.instruments.simulator import Instruments
from settings import Settings
from tests.support.mission_file_text import SAMPLE, file, timed
from tests.support.next_version import next_version
from tests.support.planner import Call
from tests.support.platform_stage import SETTINGS, TIME_SCALE, FileMission, Platform, Stage
from tests.support.site import YARD, Mission, Program, Site, SiteAgent, running_site, until

# Each phase lasts so many seconds: the worker goes before that, when all the others have begun.
LASTS = 5.0
WAIT = f"wait({LASTS:g})"  # minutes of the mission's time, which runs 60 times as fast
PENDING = {"request_id": "job", "status": "pending"}


@pytest.fixture(scope="module")
async def stage(services: Addresses, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder, settings = tmp_path_factory.mktemp("upgrade"), SETTINGS | {"MUSTER_CANCEL_RESEND_INTERVAL": "2"}
    async with running_site(services, folder, **settings) as site:
        addresses = Settings(amqp_url=site.addresses.amqp_url)
        async with Instruments(addresses, YARD, time_scale=TIME_SCALE) as instruments:
            yield Stage(site, instruments)


@pytest.fixture(scope="module")
async def platform(stage: Stage) -> Platform:
    return await stage.platform()


@pytest.fixture(scope="module")
async def slow(stage: Stage) -> SiteAgent:
    """An agent that takes its time."""
    return await stage.site.agent("--work", f"{LASTS}")


@pytest.fixture(scope="module")
async def quick(stage: Stage) -> SiteAgent:
    return await stage.site.agent()


@pytest.fixture(scope="module")
def patched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return next_version(tmp_path_factory.mktemp("patched"), patched=True)


@pytest.fixture(scope="module")
def unpatched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return next_version(tmp_path_factory.mktemp("unpatched"), patched=False)


@asynccontextmanager
async def worker_of(site: Site, code: Path) -> AsyncIterator[Program]:
    """A worker of other code; the site's own runs again afterwards."""
    worker = site.another_worker(code.name, code)
    worker.start()
    try:
        await until(lambda: _runs(worker), 30, worker.log)
        yield worker
    finally:
        worker.stop()
        site.worker.start()


async def _runs(worker: Program) -> bool:
    return "worker runs" in worker.log()


# --- missions ------------------------------------------------------------------------------------------------------


def planned(*trucks: SiteAgent) -> dict[str, Any]:
    results = [{"agent_id": truck.id, "assignment": {"n": number}} for number, truck in enumerate(trucks)]
    return {"results": results, "dispatch_order": [[number] for number in range(len(trucks))]}


async def drives(site: Site, *trucks: SiteAgent) -> Mission:
    """Each of them in its turn."""
    recipe, _ = await site.recipe(lambda call: planned(*trucks))
    return await site.mission(recipe, list(trucks))


async def in_its_first_group(site: Site, truck: SiteAgent) -> Mission:
    mission = await drives(site, truck, truck)
    await truck.until_status("busy")
    return mission


async def with_a_pending_planner(site: Site, truck: SiteAgent, done: asyncio.Event) -> Mission:
    def script(call: Call) -> Any:
        return planned(truck) if call.method == "GET" and done.is_set() else PENDING

    recipe, service = await site.recipe(script)
    mission = await site.mission(recipe, [truck])

    async def polled() -> bool:
        return service.count("GET") > 0

    await until(polled, 15)
    return mission


async def at_a_deaf_agent(site: Site) -> Mission:
    mission = await drives(site, await site.agent("--work", "60", "--ignore-cancel", "--ignore-release"))
    await mission.until("executing")
    return mission


async def between_two_commands(platform: Platform, ctd: int = 2) -> FileMission:
    platform.ctds[ctd - 2].commands.clear()
    mission = await platform.run(file(timed(SAMPLE, WAIT, SAMPLE, of=[ctd])))
    await mission.until_thread(0, command=WAIT, status="running")
    return mission


def commands(platform: Platform, ctd: int = 2) -> list[str]:
    """What a CTD was sent by the last of these."""
    return [command.name for command in platform.ctds[ctd - 2].commands]


# --- histories -----------------------------------------------------------------------------------------------------


async def runs_of(mission: Mission) -> list[WorkflowHandle[Any, Any]]:
    """Its own, and those of its threads."""
    run, temporal = await mission.run(), mission.site.temporal
    return [run, *([temporal.get_workflow_handle(f"{run.id}-thread-0")] if isinstance(mission, FileMission) else [])]


async def events_of(run: WorkflowHandle[Any, Any]) -> list[HistoryEvent]:
    return [event async for event in run.fetch_history_events()]


async def has(run: WorkflowHandle[Any, Any], what: str) -> bool:
    """Whether a run's history has an event of this kind: `marker_recorded`, `workflow_task_failed`."""
    # `what` is one of the engine's own names; its type lists them all.
    return any(event.HasField(f"{what}_event_attributes") for event in await events_of(run))  # type: ignore[arg-type]


async def is_of_next_version(mission: Mission) -> bool:
    return await has((await runs_of(mission))[-1], "marker_recorded")


async def task_failures(*missions: Mission) -> list[str]:
    runs = [run for mission in missions for run in await runs_of(mission)]
    return [run.id for run in runs if await has(run, "workflow_task_failed")]


# --- what happens --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [Program.stop, Program.kill], ids=["SIGTERM", "SIGKILL"])
async def test_missions_on_their_way_go_on_and_new_ones_run_the_new_code(
    stage: Stage,
    platform: Platform,
    slow: SiteAgent,
    quick: SiteAgent,
    patched: Path,
    end: Callable[[Program], None],
) -> None:
    site, done = stage.site, asyncio.Event()
    deaf, planning = await asyncio.gather(at_a_deaf_agent(site), with_a_pending_planner(site, quick, done))
    groups, between = await asyncio.gather(in_its_first_group(site, slow), between_two_commands(platform))
    line = await drives(site, slow)
    await line.until_waiting("agent_reserved")
    await deaf.cancel()
    await deaf.until("canceling")
    before = [groups, line, planning, deaf, between]
    assert [(await mission.read())["status"] for mission in before] == [
        "executing",
        "preparing resources",
        "calculating",
        "canceling",
        "executing",
    ]

    end(site.worker)
    async with worker_of(site, patched):
        done.set()
        new, file_of_new = await asyncio.gather(drives(site, quick), between_two_commands(platform, 3))
        for mission in (groups, line, planning, between, new, file_of_new):
            await mission.until("succeeded", timeout=40)
        await deaf.until("canceled", timeout=40)

    assert [await is_of_next_version(mission) for mission in before] == [False] * 5
    assert [await is_of_next_version(mission) for mission in (new, file_of_new)] == [True] * 2
    assert [len(slow.heard("assignment", mission)) for mission in (groups, line)] == [2, 1], "nothing is driven twice"
    assert commands(platform) == ["ACQUIRE_SAMPLE"] * 2
    assert await task_failures(*before, new, file_of_new) == []


async def test_old_and_new_workers_side_by_side(stage: Stage, slow: SiteAgent, quick: SiteAgent, patched: Path) -> None:
    site = stage.site
    groups = await in_its_first_group(site, slow)
    async with worker_of(site, patched):
        meanwhile = [await drives(site, quick) for _ in range(10)]
        site.worker.stop()
        after = await drives(site, quick)
        for mission in (groups, *meanwhile, after):
            await mission.until("succeeded", timeout=40)

    assert not await is_of_next_version(groups)
    assert await is_of_next_version(after)
    assert [len(quick.heard("assignment", mission)) for mission in meanwhile] == [1] * 10


async def test_without_a_patch_they_stand_still_until_the_old_code_is_back(
    stage: Stage, platform: Platform, slow: SiteAgent, unpatched: Path
) -> None:
    site = stage.site
    groups, between = await asyncio.gather(in_its_first_group(site, slow), between_two_commands(platform))
    thread = (await runs_of(between))[-1]
    site.worker.stop()
    async with worker_of(site, unpatched) as broken:
        for run in (await groups.run(), thread):
            await until(lambda run=run: has(run, "workflow_task_failed"), 30)  # type: ignore[misc]  # its default
        assert [(await mission.read())["status"] for mission in (groups, between)] == ["executing"] * 2
        broken.kill()

    for mission in (groups, between):
        await mission.until("succeeded", timeout=60)
    assert len(slow.heard("assignment", groups)) == 2
    assert commands(platform) == ["ACQUIRE_SAMPLE"] * 2
