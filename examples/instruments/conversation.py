"""A device's part in the agent protocol, whatever carries it: what it answers to what it hears.

Standard library only, so that agents in any environment can use it.
"""

import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from examples.instruments.faults import Faults
from examples.instruments.instrument import Command, Refused
from examples.instruments.platform import PROFILE, START_PROFILE


class Device(Protocol):
    """What is simulated."""

    @property
    def state(self) -> str | None:
        """Where it stands, if it has states."""

    def do(self, command: Command) -> Any:
        """Do a command and return its value. Raises Refused."""

    def sensors(self) -> dict[str, Any]:
        """What it measures now."""


class Voice(Protocol):
    """The connection that carries what the device says."""

    def state(self, status: str, mission: int | None, report: dict[str, Any] | None) -> None:
        """Say how it stands; `report`: id, status and result of an assignment."""

    def event(self, body: dict[str, Any]) -> None:
        """Tell an event."""

    def update(self, body: dict[str, Any]) -> None:
        """Say something of itself that shall not be lost."""

    def sensors(self, values: dict[str, Any]) -> None:
        """Say what it measures."""

    def listen(self, hears: bool) -> None:
        """Hear from now on, or be deaf: then the broker has no queue for it."""

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call it later."""


@dataclass(frozen=True)
class Sent(Command):
    """A command that the device was sent, and in which assignment of which mission; `at`: seconds of the clock."""

    assignment: int = 0
    mission: int = 0
    at: float = 0.0


class Conversation:
    """What one device was told, and what it says."""

    def __init__(self, device: Device, voice: Voice, *, time_scale: float = 1.0) -> None:
        """`time_scale`: how many times as fast as the clock profiles run."""
        self.device, self._voice, self._time_scale = device, voice, time_scale
        self.faults = Faults()
        self.on_command: Callable[[Sent], None] = lambda sent: None
        self.mission: int | None = None
        self.commands: list[Sent] = []
        self.canceled: list[int] = []
        self._open: set[int] = set()

    # --- what it hears

    def hear(self, message: dict[str, Any]) -> None:
        """One message of Muster's; others are let pass."""
        match message.get("type"):
            case "reserve_for_mission":
                self.mission = message["body"]["work_process_id"]
                self.say()
            case "release_from_mission":
                self.mission = None
                self._open.clear()
                self.say()
            case "assignment_execution":
                self._take(message["metadata"], message["body"])
            case "assignment_cancel":
                self._cancel(message["metadata"]["id"])
            case "custom_action":
                self.tell(str(message["body"]))

    def _take(self, facts: dict[str, Any], data: Any) -> None:
        number = facts["id"]
        try:
            command = Command.read(data)
        except Refused as refused:
            self._report(number, "failed", error=str(refused))
            return
        sent = Sent(**vars(command), assignment=number, mission=facts["work_process_id"], at=time.time())
        self.commands.append(sent)
        self.on_command(sent)
        treatment = self.faults.strike(command.name)
        if treatment.silent:
            return
        self._open.add(number)
        self.say({"id": number, "status": "executing", "result": {}})

        def end() -> None:
            if number not in self._open:
                return  # cancelled or released meanwhile
            self._open.discard(number)
            self._do(number, command, treatment.error, treatment.reports)

        if treatment.seconds:
            self._voice.later(treatment.seconds, end)
        else:
            end()

    def _do(self, number: int, command: Command, error: str, reports: int) -> None:
        value = None
        if not error:
            try:
                value = self.device.do(command)
            except Refused as refused:
                error = str(refused)
        for _ in range(reports):
            self._report(number, "failed" if error else "succeeded", value, error)
        if command.name == START_PROFILE and not error:
            self.profile()

    def _cancel(self, number: int) -> None:
        self.canceled.append(number)
        if not self.faults.ignore_cancel:
            self._open.discard(number)
            self._report(number, "canceled")

    # --- what it says

    def say(self, report: dict[str, Any] | None = None) -> None:
        """How it stands."""
        idle = "free" if self.mission is None else "ready"
        self._voice.state("busy" if self._open else idle, self.mission, report)

    def _report(self, number: int, status: str, value: Any = None, error: str = "") -> None:
        result = {"value": value, "state": self.device.state, "error": error or None}
        self.say({"id": number, "status": status, "result": result})

    def say_state(self) -> None:
        """The device's own state, which else only comes with reports."""
        if self.device.state is not None:
            self._voice.update({"sensors": {"instrument_state": self.device.state}})

    def sample(self) -> None:
        """What it measures, if it streams."""
        if self.device.state == "STREAMING":
            self._voice.sensors(self.device.sensors())

    def emit(self, event_id: str, value: Any = None, **more: Any) -> None:
        """An event of its own."""
        self._voice.event({"event_id": event_id, "value": value, **more})

    def profile(self, time_scale: float | None = None) -> None:
        """Tell one profile's events, each in its time."""
        scale = time_scale or self._time_scale
        for seconds, event in PROFILE:
            self._voice.later(seconds / scale, lambda event=event: self.emit(event))  # type: ignore[misc]  # mypy infers no lambda with a default

    # --- what its operator says

    def tell(self, line: str) -> str:
        """An order of whoever runs the simulator, by hand or as an instant action; returns the answer.

        `fail|never|twice [COMMAND] [n]`, `late SECONDS [COMMAND] [n]`, `ignore_cancel`, `deaf`, `well`, `state`,
        `emit EVENT [VALUE]`, `profile [TIME_SCALE]`.
        """
        try:
            word, *rest = shlex.split(line)
            return self._obey(word, rest)
        except (ValueError, IndexError) as error:
            return f"not understood: {line!r} ({error})"

    def _obey(self, word: str, rest: list[str]) -> str:
        match word:
            case "well":
                self.faults.clear()
                self._voice.listen(True)
            case "deaf":
                self._voice.listen(False)
            case "state":
                self.say_state()
            case "emit":
                self.emit(rest[0], rest[1] if len(rest) > 1 else None)
            case "profile":
                self.profile(float(rest[0]) if rest else None)
            case _:
                more: dict[str, float | str] = {"seconds": float(rest.pop(0))} if word == "late" else {}
                nth = int(rest.pop()) if rest and rest[-1].isdigit() else 0
                self.faults.add(word, rest[0] if rest else "", nth, **more)
        return "done"
