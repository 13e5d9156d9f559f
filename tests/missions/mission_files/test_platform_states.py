"""Which commands a platform takes in which state, and where they lead."""

import pytest

from missions.mission_files.platform_states import STEPS, PlatformCommand, PlatformState, accepted, in_mission


@pytest.mark.parametrize(
    ("state", "commands"),
    [
        ("UNINITIALIZED", {"INITIALIZE"}),
        ("INACTIVE", {"GO_ACTIVE", "RESET"}),
        ("IDLE", {"RUN", "RESET", "GO_INACTIVE"}),
        (
            "COMMAND",
            {"START_MONITORING", "PAUSE", "CLEAR", "RESET", "GO_INACTIVE", "EXECUTE_RESOURCE", "RUN_MISSION"},
        ),
        ("MONITORING", {"STOP_MONITORING", "RESET", "GO_INACTIVE", "EXECUTE_RESOURCE", "RUN_MISSION"}),
        ("STOPPED", {"RESUME", "CLEAR", "RESET", "GO_INACTIVE"}),
        ("MISSION_COMMAND", {"EXECUTE_RESOURCE", "RUN_MISSION", "ABORT_MISSION"}),
        ("MISSION_STREAMING", {"EXECUTE_RESOURCE", "RUN_MISSION", "ABORT_MISSION"}),
    ],
)
def test_a_platform_takes_these_commands(state: str, commands: set[str]) -> None:
    assert set(accepted(PlatformState(state))) == commands


@pytest.mark.parametrize(
    ("command", "target"),
    [
        ("INITIALIZE", "INACTIVE"),
        ("GO_ACTIVE", "IDLE"),
        ("RUN", "COMMAND"),
        ("START_MONITORING", "MONITORING"),
        ("STOP_MONITORING", "COMMAND"),
        ("PAUSE", "STOPPED"),
        ("RESUME", "COMMAND"),
        ("CLEAR", "IDLE"),
        ("RESET", "UNINITIALIZED"),
        ("GO_INACTIVE", "INACTIVE"),
        ("EXECUTE_RESOURCE", None),
        ("RUN_MISSION", None),
        ("ABORT_MISSION", None),
    ],
)
def test_a_command_leads_to_a_state(command: str, target: str | None) -> None:
    assert STEPS[PlatformCommand(command)].target == target


def test_missions_begin_in_command_or_monitoring() -> None:
    assert {state: after for state in PlatformState if (after := in_mission(state))} == {
        "COMMAND": "MISSION_COMMAND",
        "MONITORING": "MISSION_STREAMING",
        "MISSION_COMMAND": "MISSION_COMMAND",
        "MISSION_STREAMING": "MISSION_STREAMING",
    }


def test_streaming_is_another_word_for_monitoring() -> None:
    assert PlatformState.read("STREAMING") is PlatformState.MONITORING
    assert PlatformState.read("COMMAND") is PlatformState.COMMAND
