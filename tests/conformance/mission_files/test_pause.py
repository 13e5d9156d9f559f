"""Pause and resume of a mission file's run: no thread sends another command until somebody resumes it."""

from tests.conformance.mission_files.aborted import check_aborted
from tests.support.mission_file_text import NEVER, SAMPLE, file, on_event, timed
from tests.support.platform_stage import FileMission, Platform
from tests.support.site import until


async def wish(mission: FileMission, verb: str) -> str:
    """Pause or resume; returns how the pause stands then."""
    shown = await mission.site.post(f"{mission.path}/{verb}", {}, status=200)
    return str(shown["pause"])


async def until_pause(mission: FileMission, pause: str) -> None:
    """Wait until the pause stands so."""

    async def there() -> bool:
        return bool((await mission.read())["pause"] == pause)

    await until(there, 10)


async def sent(platform: Platform, count: int, number: int = 2) -> None:
    """Wait until a CTD was sent so many commands."""

    async def there() -> bool:
        return len(platform.ctds[number - 2].commands) >= count

    await until(there, 10)


async def test_it_holds_when_the_commands_under_way_have_ended(platform: Platform) -> None:
    """Also of the threads that wait for their time, or for an event."""
    ctd = platform.ctds[0]
    ctd.inject("late", "ACQUIRE_SAMPLE", 1, seconds=1.0)
    threads = [timed(SAMPLE, SAMPLE), timed(SAMPLE, of=[3], start=NEVER), on_event("atStep", SAMPLE, of=[4])]
    mission = await platform.run(file(*threads))
    await sent(platform, 1)
    await mission.until_thread(2, status="waiting")

    assert await wish(mission, "pause") == "requested"
    assert (await mission.assignments())[0]["status"] == "executing"
    await until_pause(mission, "paused")
    assert (await mission.assignments())[0]["status"] in ("succeeded", "completed")
    await platform.device.emit("atStep")
    assert await wish(mission, "pause") == "paused"

    assert [len(one.commands) for one in platform.ctds] == [1, 0, 0]
    assert await wish(mission, "resume") == "none"
    await sent(platform, 2)
    await sent(platform, 1, 4)
    assert platform.ctds[1].commands == []
    kinds = [event["type"] for event in await mission.events() if "paus" in event["type"] or "resum" in event["type"]]
    assert kinds == ["work_process.pause_requested", "work_process.paused", "work_process.resumed"]
    await mission.abort()
    await check_aborted(mission, threads=3)


async def test_loops_that_were_missed_are_caught_up(platform: Platform) -> None:
    """Another mission on the same grid tells when starts are over."""
    mission = await platform.run(file(timed(SAMPLE, every=36, quantity=5)))  # 0.6 s
    clock = await platform.run(file(timed(SAMPLE, of=[3], every=36, quantity=-1)))
    await sent(platform, 1)
    await wish(mission, "pause")
    await until_pause(mission, "paused")
    so_far = len(platform.ctds[0].commands)

    await sent(platform, len(platform.ctds[1].commands) + 3, 3)
    assert len(platform.ctds[0].commands) == so_far

    await wish(mission, "resume")

    await mission.until("succeeded")
    assert len(platform.ctds[0].commands) == 5
    assert await mission.of_thread(0) == ["T0 STARTED", *["S0 STARTED", "S0 STOPPED"] * 5, "T0 STOPPED"]
    await clock.abort()
    await check_aborted(clock)


async def test_it_can_be_aborted(platform: Platform) -> None:
    mission = await platform.run(file(timed("wait(0.01)", SAMPLE, every=6, quantity=-1)))
    await sent(platform, 1)
    await wish(mission, "pause")
    await until_pause(mission, "paused")

    await mission.abort()

    await check_aborted(mission)
    assert [one.name for one in platform.ctds[0].commands][-1] == "GO_INACTIVE"
    assert platform.ctds[0].state == "INACTIVE"


async def test_from_before_its_instruments_are_its_own(platform: Platform) -> None:
    """It gets them, and holds before its threads start."""
    first = await platform.run(file(timed("wait(60)")))
    await first.until_thread(0, command="wait(60)")
    second = await platform.run(file(timed(SAMPLE)))
    await second.until_waiting("agent_reserved")
    assert await wish(second, "pause") == "requested"
    await first.abort()
    await check_aborted(first)
    await until_pause(second, "paused")
    assert await second.life() == ["M STARTING"]
    assert [one.mission for one in platform.ctds[0].commands] == [first.id]

    await platform.ctds[0].set_state("COMMAND")
    await wish(second, "resume")

    await second.until("succeeded")
    assert [one.name for one in platform.ctds[0].commands] == ["GO_INACTIVE", "ACQUIRE_SAMPLE"]


async def test_while_a_command_waits_to_be_tried_again(platform: Platform) -> None:
    """The pause holds before the next attempt."""
    platform.ctds[0].inject("fail", "ACQUIRE_SAMPLE", 1)
    mission = await platform.run(file(timed(SAMPLE, default="retry")), timeScale=10)  # half a second
    await mission.until_thread(0, error="simulated fault")
    await wish(mission, "pause")
    await until_pause(mission, "paused")
    assert len(platform.ctds[0].commands) == 1

    await wish(mission, "resume")

    await mission.until("succeeded")
    assert len(platform.ctds[0].commands) == 2
