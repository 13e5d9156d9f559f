"""The states of an instrument's agent, and which of its life cycle's commands leads from which to which."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from missions.mission_files.plan import Method


class InstrumentState(StrEnum):
    """Where an instrument stands. From TEST on: at work on itself, or in somebody's hands."""

    UNINITIALIZED = "UNINITIALIZED"
    INACTIVE = "INACTIVE"
    IDLE = "IDLE"
    COMMAND = "COMMAND"
    STREAMING = "STREAMING"
    STOPPED = "STOPPED"
    TEST = "TEST"
    CALIBRATE = "CALIBRATE"
    BUSY = "BUSY"
    DIRECT_ACCESS = "DIRECT_ACCESS"


class LifeCycleCommand(StrEnum):
    """What changes the state of an instrument."""

    INITIALIZE = "INITIALIZE"
    GO_ACTIVE = "GO_ACTIVE"
    RUN = "RUN"
    START_AUTOSAMPLE = "START_AUTOSAMPLE"
    STOP_AUTOSAMPLE = "STOP_AUTOSAMPLE"
    PAUSE = "PAUSE"
    RESUME = "RESUME"
    CLEAR = "CLEAR"
    RESET = "RESET"
    GO_INACTIVE = "GO_INACTIVE"

    @property
    def method(self) -> Method:
        """How it is sent: sampling is the instrument's own matter, the rest its agent's."""
        sampling = self in (LifeCycleCommand.START_AUTOSAMPLE, LifeCycleCommand.STOP_AUTOSAMPLE)
        return Method.EXECUTE_RESOURCE if sampling else Method.EXECUTE_AGENT


_S = InstrumentState
_C = LifeCycleCommand
_ACTIVE = frozenset({_S.IDLE, _S.STOPPED, _S.COMMAND, _S.STREAMING})


@dataclass(frozen=True)
class Step:
    """A command's way: from one of these states to that one."""

    sources: frozenset[InstrumentState]
    expected: InstrumentState


STEPS: Mapping[str, Step] = {
    _C.INITIALIZE: Step(frozenset({_S.UNINITIALIZED}), _S.INACTIVE),
    _C.GO_ACTIVE: Step(frozenset({_S.INACTIVE}), _S.IDLE),
    _C.RUN: Step(frozenset({_S.IDLE}), _S.COMMAND),
    _C.START_AUTOSAMPLE: Step(frozenset({_S.COMMAND}), _S.STREAMING),
    _C.STOP_AUTOSAMPLE: Step(frozenset({_S.STREAMING}), _S.COMMAND),
    _C.PAUSE: Step(frozenset({_S.COMMAND}), _S.STOPPED),
    _C.RESUME: Step(frozenset({_S.STOPPED}), _S.COMMAND),
    _C.CLEAR: Step(frozenset({_S.COMMAND, _S.STOPPED}), _S.IDLE),
    _C.RESET: Step(_ACTIVE | {_S.INACTIVE}, _S.UNINITIALIZED),
    _C.GO_INACTIVE: Step(_ACTIVE, _S.INACTIVE),
}


def after(state: str, command: str) -> InstrumentState | None:
    """The state that a command leads to; None: the instrument takes no such command there."""
    step = STEPS.get(command)
    return step.expected if step is not None and state in step.sources else None


def step_to_inactive(state: str | None) -> LifeCycleCommand | None:
    """The next command that brings an instrument towards INACTIVE; None: it is there. `state` None: never said."""
    if state == _S.INACTIVE:
        return None
    if state == _S.UNINITIALIZED:
        return _C.INITIALIZE
    if state is None or state in _ACTIVE:
        return _C.GO_INACTIVE
    return _C.RESET
