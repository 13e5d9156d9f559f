"""Which instruments are sent their platform's command: each row of the rules."""

import pytest

from missions.mission_files.child_dispatch import CHILD_COMMANDS, missed, needs
from missions.mission_files.instrument_states import InstrumentState, LifeCycleCommand
from missions.mission_files.platform_states import STEPS, PlatformCommand

S = InstrumentState
BESIDE = {"STOPPED", "TEST", "CALIBRATE", "BUSY", "DIRECT_ACCESS"}


@pytest.mark.parametrize(
    ("command", "sent_to"),
    [
        # Raising: not to those that are there already, or above.
        ("INITIALIZE", {"UNINITIALIZED"}),
        ("GO_ACTIVE", {"UNINITIALIZED", "INACTIVE"}),
        ("RUN", {"UNINITIALIZED", "INACTIVE", "IDLE"}),
        ("START_AUTOSAMPLE", {"UNINITIALIZED", "INACTIVE", "IDLE", "COMMAND"}),
        # Lowering: not to those that are there already, or below.
        ("RESET", {"INACTIVE", "IDLE", "COMMAND", "STREAMING"}),
        ("GO_INACTIVE", {"IDLE", "COMMAND", "STREAMING"}),
        ("CLEAR", {"COMMAND", "STREAMING"}),
        ("STOP_AUTOSAMPLE", {"STREAMING"}),
        # Neither: to all that are not there.
        ("RESUME", {"UNINITIALIZED", "INACTIVE", "IDLE", "STREAMING"}),
        ("PAUSE", {"UNINITIALIZED", "INACTIVE", "IDLE", "COMMAND", "STREAMING"}),
    ],
)
def test_a_command_goes_to_the_children_that_are_not_there_yet(command: str, sent_to: set[str]) -> None:
    beside = BESIDE - {"STOPPED"} if command == "PAUSE" else BESIDE
    assert {state for state in S if needs(LifeCycleCommand(command), state)} == sent_to | beside


def test_a_child_that_never_said_its_state_is_sent_every_command() -> None:
    assert all(needs(command, None) for command in LifeCycleCommand)


def test_each_command_of_the_platforms_life_cycle_has_one_for_the_children() -> None:
    life_cycle = {command for command in PlatformCommand if STEPS[command].target is not None}
    assert life_cycle <= CHILD_COMMANDS.keys()
    assert CHILD_COMMANDS["START_MONITORING"] == "START_AUTOSAMPLE"
    assert CHILD_COMMANDS["STOP_MONITORING"] == "STOP_AUTOSAMPLE"


@pytest.mark.parametrize(
    ("command", "said", "wrong"),
    [
        ("RUN", "COMMAND", ""),
        ("RUN", None, ""),
        ("RUN", "IDLE", "it is IDLE after RUN, and not COMMAND"),
        ("GO_ACTIVE", "STREAMING", ""),  # it found that it streams already
        ("GO_INACTIVE", "UNINITIALIZED", ""),
        ("GO_INACTIVE", "COMMAND", "it is COMMAND after GO_INACTIVE, and not INACTIVE"),
        ("PAUSE", "BUSY", "it is BUSY after PAUSE, and not STOPPED"),
    ],
)
def test_a_child_that_is_not_where_its_command_leads_has_failed(command: str, said: str | None, wrong: str) -> None:
    assert missed(LifeCycleCommand(command), said) == wrong
