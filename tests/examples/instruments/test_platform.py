"""The simulated platform's ports, and its profiler's events."""

from typing import Any

import pytest

from examples.instruments.conversation import Conversation
from examples.instruments.instrument import Command, Refused
from examples.instruments.platform import PROFILE, Platform, Port


def command(name: str, *args: Any, method: str = "execute_resource") -> Command:
    return Command(method, name, list(args))


def test_ports_are_switched_by_number_or_text() -> None:
    platform = Platform()
    assert platform.do(command("TURN_ON_PORT", 1)) == {"port": "1", "on": True}
    platform.do(command("TURN_ON_PORT", "3"))
    assert platform.sensors() == {"ports_on": ["1", "3"]}
    platform.do(command("TURN_OFF_PORT", 1))
    assert platform.sensors() == {"ports_on": ["3"]}


def test_an_over_current_limit_is_two_values_for_a_port() -> None:
    platform = Platform()
    platform.do(command("SET_OVER_CURRENT", 1, 500, 20))
    assert platform.ports["1"] == Port(on=False, ma=500, us=20)


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (command("SET_OVER_CURRENT", 1), "the port and two values"),
        (command("TURN_ON_PORT"), "takes the port"),
        (command("TURN_ON_PORT", 99), "unknown port 99; it has 1, 2"),
        (command("CLOCK_SYNC"), "knows no command 'CLOCK_SYNC'"),
        (command("TURN_ON_PORT", 1, method="execute_agent"), "takes execute_resource only"),
    ],
)
def test_what_is_refused_says_why_and_changes_nothing(sent: Command, says: str) -> None:
    platform = Platform()
    with pytest.raises(Refused, match=says):
        platform.do(sent)
    assert platform == Platform()


class Recorder:
    """A voice that notes events and when they are due."""

    def __init__(self) -> None:
        self.events: list[tuple[float, str]] = []
        self._now = 0.0

    def state(self, *_: Any) -> None: ...
    def update(self, _: Any) -> None: ...
    def sensors(self, _: Any) -> None: ...
    def listen(self, _: bool) -> None: ...

    def event(self, body: dict[str, Any]) -> None:
        self.events.append((self._now, body["event_id"]))

    def later(self, seconds: float, call: Any) -> None:
        self._now = seconds
        call()


def test_a_profile_tells_its_events_in_the_times_scale() -> None:
    voice = Recorder()
    conversation = Conversation(Platform(), voice, time_scale=10)
    metadata = {"id": 1, "work_process_id": 2}
    data = {"command": {"method": "execute_resource", "name": "START_PROFILE", "args": [], "kwargs": {}}}
    conversation.hear({"type": "assignment_execution", "metadata": metadata, "body": data})
    assert voice.events == [(seconds / 10, event) for seconds, event in PROFILE]
    assert [event for _, event in PROFILE] == [
        "StartMission",
        "StartingAscent",
        "atStep",
        "StartingUp",
        "atCeiling",
        "StartingDescent",
        "atFloor",
        "MissionComplete",
    ]
