"""Where an instrument's life cycle leads, and the way to INACTIVE from everywhere."""

import pytest

from missions.mission_files.instrument_states import InstrumentState, LifeCycleCommand, after, step_to_inactive
from missions.mission_files.plan import Method

ACTIVE = ["IDLE", "STOPPED", "COMMAND", "STREAMING"]

TAKEN = [
    ("UNINITIALIZED", "INITIALIZE", "INACTIVE"),
    ("INACTIVE", "GO_ACTIVE", "IDLE"),
    ("IDLE", "RUN", "COMMAND"),
    ("COMMAND", "START_AUTOSAMPLE", "STREAMING"),
    ("STREAMING", "STOP_AUTOSAMPLE", "COMMAND"),
    ("COMMAND", "PAUSE", "STOPPED"),
    ("STOPPED", "RESUME", "COMMAND"),
    ("COMMAND", "CLEAR", "IDLE"),
    ("STOPPED", "CLEAR", "IDLE"),
    *((state, "RESET", "UNINITIALIZED") for state in ["INACTIVE", *ACTIVE]),
    *((state, "GO_INACTIVE", "INACTIVE") for state in ACTIVE),
]


@pytest.mark.parametrize(("state", "command", "expected"), TAKEN)
def test_a_command_leads_on(state: str, command: str, expected: str) -> None:
    assert after(state, command) == expected


def test_an_instrument_takes_no_other_command() -> None:
    taken = {(state, command) for state, command, _ in TAKEN}
    for state in InstrumentState:
        for command in [*LifeCycleCommand, "ACQUIRE_SAMPLE"]:
            assert (after(state, command) is not None) == ((state, command) in taken), (state, command)


@pytest.mark.parametrize(
    ("state", "command"),
    [
        ("INACTIVE", None),
        ("UNINITIALIZED", "INITIALIZE"),
        *((state, "GO_INACTIVE") for state in ACTIVE),
        (None, "GO_INACTIVE"),
        *((state, "RESET") for state in ["TEST", "CALIBRATE", "BUSY", "DIRECT_ACCESS", "A_STATE_OF_ITS_OWN"]),
    ],
)
def test_the_next_command_on_the_way_to_inactive(state: str | None, command: str | None) -> None:
    assert step_to_inactive(state) == command


def test_an_obedient_instrument_is_inactive_after_two_commands_at_most() -> None:
    for start in InstrumentState:
        state: str | None = start
        for _ in range(2):
            command = step_to_inactive(state)
            if command is not None:
                state = after(str(state), command) or InstrumentState.UNINITIALIZED  # RESET is taken anywhere
        assert state == InstrumentState.INACTIVE


def test_sampling_is_the_instruments_own_matter() -> None:
    of_the_resource = {command for command in LifeCycleCommand if command.method is Method.EXECUTE_RESOURCE}
    assert of_the_resource == {LifeCycleCommand.START_AUTOSAMPLE, LifeCycleCommand.STOP_AUTOSAMPLE}
