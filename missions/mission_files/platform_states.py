"""The states of a platform, and which commands it takes in which: its life cycle, and the missions on top of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class PlatformState(StrEnum):
    """Where a platform stands. MISSION_…: it runs mission files, the first of them begun in COMMAND or MONITORING."""

    UNINITIALIZED = "UNINITIALIZED"
    INACTIVE = "INACTIVE"
    IDLE = "IDLE"
    COMMAND = "COMMAND"
    MONITORING = "MONITORING"
    STOPPED = "STOPPED"
    MISSION_COMMAND = "MISSION_COMMAND"
    MISSION_STREAMING = "MISSION_STREAMING"

    @classmethod
    def read(cls, text: str) -> "PlatformState":
        """Read a client's word; spec 3 says STREAMING for MONITORING. Raises ValueError."""
        return cls.MONITORING if text == "STREAMING" else cls(text)


class PlatformCommand(StrEnum):
    """What a platform may be told."""

    INITIALIZE = "INITIALIZE"
    GO_ACTIVE = "GO_ACTIVE"
    RUN = "RUN"
    START_MONITORING = "START_MONITORING"
    STOP_MONITORING = "STOP_MONITORING"
    PAUSE = "PAUSE"
    RESUME = "RESUME"
    CLEAR = "CLEAR"
    RESET = "RESET"
    GO_INACTIVE = "GO_INACTIVE"
    EXECUTE_RESOURCE = "EXECUTE_RESOURCE"
    RUN_MISSION = "RUN_MISSION"
    ABORT_MISSION = "ABORT_MISSION"


_S = PlatformState
_C = PlatformCommand
_ACTIVE = frozenset({_S.IDLE, _S.STOPPED, _S.COMMAND, _S.MONITORING})

MISSION_STATES: Mapping[PlatformState, PlatformState] = {
    _S.COMMAND: _S.MISSION_COMMAND,
    _S.MONITORING: _S.MISSION_STREAMING,
}
"""The state that the first mission leads to, from the state where it is begun."""

IN_MISSION = frozenset(MISSION_STATES.values())


@dataclass(frozen=True)
class Step:
    """Where a command is taken, and the state that it leads to; None: it changes none, or its missions do."""

    sources: frozenset[PlatformState]
    target: PlatformState | None = None


STEPS: Mapping[PlatformCommand, Step] = {
    _C.INITIALIZE: Step(frozenset({_S.UNINITIALIZED}), _S.INACTIVE),
    _C.GO_ACTIVE: Step(frozenset({_S.INACTIVE}), _S.IDLE),
    _C.RUN: Step(frozenset({_S.IDLE}), _S.COMMAND),
    _C.START_MONITORING: Step(frozenset({_S.COMMAND}), _S.MONITORING),
    _C.STOP_MONITORING: Step(frozenset({_S.MONITORING}), _S.COMMAND),
    _C.PAUSE: Step(frozenset({_S.COMMAND}), _S.STOPPED),
    _C.RESUME: Step(frozenset({_S.STOPPED}), _S.COMMAND),
    _C.CLEAR: Step(frozenset({_S.COMMAND, _S.STOPPED}), _S.IDLE),
    _C.RESET: Step(_ACTIVE | {_S.INACTIVE}, _S.UNINITIALIZED),
    _C.GO_INACTIVE: Step(_ACTIVE, _S.INACTIVE),
    _C.EXECUTE_RESOURCE: Step(IN_MISSION | {_S.COMMAND, _S.MONITORING}),
    _C.RUN_MISSION: Step(IN_MISSION | {_S.COMMAND, _S.MONITORING}),
    _C.ABORT_MISSION: Step(IN_MISSION),
}


TAKEN_ALWAYS = frozenset({_C.EXECUTE_RESOURCE, _C.ABORT_MISSION})
"""What is taken also while another command is on its way to change the state."""


def accepted(state: PlatformState) -> list[PlatformCommand]:
    """The commands that a platform takes in a state."""
    return [command for command, step in STEPS.items() if state in step.sources]


def in_mission(state: PlatformState) -> PlatformState | None:
    """The state while missions run that are begun, or are running, in `state`; None: none may begin there."""
    return state if state in IN_MISSION else MISSION_STATES.get(state)
