"""An HD camera with pan, tilt, zoom, two lights and lasers: each a parameter, or several in one command."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from examples.instruments.instrument import AWAKE, Command, Instrument, Moves, Refused, State, number

_ON_OFF = {"on": True, "off": False, "true": True, "false": False}


class HdCamera(Instrument):
    """The instrument. It is set while it streams, too."""

    DEFAULTS: ClassVar[Mapping[str, int | float]] = {
        "PAN": 0,  # degrees
        "TILT": 0,
        "SPEED": 10,  # degrees per second
        "ZOOM": 100,  # percent, as the lights
        "LIGHT_1": 0,
        "LIGHT_2": 0,
    }
    SETTABLE_IN: ClassVar[Sequence[State]] = AWAKE
    MOVES: ClassVar[Moves] = {
        **Instrument.MOVES,
        "START": Instrument.MOVES["START_AUTOSAMPLE"],  # its value is where the stream goes
        "STOP": Instrument.MOVES["STOP_AUTOSAMPLE"],
    }

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.lasers = False

    def actions(self) -> Mapping[str, Callable[[Command], Any]]:
        """Its own commands."""
        return {
            "LOOK_AT": lambda command: self._set(command, "PAN", "TILT", "SPEED"),
            "LIGHTS": lambda command: self._set(command, "LIGHT_1", "LIGHT_2"),
            "CAMERA": self._camera,
        }

    def sensors(self) -> dict[str, Any]:
        """Where it looks."""
        return {**self.parameters, "LASERS": self.lasers}

    def _set(self, command: Command, *names: str) -> dict[str, Any]:
        values = _values(command, len(names), ", ".join(names))
        self.parameters |= {name: number(name, value) for name, value in zip(names, values, strict=True)}
        return {name: self.parameters[name] for name in names}

    def _camera(self, command: Command) -> dict[str, Any]:
        zoom, lasers = _values(command, 2, "ZOOM, on or off")
        zoom, lasers = number("ZOOM", zoom), _ON_OFF.get(str(lasers).lower())
        if lasers is None:
            raise Refused(f"CAMERA takes on or off as its second value, got {command.args[1]!r}")
        self.parameters["ZOOM"], self.lasers = zoom, lasers
        return {"ZOOM": zoom, "LASERS": lasers}


def _values(command: Command, count: int, names: str) -> list[Any]:
    values = [*command.args, *command.kwargs.values()]
    if len(values) != count:
        raise Refused(f"{command.name} takes {count} values ({names}), got {values}")
    return values
