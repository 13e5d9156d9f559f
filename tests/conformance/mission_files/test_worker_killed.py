"""The worker dies without a word, and another one goes on: what happens is the same as without."""

import asyncio

from tests.conformance.mission_files.aborted import FRAME, check_aborted
from tests.support.mission_file_text import SAMPLE, file, on_event, timed
from tests.support.platform_stage import FileMission, Platform, Stage
from tests.support.site import until

CLOCK_SYNC = "execute_resource(CLOCK_SYNC)"
STARTED = ["M STARTING", "T0 STARTED", "M STARTED"]
LOOP = ["S0 STARTED", "S0 STOPPED"]
ENDED = ["T0 STOPPED", "M STOPPED"]

# Each phase lasts so many real seconds: the worker dies before that, when all the others have begun.
LASTS = 8.0
WAIT = f"wait({LASTS:g})"  # minutes of the mission's time, which runs 60 times as fast


def names(platform: Platform, number: int) -> list[str]:
    """The commands that a CTD was sent; one that comes twice is in it twice."""
    return [command.name for command in platform.ctds[number - 2].commands]


async def sent(platform: Platform, number: int) -> None:
    """Wait until a CTD was sent a command."""

    async def there() -> bool:
        return bool(names(platform, number))

    await until(there, 15)


async def in_pre(platform: Platform) -> FileMission:
    mission = await platform.run(file(timed(SAMPLE, pre=[CLOCK_SYNC, WAIT, CLOCK_SYNC])))
    await mission.until_thread(0, command=WAIT, status="preparing")
    return mission


async def in_a_wait(platform: Platform) -> FileMission:
    mission = await platform.run(file(timed(WAIT, SAMPLE, of=[3])))
    await mission.until_thread(0, command=WAIT, status="running")
    return mission


async def in_a_command(platform: Platform) -> FileMission:
    platform.ctds[2].inject("late", "ACQUIRE_SAMPLE", seconds=LASTS)
    mission = await platform.run(file(timed(SAMPLE, CLOCK_SYNC, of=[4], timeout=60)))
    await sent(platform, 4)
    return mission


async def between_loops(platform: Platform) -> FileMission:
    mission = await platform.run(file(timed(SAMPLE, every=LASTS * 60, quantity=2)))
    return mission


async def before_another_attempt(platform: Platform) -> FileMission:
    platform.ctds[1].inject("fail", "ACQUIRE_SAMPLE", 1)
    mission = await platform.run(file(timed(SAMPLE, of=[3], default="retry")), timeScale=5 / LASTS)
    await mission.until_thread(0, error="simulated fault")
    return mission


async def before_its_event(platform: Platform) -> FileMission:
    mission = await platform.run(file(on_event("atStep", SAMPLE, of=[4], quantity=2)))
    await mission.until_thread(0, status="waiting")
    await platform.device.emit("atStep")
    await sent(platform, 4)
    await mission.until_thread(0, status="waiting", loop=1)
    return mission


async def on_the_way_to_inactive(platform: Platform) -> FileMission:
    platform.ctds[0].inject("late", "GO_INACTIVE", seconds=0.8)
    mission = await platform.run(file(timed("wait(600)")))
    await mission.until_thread(0, command="wait(600)")
    return mission


async def before_its_instruments(platform: Platform) -> FileMission:
    first = await platform.run(file(timed(WAIT, of=[3])))
    await first.until_thread(0, command=WAIT)
    mission = await platform.run(file(timed(SAMPLE, of=[3])))
    await mission.until_waiting("agent_reserved")
    return mission


async def test_in_every_phase(stage: Stage) -> None:
    """Eight missions side by side, each in another phase when it happens."""
    one, two, three = [await stage.platform() for _ in range(3)]
    pre, wait, command, loops, attempt, event, inactive, instruments = await asyncio.gather(
        in_pre(one),
        in_a_wait(one),
        in_a_command(one),
        between_loops(two),
        before_another_attempt(two),
        before_its_event(two),
        on_the_way_to_inactive(three),
        before_its_instruments(three),
    )
    await inactive.abort()
    await sent(three, 2)

    stage.site.worker.kill()
    assert names(one, 4) == ["ACQUIRE_SAMPLE"]
    assert names(two, 3) == ["ACQUIRE_SAMPLE"]
    assert [(await mission.thread(0))["status"] for mission in (pre, wait, command, attempt, event, instruments)] == [
        "preparing",
        "running",
        "running",
        "running",
        "waiting",
        "not_started",
    ]
    await two.device.emit("atStep")
    stage.site.worker.start()

    for mission in (pre, wait, command, loops, attempt, event, instruments):
        await mission.until("succeeded", timeout=60)
    for mission in (pre, wait, command, attempt, instruments):
        assert await mission.life() == [*STARTED, *LOOP, *ENDED]
    for mission in (loops, event):
        assert await mission.life() == [*STARTED, *LOOP, *LOOP, *ENDED]
    await check_aborted(inactive)
    assert await inactive.frame() == FRAME
    assert [names(one, number) for number in (2, 3, 4)] == [
        ["CLOCK_SYNC", "CLOCK_SYNC", "ACQUIRE_SAMPLE"],
        ["ACQUIRE_SAMPLE"],
        ["ACQUIRE_SAMPLE", "CLOCK_SYNC"],
    ]
    assert [names(two, number) for number in (2, 3, 4)] == [["ACQUIRE_SAMPLE"] * 2] * 3
    assert [names(three, number) for number in (2, 3, 4)] == [["GO_INACTIVE"], ["ACQUIRE_SAMPLE"], []]
    assert three.ctds[0].state == "INACTIVE"


async def test_again_and_again(platform: Platform) -> None:
    """Wherever it dies, each loop runs once, and each command is done once."""
    mission = await platform.run(file(timed(SAMPLE, every=6, quantity=12, default="retry")))
    for loop in (2, 5):

        async def so_far(loop: int = loop) -> bool:
            return int((await mission.thread(0))["loop"]) >= loop

        await until(so_far, 40)
        mission.site.worker.kill()
        mission.site.worker.start()

    await mission.until("succeeded", timeout=60)

    assert await mission.life() == [*STARTED, *LOOP * 12, *ENDED]
    assert names(platform, 2) == ["ACQUIRE_SAMPLE"] * 12
    events = await mission.events("mission.sequence.started")
    assert [event["payload"]["loop"] for event in events] == list(range(1, 13))
