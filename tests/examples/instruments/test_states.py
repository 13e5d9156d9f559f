"""What simulated instruments do in each state: the table of mission files' instruments, row by row."""

from itertools import product
from typing import Any

import pytest

from examples.instruments.ctd import Ctd
from examples.instruments.hd_camera import HdCamera
from examples.instruments.instrument import Command, Instrument, Refused, State

U, N, I, C, S, P = "UNINITIALIZED", "INACTIVE", "IDLE", "COMMAND", "STREAMING", "STOPPED"  # noqa: E741
MOVES = {
    ("execute_agent", "INITIALIZE"): {U: N},
    ("execute_agent", "GO_ACTIVE"): {N: I},
    ("execute_agent", "RUN"): {I: C},
    ("execute_agent", "PAUSE"): {C: P},
    ("execute_agent", "RESUME"): {P: C},
    ("execute_agent", "CLEAR"): {C: I, P: I},
    ("execute_agent", "RESET"): {N: U, I: U, P: U, C: U, S: U},
    ("execute_agent", "GO_INACTIVE"): {I: N, P: N, C: N, S: N},
    ("execute_resource", "START_AUTOSAMPLE"): {C: S},
    ("execute_resource", "STOP_AUTOSAMPLE"): {S: C},
    ("execute_resource", "ACQUIRE_SAMPLE"): {C: C, S: S},
    ("execute_resource", "ACQUIRE_STATUS"): {C: C, S: S},
    ("execute_resource", "CLOCK_SYNC"): {C: C, S: S},
    ("get_resource", "INTERVAL"): {C: C, S: S},
    ("set_resource", "INTERVAL"): {C: C},
}


def command(method: str, name: str, *args: Any, **kwargs: Any) -> Command:
    return Command(method, name, list(args), kwargs)


def outcome(instrument: Instrument, sent: Command) -> str:
    try:
        instrument.do(sent)
    except Refused:
        return "refused"
    return instrument.state


@pytest.mark.parametrize(("sent", "before"), list(product(MOVES, State)), ids=str)
def test_each_command_in_each_state(sent: tuple[str, str], before: State) -> None:
    ctd = Ctd(before)
    values = (3,) if sent[0] == "set_resource" else ()
    assert outcome(ctd, command(*sent, *values)) == MOVES[sent].get(before, "refused")
    if before not in MOVES[sent]:
        assert ctd.state == before


def test_a_parameter_is_set_and_read_back() -> None:
    ctd = Ctd()
    assert ctd.do(command("set_resource", "INTERVAL", 3)) == 3
    assert ctd.do(command("get_resource", "INTERVAL")) == 3
    assert ctd.do(command("set_resource", "NAVG", "4.5")) == 4.5
    assert ctd.do(command("set_resource", "NAVG")) == 4.5  # without a value: read only


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (command("execute_resource", "EXPLODE"), "knows no command 'EXPLODE'; it takes START_AUTOSAMPLE"),
        (command("execute_agent", "START_AUTOSAMPLE"), "execute_agent knows no command 'START_AUTOSAMPLE'"),
        (command("execute_resource", "RESET"), "execute_resource knows no command 'RESET'"),
        (command("execute_agent", "RUN"), "RUN is not possible in COMMAND, only in IDLE"),
        (command("set_resource", "DEPTH", 3), "unknown parameter 'DEPTH'; it has INTERVAL"),
        (command("set_resource", "INTERVAL", "soon"), "INTERVAL takes a number, got 'soon'"),
        (command("set_resource", "INTERVAL", True), "INTERVAL takes a number, got True"),
        (command("set_resource", "INTERVAL", 1, 2), "INTERVAL takes one value"),
        (command("get_agent", "INTERVAL"), "unknown method 'get_agent'"),
    ],
    ids=lambda value: str(value.name) if isinstance(value, Command) else "",
)
def test_what_is_refused_says_why_and_changes_nothing(sent: Command, says: str) -> None:
    ctd = Ctd()
    with pytest.raises(Refused, match=says):
        ctd.do(sent)
    assert (ctd.state, ctd.parameters) == (State.COMMAND, Ctd.DEFAULTS)


@pytest.mark.parametrize("data", [None, {}, {"command": "RUN"}, {"command": {"name": "RUN"}}, {"command": None}])
def test_what_is_no_command_is_refused(data: Any) -> None:
    with pytest.raises(Refused, match="not a command"):
        Command.read(data)


def test_samples_follow_a_fixed_law() -> None:
    one, other = Ctd(), Ctd()
    samples = [one.do(command("execute_resource", "ACQUIRE_SAMPLE")) for _ in range(3)]
    assert samples == [other.sensors() for _ in range(3)]
    assert one.do(command("execute_resource", "ACQUIRE_STATUS"))["samples"] == 3


def test_a_camera_takes_several_values_in_one_command_and_is_set_while_it_streams() -> None:
    camera = HdCamera()
    camera.do(command("execute_resource", "START", "hdproc-local"))
    assert camera.state == State.STREAMING
    camera.do(command("execute_resource", "LOOK_AT", -90, 5, 1))
    camera.do(command("execute_resource", "CAMERA", 50, "on"))
    camera.do(command("execute_resource", "LIGHTS", **{"1": 30, "2": 40}))
    camera.do(command("set_resource", "TILT", 7))
    assert camera.sensors() == {
        "PAN": -90,
        "TILT": 7,
        "SPEED": 1,
        "ZOOM": 50,
        "LIGHT_1": 30,
        "LIGHT_2": 40,
        "LASERS": True,
    }
    camera.do(command("execute_resource", "STOP"))
    assert camera.state == State.COMMAND


@pytest.mark.parametrize("values", [(0, 0), (0, 0, 10, 10), (0, 0, "fast")])
def test_a_camera_refuses_wrong_values(values: tuple[Any, ...]) -> None:
    camera = HdCamera()
    with pytest.raises(Refused):
        camera.do(command("execute_resource", "LOOK_AT", *values))
    assert camera.parameters == HdCamera.DEFAULTS
