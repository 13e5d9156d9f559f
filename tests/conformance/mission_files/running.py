"""Run a case, and hold what came of it against what its row says."""

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from missions.mission_files.grid import first_start, next_start
from missions.mission_files.plan import Timing
from tests.conformance.mission_files.case import STATUSES, Case, Fault
from tests.conformance.mission_files.mission_text import Thread, mission_file
from tests.support.platform_stage import FileMission, Platform
from tests.support.site import until

_NEXT = re.compile(r" Next start at (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC$")
_ANCHORED_AT = "SELECT anchored_at FROM mission_files WHERE work_process_id = $1"


@dataclass(frozen=True)
class Ran:
    """A case's mission after its end, with all that it told."""

    platform: Platform
    mission: FileMission
    events: list[Any]
    case: Case
    anchored_at: datetime
    """The real moment at which the mission's time was its anchor."""

    def told(self, scope: str, number: int | str = "") -> list[Any]:
        """The payloads of the `mission.*` events of one scope; of one thread, or of the mission itself."""
        payloads = (event["payload"] for event in self.events)
        return [one for one in payloads if (one["scope"], one["mission_thread_id"]) == (scope, str(number))]

    def place(self, scope: str, number: int | str, sub_type: str, nth: int = 1) -> int:
        """The place of an event among all of them."""
        found = [
            place
            for place, event in enumerate(self.events)
            if (event["payload"]["scope"], event["payload"]["mission_thread_id"]) == (scope, str(number))
            and event["payload"]["sub_type"] == sub_type
        ]
        return found[nth - 1]

    def at(self, place: int) -> datetime:
        """The mission's time of an event."""
        return self.case.anchor + (_moment(self.events[place]) - self.anchored_at) * self.case.scale

    def seconds(self, place: int) -> float:
        """The moment of an event: real seconds since the mission's acceptance."""
        return (_moment(self.events[place]) - _moment(self.events[0])).total_seconds()


async def run(platform: Platform, case: Case) -> Ran:
    """Run a case to its end, and check what its row says."""
    for fault in case.faults:
        _inject(platform, fault)
    mission = await platform.run(
        mission_file(*case.threads), timeScale=case.scale, timeAnchor=case.anchor.isoformat().replace("+00:00", "Z")
    )
    if case.meanwhile is not None:
        await case.meanwhile.do(platform, mission)
    await mission.until(STATUSES[case.frame], timeout=20)
    anchored_at = await platform.stage.ask(_ANCHORED_AT, mission.id)
    ran = Ran(platform, mission, await mission_events(mission), case, anchored_at)
    check_frame(ran.events, case.frame)
    for number, (thread, expected) in enumerate(zip(case.threads, case.events, strict=True)):
        check_thread(ran.events, number, expected)
        _check_words(ran, number, thread)
    await until_released(platform)
    _check_devices(platform, case)
    if case.also is not None:
        answer = case.also.do(ran)
        if inspect.isawaitable(answer):
            await answer
    return ran


async def mission_events(mission: FileMission) -> list[Any]:
    """The `mission.*` events, in order."""
    return [event for event in await mission.events() if event["type"].startswith("mission.")]


def check_frame(events: Sequence[Any], expected: Sequence[str]) -> None:
    """The mission's own events, and how those of its threads lie between them."""
    kinds = [(event["payload"]["scope"], event["payload"]["sub_type"]) for event in events]
    assert [_short(event) for event in events if event["payload"]["scope"] == "mission"] == list(expected)
    assert kinds[0] == ("mission", "STARTING")
    started = kinds.index(("mission", "STARTED"))
    assert all(kind == ("thread", "STARTED") for kind in kinds[1:started]), "every thread starts before the mission has"
    assert ("thread", "STARTED") not in kinds[started:]
    assert kinds[-1] == ("mission", "STOPPED"), "the mission stops after all of its threads"


def check_thread(events: Sequence[Any], number: int, expected: Sequence[str]) -> None:
    """A thread's events, and those of its sequences, in their order."""
    own = [event for event in events if event["payload"]["mission_thread_id"] == str(number)]
    found = [f"{event['payload']['scope'][0].upper()} {_short(event)}" for event in own]
    assert found == list(expected), f"thread {number}: {[event['payload']['description'] for event in own]}"


async def until_released(platform: Platform) -> None:
    """Wait until nobody holds an instrument of the platform, and each knows it."""

    async def free() -> bool:
        return all(ctd.mission is None for ctd in platform.ctds)

    await until(free, 10, lambda: str([ctd.mission for ctd in platform.ctds]))
    for ctd in platform.ctds:
        shown = await platform.site.get(f"/agents/{platform.stage.ids[ctd.uuid]}")
        assert shown["reservedFor"] is None


def _short(event: Any) -> str:
    status = event["payload"]["execution_status"]
    return str(event["payload"]["sub_type"]) + ("" if status == "OK" else f" {status}")


def _moment(event: Any) -> datetime:
    return datetime.fromisoformat(event["timestamp"])


def _device(platform: Platform, name: str) -> Any:
    return platform.device if name == "LJ01D" else platform.ctds[int(name) - 2]


class _Stuck(dict[str, Any]):
    """Parameters of which some cannot be set."""

    def __init__(self, values: dict[str, Any], name: str) -> None:
        super().__init__(values)
        self._name = name

    def __setitem__(self, name: str, value: Any) -> None:
        if name != self._name:
            super().__setitem__(name, value)


def _inject(platform: Platform, fault: Fault) -> None:
    device = _device(platform, fault.device)
    if fault.kind == "stuck":
        device.device.parameters = _Stuck(device.device.parameters, fault.command)
    else:
        device.inject(fault.kind, fault.command, fault.nth, **fault.more)


def _check_devices(platform: Platform, case: Case) -> None:
    states = {f"0{number}": ctd.state for number, ctd in enumerate(platform.ctds, 2)}
    assert states == dict.fromkeys(states, "COMMAND") | dict(case.ends)
    for name in ("02", "03", "04", "LJ01D"):
        sent = " ".join(command.name for command in _device(platform, name).commands)
        assert sent == case.commands.get(name, ""), name


def _check_words(ran: Ran, number: int, thread: Thread) -> None:
    """The descriptions of a thread's events; a timed one's next starts are those of its grid."""
    last = ran.told("thread", number)[-1]
    if last["execution_status"] == "OK":
        assert last["description"] == f"Mission thread {number} has exited normally"
    elif ran.case.errors.get(number):
        assert ran.platform.named(ran.case.errors[number]) in last["description"]
    else:
        assert last["description"] == ""
    sequences = ran.told("sequence", number)
    loops = [(one["sub_type"], one["loop"]) for one in sequences]
    assert loops == [(loops[place][0], place // 2 + 1) for place in range(len(loops))]
    if thread.event is None:
        _check_timed(ran, number, thread, sequences)
    else:
        _check_triggered(ran, number, thread, sequences)


def _check_triggered(ran: Ran, number: int, thread: Thread, sequences: list[Any]) -> None:
    assert thread.event is not None
    _, event = thread.event
    for one in sequences:
        if one["sub_type"] == "STARTED":
            assert one["description"] == f"Event {event} received! MissionSequence starting..."
        else:
            waits = "" if one["loop"] == thread.loops else f" Waiting for {event}"
            assert one["description"] == f"MissionSequence complete.{waits}"


def _check_timed(ran: Ran, number: int, thread: Thread, sequences: list[Any]) -> None:
    quantity, value, units = thread.loop
    assert thread.start is not None
    timing = Timing(start=thread.start, time_zone=thread.zone or "UTC", value=value, units=units or "secs")
    earliest: datetime | None = first_start(timing, ran.case.anchor)
    due = None
    for one in sequences:
        place = ran.place("sequence", number, one["sub_type"], one["loop"])
        if one["sub_type"] == "STARTED":
            assert one["description"] == "MissionSequence starting..."
            assert earliest is None or ran.at(place) >= earliest, "it starts too soon"
            continue
        words = f"MissionSequence loop {one['loop']} of {quantity or 1} complete."
        if one["loop"] == (quantity or 1):
            assert one["description"] == words
            continue
        assert one["description"].startswith(words + " Next start at ")
        found = _NEXT.search(one["description"])
        assert found, one["description"]
        following = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
        # The first one may have come too late for the grid's next point; those that follow skip none.
        if due is None:
            assert following in _grid(timing, ran.case.anchor, 10)[1:]
        else:
            assert following == next_start(timing, due)
        if thread.start.replace(tzinfo=ZoneInfo(timing.time_zone)) > ran.case.anchor and due is None:
            assert following == next_start(timing, first_start(timing, ran.case.anchor)), "its start was to come"
        earliest = due = following


def _grid(timing: Timing, now: datetime, count: int) -> list[datetime]:
    points = [first_start(timing, now)]
    while len(points) < count:
        following = next_start(timing, points[-1])
        assert following is not None
        points.append(following)
    return points
