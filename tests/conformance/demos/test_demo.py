"""`make demo` as a user runs it: a process on a data folder of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cli.stack.ports import any_free_port
from cli.stack.postgres_home import remove_home
from tests.support.muster_command import alive, eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[3]
PORTS = ("postgres", "temporal", "temporal_ui", "amqp", "amqp_management", "mqtt", "epmd", "erlang", "api")
GIVEN = {"MUSTER_DATABASE_URL", "MUSTER_AMQP_URL", "MUSTER_AMQP_MANAGEMENT_URL", "TEMPORAL_ADDRESS", "MUSTER_API_TOKEN"}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One for all tests of this file: the demo must pass on what an earlier one left, too."""
    folder = tmp_path_factory.mktemp("demo") / "data"
    folder.mkdir(mode=0o700)
    # Not the usual ports: a worker of somebody's own stack may still look for its Temporal there.
    taken: set[int] = set()
    for _ in PORTS:
        taken.add(any_free_port(taken))
    (folder / "ports.json").write_text(json.dumps(dict(zip(PORTS, taken, strict=True))))
    yield folder
    remove_home(folder)


def demo(data_dir: Path, output: Path) -> "subprocess.Popen[bytes]":
    env = {name: value for name, value in os.environ.items() if name not in GIVEN} | {"MUSTER_DATA_DIR": str(data_dir)}
    with output.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "examples/demo.py"],
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )


def test_ctrl_c_in_the_middle_stops_everything_that_was_started(data_dir: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    running = demo(data_dir, output)
    eventually(lambda: "executing" in output.read_text() or running.poll() is not None, "a mission that executes", 120)
    assert running.poll() is None, output.read_text()
    started = psutil.Process(running.pid).children(recursive=True)
    assert len(started) > 8  # three servers and their children, API, worker, planner, three agents
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 130, output.read_text()
    assert alive(started) == []
    assert "Traceback" not in output.read_text()


def test_it_passes_and_shows_each_mission_also_after_one_that_was_broken_off(data_dir: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    running = demo(data_dir, output)
    code = running.wait(180)
    shown = output.read_text()
    assert code == 0, shown
    rows = {line.split()[1]: line.split() for line in shown.splitlines() if line.startswith("│")}
    assert {name: row[4] for name, row in rows.items()} == {
        "delivery": "succeeded",
        "patrol": "canceled",
        "pick-up": "succeeded",
    }
    assert all(float(row[6]) <= float(row[9]) for row in rows.values()), shown  # first assignment, total
    assert "is reserved by work process" in shown  # why the third one waited
    assert "Passed." in shown
