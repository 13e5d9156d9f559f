"""Run a case, and hold what came of it against what its row says."""

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.conformance.mission_files.case import STATUSES, Case, Fault
from tests.conformance.mission_files.mission_text import Thread
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
        case.text(), timeScale=case.scale, timeAnchor=case.anchor.isoformat().replace("+00:00", "Z")
    )
    if case.meanwhile is not None:
        await case.meanwhile.do(platform, mission)
    await mission.until(STATUSES[case.frame], timeout=20)
    anchored_at = await platform.stage.ask(_ANCHORED_AT, mission.id)
    ran = Ran(platform, mission, await mission_events(mission), case, anchored_at)
    check_frame(ran.events, case.frame)
    for number, expected in enumerate(case.events):
        check_thread(ran.events, number, expected)
        _check_end(ran, number)
    for number, thread in enumerate(case.threads):
        _check_sequences(ran, number, thread)
    await until_released(platform)
    await platform.until_state("COMMAND")
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
    instruments = [*platform.ctds, platform.camera]

    async def free() -> bool:
        return all(one.mission is None for one in instruments)

    await until(free, 10, lambda: str([one.mission for one in instruments]))
    for one in instruments:
        shown = await platform.site.get(f"/agents/{platform.stage.ids[one.uuid]}")
        assert shown["reservedFor"] is None


def _short(event: Any) -> str:
    status = event["payload"]["execution_status"]
    return str(event["payload"]["sub_type"]) + ("" if status == "OK" else f" {status}")


def _moment(event: Any) -> datetime:
    return datetime.fromisoformat(event["timestamp"])


def _device(platform: Platform, name: str) -> Any:
    others = {"LJ01D": platform.device, "camera": platform.camera}
    return others[name] if name in others else platform.ctds[int(name) - 2]


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
    devices = {name: _device(platform, name) for name in ("02", "03", "04", "camera", "LJ01D")}
    states = {name: device.state for name, device in devices.items() if device.state is not None}
    assert states == dict.fromkeys(states, "COMMAND") | dict(case.ends)
    sent = {name: " ".join(command.name for command in device.commands) for name, device in devices.items()}
    assert {name: names for name, names in sent.items() if names} == case.commands


def _check_end(ran: Ran, number: int) -> None:
    last = ran.told("thread", number)[-1]
    if last["execution_status"] == "OK":
        assert last["description"] == f"Mission thread {number} has exited normally"
    elif ran.case.errors.get(number):
        assert ran.platform.named(ran.case.errors[number]) in last["description"]
    else:
        assert last["description"] == ""


def _check_sequences(ran: Ran, number: int, thread: Thread) -> None:
    """What their events say; a timed thread's next starts are those of its grid."""
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
    quantity = thread.loops or 1
    earliest, due = _first_start(thread, ran.case.anchor), None
    for one in sequences:
        if one["sub_type"] == "STARTED":
            assert one["description"] == "MissionSequence starting..."
            place = ran.place("sequence", number, "STARTED", one["loop"])
            assert earliest is None or ran.at(place) >= earliest, "it starts too soon"
            continue
        words = f"MissionSequence loop {one['loop']} of {quantity} complete."
        if one["loop"] == quantity:
            assert one["description"] == words
            continue
        found = _NEXT.fullmatch(one["description"].removeprefix(words))
        assert found, one["description"]
        following = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
        if thread.loop[2] != "days":  # their rows say what is next
            _check_next(ran, thread, due, following)
        earliest = due = following


def _check_next(ran: Ran, thread: Thread, due: datetime | None, following: datetime) -> None:
    """`due`: the start that was told before this one."""
    first = _first_start(thread, ran.case.anchor)
    assert first is not None
    if due is not None:
        assert following == due + _step(thread), "no point of the grid is skipped"
    elif _start(thread) > ran.case.anchor:
        assert following == first + _step(thread)
    else:  # a slow machine may have missed points of the grid before it saw the thread's start
        assert following > first
        assert (following - first) % _step(thread) == timedelta(0)


def _first_start(thread: Thread, now: datetime) -> datetime | None:
    """When a thread starts its first sequence at the earliest; None: at once, or its row says it."""
    if _start(thread) > now:
        return _start(thread)
    if not thread.loops or thread.loop[2] == "days":
        return None
    return _start(thread) + ((now - _start(thread)) // _step(thread) + 1) * _step(thread)


def _start(thread: Thread) -> datetime:
    assert thread.start is not None
    return thread.start.replace(tzinfo=ZoneInfo(thread.zone or "UTC"))


def _step(thread: Thread) -> timedelta:
    _, value, units = thread.loop
    assert value is not None
    return value * {"secs": timedelta(seconds=1), "mins": timedelta(minutes=1), "hrs": timedelta(hours=1)}[units or ""]
