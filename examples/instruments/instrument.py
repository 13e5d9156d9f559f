"""What all simulated instruments share: the states of their agents and the commands that lead from one to another.

Standard library only, so that agents in any environment can use it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar


class State(StrEnum):
    """Where an instrument's agent stands."""

    UNINITIALIZED = "UNINITIALIZED"
    INACTIVE = "INACTIVE"
    IDLE = "IDLE"
    COMMAND = "COMMAND"
    STREAMING = "STREAMING"
    STOPPED = "STOPPED"


class Method(StrEnum):
    """How a command is meant."""

    EXECUTE_AGENT = "execute_agent"
    EXECUTE_RESOURCE = "execute_resource"
    SET_RESOURCE = "set_resource"
    GET_RESOURCE = "get_resource"


class Refused(Exception):
    """Why a command was not done, for those who sent it."""


@dataclass(frozen=True)
class Command:
    """One command, as it comes in an assignment's data under `command`."""

    method: str
    name: str
    args: list[Any] = field(default_factory=list)
    kwargs: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, data: Any) -> "Command":
        """From an assignment's data. Raises Refused if there is no command in it."""
        command: Any = data.get("command") if isinstance(data, dict) else None
        try:
            args, kwargs = command.get("args") or [], command.get("kwargs") or {}
            return cls(str(command["method"]), str(command["name"]), list(args), dict(kwargs))
        except (AttributeError, KeyError, TypeError, ValueError):
            raise Refused(f"not a command: {json.dumps(data)[:200]}; needs command.method and command.name") from None


Moves = Mapping[str, Mapping[State, State]]
"""Command → state before → state after."""

_RUNNING = (State.IDLE, State.STOPPED, State.COMMAND, State.STREAMING)
AGENT_MOVES: Moves = {
    "INITIALIZE": {State.UNINITIALIZED: State.INACTIVE},
    "GO_ACTIVE": {State.INACTIVE: State.IDLE},
    "RUN": {State.IDLE: State.COMMAND},
    "PAUSE": {State.COMMAND: State.STOPPED},
    "RESUME": {State.STOPPED: State.COMMAND},
    "CLEAR": {State.COMMAND: State.IDLE, State.STOPPED: State.IDLE},
    "RESET": dict.fromkeys((State.INACTIVE, *_RUNNING), State.UNINITIALIZED),
    "GO_INACTIVE": dict.fromkeys(_RUNNING, State.INACTIVE),
}
AWAKE = (State.COMMAND, State.STREAMING)
"""The states in which an instrument itself takes commands."""


class Instrument:
    """One instrument. Kinds say which parameters and commands of their own they have."""

    DEFAULTS: ClassVar[Mapping[str, int | float]] = {}
    """Parameters and their values at the start."""
    SETTABLE_IN: ClassVar[Sequence[State]] = (State.COMMAND,)
    MOVES: ClassVar[Moves] = {
        "START_AUTOSAMPLE": {State.COMMAND: State.STREAMING},
        "STOP_AUTOSAMPLE": {State.STREAMING: State.COMMAND},
    }
    """Commands of its own that change the state."""

    def __init__(self, state: str = State.COMMAND) -> None:
        self.state: State = State(state)
        self.parameters = dict(self.DEFAULTS)

    def actions(self) -> Mapping[str, Callable[[Command], Any]]:
        """Commands of its own that leave the state as it is; what they return is the command's value."""
        return {}

    def sensors(self) -> dict[str, Any]:
        """What it measures now."""
        return {}

    def do(self, command: Command) -> Any:
        """Do it and return its value. Raises Refused: then nothing has changed."""
        match command.method:
            case Method.EXECUTE_AGENT:
                return self._move(command, AGENT_MOVES, command.name)
            case Method.EXECUTE_RESOURCE:
                return self._execute(command)
            case Method.SET_RESOURCE | Method.GET_RESOURCE:
                return self._parameter(command)
        raise Refused(f"unknown method {command.method!r}; it takes {', '.join(Method)}")

    def _execute(self, command: Command) -> Any:
        action = self.actions().get(command.name)
        if action is None:
            return self._move(command, self.MOVES, ", ".join((*self.MOVES, *self.actions())))
        self._needs(command.name, AWAKE)
        return action(command)

    def _move(self, command: Command, moves: Moves, others: str) -> None:
        move = moves.get(command.name)
        if move is None:
            known = others if moves is self.MOVES else ", ".join(moves)
            raise Refused(f"{command.method} knows no command {command.name!r}; it takes {known}")
        self._needs(command.name, tuple(move))
        self.state = move[self.state]

    def _parameter(self, command: Command) -> int | float:
        """Set and read back, or only read."""
        if command.name not in self.parameters:
            known = ", ".join(self.parameters)
            raise Refused(f"unknown parameter {command.name!r}; it has {known}")
        given = [*command.args, *command.kwargs.values()]
        if command.method == Method.GET_RESOURCE or not given:
            self._needs(f"reading {command.name}", AWAKE)
        else:
            self._needs(f"setting {command.name}", self.SETTABLE_IN)
            if len(given) > 1:
                raise Refused(f"{command.name} takes one value, got {given}")
            self.parameters[command.name] = number(command.name, given[0])
        return self.parameters[command.name]

    def _needs(self, deed: str, states: Sequence[State]) -> None:
        if self.state not in states:
            raise Refused(f"{deed} is not possible in {self.state}, only in {', '.join(states)}")


def number(name: str, value: Any) -> int | float:
    """The value as a number, also from its text. Raises Refused."""
    if isinstance(value, str):
        try:
            return float(value) if "." in value else int(value)
        except ValueError:
            pass
    elif isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise Refused(f"{name} takes a number, got {value!r}")
