"""What somebody does while a case's mission runs, and what is looked at after it beside its events."""

from itertools import pairwise

from tests.conformance.mission_files.case import Check, Meanwhile
from tests.conformance.mission_files.running import Ran
from tests.support.platform_stage import FileMission, Platform
from tests.support.site import until


async def disarmed(platform: Platform, mission: FileMission, number: int) -> bool:
    """Whether what is raised from now on is not kept for a thread."""
    asked = "SELECT armed FROM mission_threads WHERE work_process_id = $1 AND number = $2"
    return await platform.stage.ask(asked, mission.id, number) is False


# --- meanwhile


def emit(event: str, times: int = 1, *, waits: int = 1) -> Meanwhile:
    """The platform tells an event, as soon as a thread waits for it."""

    async def do(platform: Platform, mission: FileMission) -> None:
        await mission.until_thread(waits, status="waiting")
        for _ in range(times):
            await platform.device.emit(event)

    how = "" if times == 1 else f", {times} times in a burst"
    return Meanwhile(f"{event}{how}, once thread {waits} waits", do)


def emit_and_abort(event: str, times: int) -> Meanwhile:
    """The platform tells an event some times; the mission is aborted when all were served."""

    async def do(platform: Platform, mission: FileMission) -> None:
        await emit(event, times, waits=0).do(platform, mission)
        await mission.until_thread(0, loop=times, status="waiting")
        await mission.abort()

    return Meanwhile(f"{event}, {times} times; ABORT_MISSION when they are served", do)


def emit_after_the_timed_threads(event: str) -> Meanwhile:
    """The platform tells an event, and once more when all timed threads have ended."""

    async def do(platform: Platform, mission: FileMission) -> None:
        await emit(event).do(platform, mission)

        async def over() -> bool:
            return await disarmed(platform, mission, 1)

        await until(over, 10)
        await platform.device.emit(event)

    return Meanwhile(f"{event}, once thread 1 waits; once more when thread 0 has ended", do)


def abort_after_its_first_loop() -> Meanwhile:
    """The mission is aborted when its first loop has ended."""

    async def do(platform: Platform, mission: FileMission) -> None:
        await mission.until_thread(0, loop=1, status="waiting")
        await mission.abort()

    return Meanwhile("ABORT_MISSION after the first loop", do)


def _profile() -> Meanwhile:
    async def do(platform: Platform, mission: FileMission) -> None:
        for number in (1, 2):
            await mission.until_thread(number, status="waiting")
        await platform.device.profile()

    return Meanwhile("one profile of the platform", do)


PROFILE = _profile()


# --- afterwards


def _served_late(ran: Ran) -> None:
    timed_ended = ran.place("thread", 0, "STOPPED")
    assert ran.place("sequence", 1, "STARTED", 1) < timed_ended < ran.place("sequence", 1, "STARTED", 3)


SERVED_LATE = Check("the last event is served after thread 0 has ended", _served_late)


def _caught_up(ran: Ran) -> None:
    for loop in (1, 2):
        pause = ran.seconds(ran.place("sequence", 0, "STARTED", loop + 1)) - ran.seconds(
            ran.place("sequence", 0, "STOPPED", loop)
        )
        assert pause < 0.8, f"loop {loop + 1} was late, and starts at once"


CAUGHT_UP = Check("loops 2 and 3 start at once, without a pause", _caught_up)


def _side_by_side(ran: Ran) -> None:
    assert ran.place("sequence", 0, "STARTED") < ran.place("thread", 1, "STOPPED")
    assert ran.place("sequence", 1, "STARTED") < ran.place("thread", 0, "STOPPED")


SIDE_BY_SIDE = Check("both run at the same time", _side_by_side)


def _attempts_apart(ran: Ran) -> None:
    times = [command.at for command in ran.platform.ctds[0].commands if command.name == "ACQUIRE_SAMPLE"]
    for before, after in pairwise(times):
        assert 5 <= (after - before) * ran.case.scale < 45


ATTEMPTS_APART = Check("5 s lie between two attempts, on the instrument's clock in the mission's time", _attempts_apart)


def _canceled_at_its_time(seconds: float) -> Check:
    def look(ran: Ran) -> None:
        ctd = ran.platform.ctds[0]
        silent = next(command for command in ctd.commands if command.name == "ACQUIRE_SAMPLE")
        assert silent.assignment in ctd.canceled

    return Check(f"the command is cancelled after {seconds:g} s", look)


CANCELED = _canceled_at_its_time(1.5)
CANCELED_BY_ITS_OWN_LIMIT = _canceled_at_its_time(0.3)


def _failing_thread_first(ran: Ran) -> None:
    stopping = ran.place("mission", "", "STOPPING")
    assert ran.place("thread", 0, "STOPPED") < stopping
    assert all(stopping < ran.place("thread", number, "STOPPED") for number in range(1, len(ran.case.events)))


FAILING_THREAD_FIRST = Check(
    "thread 0 stops before the mission is STOPPING, the others after it", _failing_thread_first
)


def _goes_on(ran: Ran) -> None:
    assert ran.place("thread", 0, "STOPPED") < ran.place("thread", 1, "STOPPED")


GOES_ON = Check("thread 1 goes on after the end of thread 0", _goes_on)


async def _parameters(ran: Ran) -> None:
    assert ran.platform.ctds[0].device.parameters["INTERVAL"] == 7  # type: ignore[attr-defined]  # a CTD
    values = {
        one["data"]["command"]["name"]: one["result"]["value"]
        for one in await ran.mission.assignments()
        if one["data"]["command"]["method"] == "get_resource"
    }
    assert values == {"NAVG": 1}


PARAMETERS = Check("INTERVAL is 7, and the value that was got stands in its assignment", _parameters)


def _ports(ran: Ran) -> None:
    ports = ran.platform.device.device.ports  # type: ignore[attr-defined]  # a platform
    assert [name for name, port in ports.items() if port.on] == ["2"]


PORT_ON = Check("port 2 has power, and port 1 no more", _ports)


def _wall_time(*starts: str) -> Check:
    def look(ran: Ran) -> None:
        told = [one["description"] for one in ran.told("sequence", 0) if one["sub_type"] == "STOPPED"]
        following = [words.partition("Next start at ")[2].removesuffix(" UTC") for words in told[:-1]]
        first = starts.index(following[0])  # a slow machine may miss one
        assert following == list(starts[first : first + len(following)])

    return Check(f"next starts in UTC: {', '.join(starts[:2])}", look)


IN_SPRING = _wall_time("2026-03-07 16:00:00", "2026-03-08 15:00:00", "2026-03-09 15:00:00", "2026-03-10 15:00:00")
IN_AUTUMN = _wall_time("2026-10-31 15:00:00", "2026-11-01 16:00:00", "2026-11-02 16:00:00", "2026-11-03 16:00:00")
