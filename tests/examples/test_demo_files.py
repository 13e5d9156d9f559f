"""`make demo-files`: its files, its table of threads and its verdict. What it does is what the conformance tests do."""

import io
import re
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from examples.crew import HERE, CannotRun
from examples.demo_files import SHOWS, Show, disagreements
from examples.devices import Devices, in_the_way
from examples.instruments.simulator import Instruments
from examples.mission_board import board, next_start, short
from missions.mission_files.plan import plain_id
from missions.mission_files.reader import read_mission_file
from settings import Settings


@pytest.mark.parametrize("show", SHOWS, ids=lambda show: show.name)
def test_its_files_name_the_devices_that_it_starts(show: Show) -> None:
    read = read_mission_file((HERE / "mission_files" / show.file).read_text())
    assert read.issues == []
    plan = read.plan
    assert plan is not None
    assert plan.platform == show.platform
    assert {plain_id(each) for thread in plan.threads for each in thread.instruments} == set(show.instruments)
    commands = [each for thread in plan.threads for each in (*thread.pre, *thread.sequence, *thread.post)]
    named = {each.name for each in commands if each.wait_minutes is None}
    assert {name for told in show.told.values() for name in told} == named


def thread(number: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "number": number,
        "kind": "timed",
        "status": "done",
        "instruments": ["PRE:SBE37_SIM_12"],
        "loop": 3,
        "loops": 3,
        "command": None,
        "nextStartAt": None,
        "waitsFor": None,
        "error": None,
        **fields,
    }


def mission(*threads: dict[str, Any], status: str = "succeeded") -> dict[str, Any]:
    return {"missionId": "follow-on", "status": status, "threads": list(threads)}


FOLLOW_ON = next(show for show in SHOWS if show.name == "follow-on")
TOLD = {uuid: Counter(told) for uuid, told in FOLLOW_ON.told.items()}


def test_a_mission_that_went_well_is_not_objected_to() -> None:
    follower = thread(1, kind="event", loops=None)
    assert disagreements(FOLLOW_ON, mission(thread(), follower), TOLD) == []


@pytest.mark.parametrize(
    ("shown", "told", "says"),
    [
        (mission(thread(), status="executing"), TOLD, "follow-on is executing, should be succeeded"),
        (mission(thread(status="aborted", error="no power")), TOLD, "thread 0 is aborted (no power), should be done"),
        (mission(thread(loop=2)), TOLD, "thread 0 ran 2 of 3 loops"),
        (mission(thread()), {}, "SBE37_SIM_12 was told {}, should have been told {'START_AUTOSAMPLE': 3"),
        (mission(thread()), TOLD | {"SBE37_SIM_13": Counter(ACQUIRE_SAMPLE=4)}, "told {'ACQUIRE_SAMPLE': 4}"),
    ],
)
def test_the_verdict_says_what_is_wrong(shown: dict[str, Any], told: dict[str, Counter[str]], says: str) -> None:
    assert says in disagreements(FOLLOW_ON, shown, told)[0]


def test_the_table_fits_a_terminal_and_shows_loop_command_and_next_start() -> None:
    shown = io.StringIO()
    command = "PRE:SBE37_SIM_12, execute_resource(STOP_AUTOSAMPLE)"
    running = thread(status="preparing", loop=10, loops=24, command=command)
    waiting = thread(status="waiting", nextStartAt="2014-07-18T00:05:00Z")
    event = thread(1, status="waiting", loop=7, loops=None, waitsFor="STOP_AUTOSAMPLE of SBE37_SIM_12")
    Console(width=80, file=shown).print(board([mission(running, event), mission(waiting)], "Threads"))
    lines = shown.getvalue().splitlines()
    rows = [re.sub(r"\s+", " ", line.strip()) for line in lines if "SIM" in line]
    assert rows == [
        "follow-on 0 SBE37_SIM_12 preparing 10 of 24 STOP_AUTOSAMPLE",
        "1 SBE37_SIM_12 waiting 7 at STOP_AUTOSAMPLE",
        "follow-on 0 SBE37_SIM_12 waiting 3 of 3 18 Jul 00:05",
    ]


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("wait(0.5)", "wait(0.5)"),
        ("set_resource(INTERVAL{1})", "INTERVAL{1}"),
        ("LJ03A, execute_resource(TURN_ON_PORT{1})", "TURN_ON_PORT{1}"),
    ],
)
def test_commands_are_shown_without_device_and_method(command: str, shown: str) -> None:
    assert short(command) == shown


def test_a_thread_that_has_ended_starts_no_more() -> None:
    assert next_start(thread(nextStartAt="2014-07-18T00:05:00Z")) == ""


async def test_instruments_and_missions_of_somebody_else_on_its_platforms_are_in_the_way() -> None:
    def api(request: httpx.Request) -> httpx.Response:
        if request.url.path != "/platforms/LJ01D":
            return httpx.Response(404)
        instruments = [{"uuid": "SBE37_SIM_02"}, {"uuid": "MYCTD"}]
        return httpx.Response(200, json={"instruments": instruments, "missions": [{"missionId": "mine"}]})

    async with httpx.AsyncClient(transport=httpx.MockTransport(api), base_url="http://muster") as client:
        found = await in_the_way(client, {"LJ01D": ["SBE37_SIM_02"], "LJ01A": ["SBE37_SIM_12"]}, ["hourly-ctd"])
    assert found == ["LJ01D carries MYCTD", "LJ01D runs mine"]


async def test_a_command_that_is_not_done_is_told_with_its_reason() -> None:
    def api(request: httpx.Request) -> httpx.Response:
        answers: dict[str, Any] = {
            "/platforms/LJ01D/commands": {"workProcessId": 7},
            "/platforms/LJ01D": {"state": "COMMAND", "underWay": None, "missions": []},
            "/work-processes/7": {"status": "failed", "failure": {"text": "SBE37_SIM_02 did not do RESET: it cannot"}},
        }
        return httpx.Response(200, json=answers[request.url.path])

    async with httpx.AsyncClient(transport=httpx.MockTransport(api), base_url="http://muster") as client:
        started = Devices(client, Instruments(Settings(), "demo"), Path("no-log"))
        with pytest.raises(CannotRun, match="in COMMAND, not in UNINITIALIZED: SBE37_SIM_02 did not do RESET: it cann"):
            await started.bring_up("LJ01D")
