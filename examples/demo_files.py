"""`make demo-files`: three mission files on simulated platforms, a day of theirs in half a minute, their threads live.

Each mission has a time of its own, which goes faster and begins shortly before the start in its file: for demos and
tests only. Exit code 0 only if all threads ended well and the instruments' own notes say that they got every command.
"""

import asyncio
import contextlib
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if not __package__:
    # Run as a script: here, `import fleet` would find the demo fleet instead of the package.
    sys.path[0] = str(Path(__file__).parents[1])

import httpx
from rich.console import Console
from rich.live import Live

from api.token import ensure_token
from cli.stack.processes import Processes
from examples.crew import HERE, CannotRun, api_client
from examples.devices import Devices, devices, in_the_way
from examples.instruments.instrument import Command
from examples.mission_board import board
from examples.performance import perform, run
from examples.running import Muster
from settings import Settings, read_settings

LIMIT = 60.0
"""Seconds that the missions may take; they need about 30."""
PROFILE_SCALE = 60.0
"""How many times as fast as the clock the profiler goes up and down."""


@dataclass(frozen=True)
class Show:
    """One mission file, how fast it is shown, and what its devices are told in the end."""

    name: str
    file: str
    platform: str
    instruments: tuple[str, ...]
    scale: float
    begins: str
    told: Mapping[str, Mapping[str, int]]


SHOWS = (
    Show(
        name="hourly-ctd",
        file="01_scheduled_ctd.yml",  # a second is an hour
        platform="LJ01D",
        instruments=("SBE37_SIM_02",),
        scale=3600,
        begins="2014-07-17T23:00:00Z",
        told={
            "SBE37_SIM_02": {
                "INTERVAL": 1,
                "CLOCK_SYNC": 1,
                "START_AUTOSAMPLE": 24,
                "STOP_AUTOSAMPLE": 24,
                "RESET": 1,
            }
        },
    ),
    Show(
        name="follow-on",
        file="02_event_driven.yml",  # a second is half a minute
        platform="LJ01A",
        instruments=("SBE37_SIM_12", "SBE37_SIM_13"),
        scale=30,
        begins="2014-07-17T23:59:00Z",
        told={
            "SBE37_SIM_12": {"START_AUTOSAMPLE": 3, "STOP_AUTOSAMPLE": 3},
            "SBE37_SIM_13": {"ACQUIRE_SAMPLE": 3},
        },
    ),
    Show(
        name="profiler",
        file="05_profiler_events.yml",  # a second is three quarters of an hour
        platform="LJ03A",
        instruments=("SBE37_SIM_22", "SBE37_SIM_23", "SBE37_SIM_24"),
        scale=2700,
        begins="2014-07-17T23:00:00Z",
        told={
            "LJ03A": {"TURN_ON_PORT": 1, "TURN_OFF_PORT": 1},
            "SBE37_SIM_22": {"START_AUTOSAMPLE": 4, "STOP_AUTOSAMPLE": 4, "GO_INACTIVE": 1},
            "SBE37_SIM_23": {"INTERVAL": 1, "ACQUIRE_SAMPLE": 4},
            "SBE37_SIM_24": {"ACQUIRE_SAMPLE": 4},
        },
    ),
)
ON_SDK = "SBE37_SIM_02"


async def demo_files(settings: Settings, console: Console) -> int:
    """Run it; returns the exit code."""
    return await perform(
        settings,
        console,
        "demo-files",
        lambda running, folder: _with_devices(settings, running, folder, console),
        lambda problems, folder: _report(problems, folder, console),
    )


async def _with_devices(settings: Settings, running: Muster, folder: Path, console: Console) -> list[str]:
    """Run the mission files; returns what speaks against a pass."""
    processes = running.stack.processes if running.stack else Processes(folder, "muster-demo-files")
    platforms = {show.platform: show.instruments for show in SHOWS}
    async with api_client(running.api_url, ensure_token(settings)) as api, contextlib.AsyncExitStack() as stack:
        # Before anything is started or changed: devices of somebody else are left alone.
        others = await in_the_way(api, platforms, {show.name for show in SHOWS})
        if others:
            raise CannotRun(
                f"Somebody uses the demo's platforms: {', '.join(others)}. Nothing was changed. Run the demo on a data"
                " folder of its own: `MUSTER_DATA_DIR=/tmp/demo-files make demo-files`."
            )
        started = await stack.enter_async_context(
            devices(settings, api, processes, amqp_url=running.addresses.amqp_url, platforms=platforms, on_sdk=ON_SDK)
        )
        _profile_with(started, "SBE37_SIM_22", "LJ03A")
        ids = {show.name: await _start(api, show) for show in SHOWS}
        shown = await _watch(api, console)
        problems = [
            problem for show in SHOWS for problem in disagreements(show, shown[show.name], started.told(ids[show.name]))
        ]
        for show in SHOWS:
            if shown[show.name]["running"]:
                await api.post(f"{_path(show)}/abort", json={"reason": "the demo is over"})
    return problems


def _profile_with(started: Devices, ctd: str, platform: str) -> None:
    """Let the profiler go up and down whenever this CTD begins to sample."""

    def on_command(sent: Command) -> None:
        if sent.name == "START_AUTOSAMPLE":
            started[platform].conversation.profile(PROFILE_SCALE)

    started[ctd].conversation.on_command = on_command


async def _start(api: httpx.AsyncClient, show: Show) -> int:
    body = {
        "missionId": show.name,
        "missionYaml": (HERE / "mission_files" / show.file).read_text(),
        "timeScale": show.scale,
        "timeAnchor": show.begins,
    }
    answer = await api.post(f"/platforms/{show.platform}/missions", json=body)
    if answer.is_error:
        raise CannotRun(f"{show.file} was refused: {answer.text}")
    return int(answer.json()["workProcessId"])


async def _watch(api: httpx.AsyncClient, console: Console) -> dict[str, dict[str, Any]]:
    """Show all threads until they have ended or the time is over; returns the missions as they are then."""
    began = time.monotonic()
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            shown = {show.name: (await api.get(_path(show))).raise_for_status().json() for show in SHOWS}
            seconds = time.monotonic() - began
            threads = board(list(shown.values()), f"Mission threads after {seconds:.0f} s")
            live.update(threads, refresh=True)
            if seconds > LIMIT or not any(mission["running"] for mission in shown.values()):
                break
            await asyncio.sleep(0.25)
    console.print(threads)
    return shown


def disagreements(show: Show, mission: dict[str, Any], told: Mapping[str, Counter[str]]) -> list[str]:
    """What speaks against a mission: by the API, and by its devices' own notes."""
    name = mission["missionId"]
    problems = []
    if mission["status"] != "succeeded":
        problems.append(f"{name} is {mission['status']}, should be succeeded")
    for thread in mission["threads"]:
        if thread["status"] != "done":
            error = f" ({thread['error']})" if thread["error"] else ""
            problems.append(f"{name}: thread {thread['number']} is {thread['status']}{error}, should be done")
        elif thread["kind"] == "timed" and thread["loop"] != thread["loops"]:
            problems.append(f"{name}: thread {thread['number']} ran {thread['loop']} of {thread['loops']} loops")
    for uuid, expected in show.told.items():
        got = dict(told.get(uuid, Counter()))
        if got != expected:
            problems.append(f"{name}: {uuid} was told {got}, should have been told {dict(expected)}")
    return problems


def _path(show: Show) -> str:
    return f"/platforms/{show.platform}/missions/{show.name}"


def _report(problems: list[str], folder: Path, console: Console) -> int:
    """Show the verdict; returns the exit code."""
    if not problems:
        console.print("[green]Passed.[/green] All threads ended well; the instruments' own notes and the API agree.")
        return 0
    console.print("[red]Failed.[/red]")
    for problem in problems:
        console.print(f"- {problem}", markup=False, soft_wrap=True)
    console.print(f"Logs: {folder.parent / 'logs'}", soft_wrap=True)
    return 1


if __name__ == "__main__":
    # Of the API that is started here; one that is up already must have been started so.
    os.environ.setdefault("MUSTER_MISSION_TIME_SCALE", "true")
    run(lambda: demo_files(read_settings(), Console(highlight=False)))
