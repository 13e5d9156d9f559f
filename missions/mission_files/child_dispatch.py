"""Which of a platform's instruments need the command that the platform was given (spec 3.2.2).

Missions move instruments without their platform: so each is looked at before it is told to go where it may be already.
"""

from collections.abc import Mapping

from missions.mission_files.instrument_states import STEPS, InstrumentState, LifeCycleCommand
from missions.mission_files.plan import Method

_S = InstrumentState
_C = LifeCycleCommand

ACTIVATION = [_S.UNINITIALIZED, _S.INACTIVE, _S.IDLE, _S.COMMAND, _S.STREAMING]
"""From the least active state to the most; the others stand beside."""

RAISING = frozenset({_C.INITIALIZE, _C.GO_ACTIVE, _C.RUN, _C.START_AUTOSAMPLE})
LOWERING = frozenset({_C.RESET, _C.GO_INACTIVE, _C.CLEAR, _C.STOP_AUTOSAMPLE})

CHILD_COMMANDS: Mapping[str, LifeCycleCommand] = {
    **{command: command for command in LifeCycleCommand if command.method is Method.EXECUTE_AGENT},
    "START_MONITORING": _C.START_AUTOSAMPLE,
    "STOP_MONITORING": _C.STOP_AUTOSAMPLE,
}
"""What a platform's command is to its instruments."""


def needs(command: LifeCycleCommand, child_state: str | None) -> bool:
    """Whether a child must be sent the command. `child_state` None: it never said."""
    expected = STEPS[command].expected
    if child_state == expected:
        return False
    if child_state not in ACTIVATION or expected not in ACTIVATION:
        return True
    above = ACTIVATION.index(_S(child_state)) > ACTIVATION.index(expected)
    return not ((command in RAISING and above) or (command in LOWERING and not above))


def missed(command: LifeCycleCommand, said: str | None) -> str:
    """What is wrong with the state that a child says after it has done the command; empty: nothing.

    It may be farther than expected: an instrument that becomes active may find that it streams already.
    """
    if said is None or not needs(command, said):
        return ""
    return f"it is {said} after {command}, and not {STEPS[command].expected}"
