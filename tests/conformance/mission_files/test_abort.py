"""ABORT_MISSION, and what else aborts a mission: at every place where it can stand."""

import pytest

from tests.conformance.mission_files.aborted import check_aborted
from tests.support.mission_file_text import NEVER, SAMPLE, file, on_event, timed
from tests.support.platform_stage import FileMission, Platform
from tests.support.site import until

STOPPED = ["T0 STOPPED FAILED", "M STOPPED ABORTED"]
TO_FIRST_SEQUENCE = ["M STARTING", "T0 STARTED", "M STARTED", "S0 STARTED"]


def names(platform: Platform, number: int = 2) -> list[str]:
    """The commands that a CTD was sent."""
    return [command.name for command in platform.ctds[number - 2].commands]


async def in_a_wait(platform: Platform, *, mission_id: str = "") -> FileMission:
    """A mission of the first CTD whose thread waits for an hour of its time."""
    mission = await platform.run(file(timed("wait(60)")), mission_id)
    await mission.until_thread(0, command="wait(60)")
    return mission


async def test_in_a_wait(platform: Platform) -> None:
    mission = await in_a_wait(platform)

    await mission.abort()

    assert await check_aborted(mission) == [*TO_FIRST_SEQUENCE, "M STOPPING ABORTED", *STOPPED]
    assert await mission.descriptions("T0 STOPPED") == [""]
    assert await mission.descriptions("M STOPPED") == [""]
    assert platform.ctds[0].state == "INACTIVE"
    assert names(platform) == ["GO_INACTIVE"]
    assert names(platform, 3) == [], "an instrument that is not the mission's"
    assert (await mission.shown())["running"] is False


async def test_in_a_command(platform: Platform) -> None:
    ctd = platform.ctds[0]
    ctd.inject("late", "ACQUIRE_SAMPLE", seconds=30.0)
    mission = await platform.run(file(timed(SAMPLE, "execute_resource(CLOCK_SYNC)")), timeScale=1)
    await until(lambda: _has(ctd.commands), 10)

    await mission.abort()

    assert await check_aborted(mission) == [*TO_FIRST_SEQUENCE, "M STOPPING ABORTED", *STOPPED]
    assert names(platform) == ["ACQUIRE_SAMPLE", "GO_INACTIVE"]
    assert ctd.canceled == [ctd.commands[0].assignment]
    told = [
        (event["payload"].get("assignmentId") or event["payload"].get("assignment_id"), event["payload"].get("to"))
        for event in await mission.events("assignment.status_changed", "assignment.created")
    ]
    confirmed = told.index((ctd.commands[0].assignment, "canceled"))
    assert [assignment for assignment, _ in told].index(ctd.commands[1].assignment) > confirmed


async def _has(things: list[object]) -> bool:
    return bool(things)


async def test_in_the_pause_before_another_attempt(platform: Platform) -> None:
    platform.ctds[0].inject("fail", "ACQUIRE_SAMPLE")
    mission = await platform.run(file(timed(SAMPLE, default="retry")), timeScale=1)
    await mission.until_thread(0, error="simulated fault")

    await mission.abort()

    assert await check_aborted(mission) == [*TO_FIRST_SEQUENCE, "M STOPPING ABORTED", *STOPPED]
    assert await mission.descriptions("T0 STOPPED") == [""]
    assert names(platform) == ["ACQUIRE_SAMPLE", "GO_INACTIVE"]


async def test_before_the_start(platform: Platform) -> None:
    mission = await platform.run(file(timed(SAMPLE, start=NEVER)))
    await mission.until_thread(0, status="waiting")

    await mission.abort()

    life = await check_aborted(mission)
    assert life == ["M STARTING", "T0 STARTED", "M STARTED", "M STOPPING ABORTED", *STOPPED]
    assert names(platform) == ["GO_INACTIVE"]


async def test_with_threads_that_wait_for_events(platform: Platform) -> None:
    text = file(on_event("atStep", SAMPLE), on_event("atCeiling", SAMPLE, of=[3]))
    mission = await platform.run(text)
    for number in (0, 1):
        await mission.until_thread(number, status="waiting")

    await mission.abort()

    life = await check_aborted(mission, threads=2)
    assert life[:4] == ["M STARTING", "T0 STARTED", "T1 STARTED", "M STARTED"]
    assert life[4] == "M STOPPING ABORTED"
    assert [ctd.state for ctd in platform.ctds] == ["INACTIVE", "INACTIVE", "COMMAND"]
    assert [thread["status"] for thread in (await mission.shown())["threads"]] == ["stopped", "stopped"]


async def test_while_it_waits_for_its_instruments(platform: Platform) -> None:
    first = await in_a_wait(platform)
    second = await platform.run(file(timed(SAMPLE, of=[2, 3])))
    await second.until_waiting("agent_reserved")

    await second.abort()

    life = await check_aborted(second, never_started=True)
    assert life == ["M STARTING", "M STOPPING ABORTED", "M STOPPED ABORTED"]
    assert names(platform) == names(platform, 3) == []
    assert (await second.thread(0))["status"] == "not_started"
    await first.abort()
    await check_aborted(first)


async def test_as_the_last_command_ends(platform: Platform) -> None:
    """Either the mission has ended, or it is aborted as a whole; there is nothing in between."""
    missions = []
    for number, ctd in zip((2, 3, 4), platform.ctds, strict=True):
        ctd.inject("late", "ACQUIRE_SAMPLE", seconds=0.3)
        missions.append(await platform.run(file(timed(SAMPLE, of=[number]))))

    for mission, ctd, moment in zip(missions, platform.ctds, ("SUCCESS", "S0", "S0"), strict=True):
        await until(lambda ctd=ctd: _has(ctd.commands), 10)  # type: ignore[misc]  # a lambda with a default
        if moment == "SUCCESS":
            await until(lambda: _ended_command(mission), 10)  # noqa: B023
        answer = await mission.site.api.post(f"{mission.path}/abort", json={})
        assert answer.status_code in (200, 409), answer.text

    for mission, ctd in zip(missions, platform.ctds, strict=True):
        if (await mission.until("succeeded", "canceled"))["status"] == "canceled":
            await check_aborted(mission)
            assert ctd.state == "INACTIVE"
        else:
            assert (await mission.life())[-2:] == ["T0 STOPPED", "M STOPPED"]
            assert ctd.state == "COMMAND"


async def _ended_command(mission: FileMission) -> bool:
    return any(one["status"] == "succeeded" for one in await mission.assignments())


async def test_twice(platform: Platform) -> None:
    platform.ctds[0].inject("late", "GO_INACTIVE", seconds=0.5)
    mission = await in_a_wait(platform)

    await mission.abort()
    await mission.abort()

    assert await check_aborted(mission) == [*TO_FIRST_SEQUENCE, "M STOPPING ABORTED", *STOPPED]
    assert names(platform) == ["GO_INACTIVE"]


async def test_of_an_unknown_mission_and_of_one_that_has_ended(platform: Platform) -> None:
    mission = await in_a_wait(platform)

    unknown = await platform.site.api.post(f"/platforms/{platform.uuid}/missions/none/abort", json={})
    assert unknown.status_code == 404, unknown.text
    assert unknown.json()["errors"][0]["field"] == "missionId"

    await mission.abort()
    await check_aborted(mission)
    ended = await platform.site.api.post(f"{mission.path}/abort", json={})
    assert ended.status_code == 409
    assert "canceled" in ended.json()["detail"]


@pytest.mark.parametrize("how", ["native cancel", "cancel", "halt", "POST cancel"])
async def test_not_by_its_own_command(platform: Platform, how: str) -> None:
    """The engine's UI and CLI, the signals, and the work process's own cancel lead to the same end."""
    mission = await in_a_wait(platform)
    run = await mission.run()

    if how == "native cancel":
        await run.cancel()
    elif how == "POST cancel":
        await mission.cancel()
    else:
        await run.signal(how, {"reason": "the ship leaves"})

    assert await check_aborted(mission) == [*TO_FIRST_SEQUENCE, "M STOPPING ABORTED", *STOPPED]
    assert platform.ctds[0].state == ("COMMAND" if how == "halt" else "INACTIVE"), "a halt waits for nobody"


@pytest.mark.parametrize("how", ["cancel", "terminate"])
async def test_of_one_threads_run_alone(platform: Platform, how: str) -> None:
    """The thread is over, as if it had been aborted; the others go on."""
    platform.ctds[1].inject("late", "ACQUIRE_SAMPLE", seconds=1.0)
    mission = await platform.run(file(timed("wait(60)"), timed(SAMPLE, SAMPLE, of=[3])))
    await mission.until_thread(0, command="wait(60)")
    workflow_id = (await mission.read())["workflowId"]

    run = platform.site.temporal.get_workflow_handle(f"{workflow_id}-thread-0")
    await (run.cancel() if how == "cancel" else run.terminate("by hand"))

    async def failed() -> bool:
        return (await mission.read())["status"] == "failed"

    await until(failed, 20)
    life = await mission.life()
    assert [one for one in life if one[1] == "0"] == ["T0 STARTED", "S0 STARTED", "T0 STOPPED FAILED"]
    assert [one for one in life if one[1] == "1"] == ["T1 STARTED", "S1 STARTED", "S1 STOPPED", "T1 STOPPED"]
    assert life[-1] == "M STOPPED FAILED"
    assert await mission.descriptions("M STOPPED") == [
        f"Mission {mission.mission_id} has failed. 1 mission threads completed successfully, 1 mission threads aborted"
    ]
    assert [ctd.state for ctd in platform.ctds] == ["INACTIVE", "COMMAND", "COMMAND"]


async def test_while_a_thread_brings_its_instruments_to_inactive(platform: Platform) -> None:
    ctd = platform.ctds[0]
    ctd.inject("fail", "ACQUIRE_SAMPLE")
    ctd.inject("late", "GO_INACTIVE", 1, seconds=30.0)
    mission = await platform.run(file(timed(SAMPLE), timed("wait(60)", of=[3])))
    await until(lambda: _sent(ctd.commands, 2), 10)

    await mission.abort()

    life = await check_aborted(mission, threads=2)
    assert [one for one in life if one[1] == "0"] == ["T0 STARTED", "S0 STARTED", "T0 STOPPED FAILED"]
    assert life.index("T0 STOPPED FAILED") < life.index("M STOPPING ABORTED")
    assert names(platform) == ["ACQUIRE_SAMPLE", "GO_INACTIVE", "GO_INACTIVE"]
    assert ctd.canceled == [ctd.commands[1].assignment]
    assert [ctd.state for ctd in platform.ctds] == ["INACTIVE", "INACTIVE", "COMMAND"]


async def _sent(commands: list[object], count: int) -> bool:
    return len(commands) >= count
