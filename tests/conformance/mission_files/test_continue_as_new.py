"""A thread with a long history goes on as a new run: nobody sees it but the engine."""

import sys
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from temporalio.testing import WorkflowEnvironment

from cli.stack.addresses import Addresses
from cli.stack.temporal import DYNAMIC_CONFIG, dynamic_config
from tests.conformance.mission_files.aborted import check_aborted
from tests.support.mission_file_text import SAMPLE, file, on_event, timed
from tests.support.platform_stage import FileMission, Platform, Stage, platform_stage
from tests.support.site import until

CLOCK_SYNC = "execute_resource(CLOCK_SYNC)"
_DYNAMIC_CONFIG = {**DYNAMIC_CONFIG, "limit.historyCount.suggestContinueAsNew": "60"}  # events: two loops


@pytest.fixture(scope="module")
async def stage(services: Addresses, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """On an engine of its own, which finds histories long very soon."""
    engine = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(Path(sys.executable).with_name("temporal")),
        dev_server_extra_args=dynamic_config(_DYNAMIC_CONFIG),
    )
    async with engine:
        own = services.model_copy(update={"temporal_address": engine.client.service_client.config.target_host})
        async with platform_stage(own, tmp_path_factory.mktemp("short_histories")) as running:
            yield running


async def runs(mission: FileMission) -> int:
    """How many runs its first thread has had so far; the mission itself has had one."""
    workflow_id = (await mission.read())["workflowId"]
    client, found = mission.site.temporal, 0
    run_id: str | None = (await client.get_workflow_handle(f"{workflow_id}-thread-0").describe()).run_id
    while run_id:
        found += 1
        history = await client.get_workflow_handle(f"{workflow_id}-thread-0", run_id=run_id).fetch_history()
        run_id = history.events[0].workflow_execution_started_event_attributes.continued_execution_run_id
    parent = await client.get_workflow_handle(workflow_id).fetch_history()
    first = parent.events[0].workflow_execution_started_event_attributes
    assert not first.continued_execution_run_id
    begun = [one for one in parent.events if one.HasField("child_workflow_execution_started_event_attributes")]
    assert len(begun) == 1
    return found


async def loops(mission: FileMission) -> list[int]:
    """The numbers of the sequences that have started."""
    return [event["payload"]["loop"] for event in await mission.events("mission.sequence.started")]


async def test_a_timed_thread_keeps_its_grid_and_its_numbers(platform: Platform) -> None:
    mission = await platform.run(file(timed(SAMPLE, pre=[CLOCK_SYNC], post=[CLOCK_SYNC], every=6, quantity=12)))

    await mission.until("succeeded", timeout=60)

    assert await runs(mission) > 2
    assert await loops(mission) == list(range(1, 13))
    sent = [command.name for command in platform.ctds[0].commands]
    assert sent == ["CLOCK_SYNC", *["ACQUIRE_SAMPLE"] * 12, "CLOCK_SYNC"]
    assert await mission.frame() == ["M STARTING", "M STARTED", "M STOPPED"]
    words = (await mission.descriptions("S0 STOPPED"))[:-1]
    seconds = [int(one.removesuffix(" UTC").rsplit(":", 1)[-1]) for one in words]
    assert {(after - before) % 60 for before, after in pairwise(seconds)} == {6}, words


async def test_events_that_wait_are_served_by_the_run_that_follows(platform: Platform) -> None:
    mission = await platform.run(file(on_event("atStep", SAMPLE, quantity=10)))
    await mission.until_thread(0, status="waiting")
    for _ in range(10):
        await platform.device.emit("atStep")

    await mission.until("succeeded", timeout=60)

    assert await runs(mission) > 2
    assert await loops(mission) == list(range(1, 11))
    assert len(platform.ctds[0].commands) == 10


async def test_a_pause_holds_and_an_abort_is_heard(platform: Platform) -> None:
    ctd = platform.ctds[0]
    ctd.inject("late", "ACQUIRE_SAMPLE", seconds=0.15)
    mission = await platform.run(file(timed(SAMPLE, every=6, quantity=-1)))

    async def pause_is(pause: str) -> bool:
        return bool((await mission.read())["pause"] == pause)

    for _ in range(5):  # each time in a command: the loop's end, and the run's, come after it
        before = len(ctd.commands)

        async def more(before: int = before) -> bool:
            return len(ctd.commands) > before

        await until(more, 10)
        await _wish(mission, "pause")
        await until(lambda: pause_is("paused"), 10)
        held = len(ctd.commands)
        shown = await _settled(mission)
        assert len(ctd.commands) == held, shown
        await _wish(mission, "resume")
    assert await runs(mission) > 1
    so_far = await loops(mission)
    assert so_far == list(range(1, len(so_far) + 1))

    await mission.abort()

    await check_aborted(mission)
    assert ctd.state == "INACTIVE"


async def _wish(mission: FileMission, verb: str) -> None:
    await mission.site.post(f"{mission.path}/{verb}", {}, status=200)


async def _settled(mission: FileMission) -> Any:
    """Wait until the loop of the last command has ended."""

    async def ended() -> Any:
        shown = await mission.thread(0)
        return shown if shown["status"] == "waiting" else None

    return await until(ended, 10)
