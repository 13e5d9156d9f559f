"""A platform with ports, and the profiler on it, whose way up and down is told in events."""

from dataclasses import dataclass, field
from typing import Any

from examples.instruments.instrument import Command, Method, Refused, number

PROFILE = (
    (0, "StartMission"),
    (1, "StartingAscent"),
    (31, "atStep"),
    (61, "StartingUp"),
    (62, "atCeiling"),
    (67, "StartingDescent"),
    (97, "atFloor"),
    (98, "MissionComplete"),
)
"""One profile: seconds from its start, and the event."""

START_PROFILE = "START_PROFILE"


@dataclass
class Port:
    """One port: whether it has power, and its limit, mA for so many microseconds."""

    on: bool = False
    ma: int | float | None = None
    us: int | float | None = None


@dataclass
class Platform:
    """The device. `state` is none: how a platform stands is not said by the device."""

    ports: dict[str, Port] = field(default_factory=lambda: {str(number): Port() for number in range(1, 9)})
    state: None = None
    profiles: int = 0
    """How many profiles were asked for."""

    def do(self, command: Command) -> Any:
        """Do it and return its value. Raises Refused: then nothing has changed."""
        if command.method != Method.EXECUTE_RESOURCE:
            raise Refused(f"a platform takes {Method.EXECUTE_RESOURCE} only, not {command.method}")
        match command.name:
            case "TURN_ON_PORT" | "TURN_OFF_PORT":
                return self._switch(command, on=command.name == "TURN_ON_PORT")
            case "SET_OVER_CURRENT":
                return self._limit(command)
            case "START_PROFILE":
                self.profiles += 1
                return None
        known = f"TURN_ON_PORT, TURN_OFF_PORT, SET_OVER_CURRENT, {START_PROFILE}"
        raise Refused(f"{command.method} knows no command {command.name!r}; it takes {known}")

    def sensors(self) -> dict[str, Any]:
        """Which ports have power."""
        return {"ports_on": [name for name, port in self.ports.items() if port.on]}

    def _switch(self, command: Command, *, on: bool) -> dict[str, Any]:
        values = [*command.args, *command.kwargs.values()]
        if len(values) != 1:
            raise Refused(f"{command.name} takes the port, got {values}")
        port = self._port(values[0])
        port.on = on
        return {"port": str(values[0]), "on": on}

    def _limit(self, command: Command) -> dict[str, Any]:
        values = [*command.args, *command.kwargs.values()]
        if len(values) != 3:
            raise Refused(f"{command.name} takes the port and two values, mA and microseconds; got {values}")
        port, ma, us = self._port(values[0]), number("mA", values[1]), number("microseconds", values[2])
        port.ma, port.us = ma, us
        return {"port": str(values[0]), "ma": ma, "us": us}

    def _port(self, name: Any) -> Port:
        if str(name) not in self.ports:
            raise Refused(f"unknown port {name!r}; it has {', '.join(self.ports)}")
        return self.ports[str(name)]
