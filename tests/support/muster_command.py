"""The `muster` command as a user runs it: its own process, its own data folder."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from cli.stack.addresses import Addresses
from cli.stack.processes import Record

ROOT = Path(__file__).parents[2]


def run(data_dir: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Start `muster …` on a data folder; its output goes to `output` beside the folder."""
    given = {"MUSTER_DATABASE_URL", "MUSTER_AMQP_URL", "MUSTER_AMQP_MANAGEMENT_URL", "TEMPORAL_ADDRESS"}
    env = {name: value for name, value in os.environ.items() if name not in given}
    env |= {"MUSTER_DATA_DIR": str(data_dir), "PYTHONPATH": str(ROOT), **environment}
    with output_of(data_dir).open("w") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "cli.main", *arguments],
            env=env,
            cwd=data_dir.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
        )


def output_of(data_dir: Path) -> Path:
    return data_dir.with_suffix(".output")


def eventually(condition: Callable[[], bool], what: str, timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout} s in vain: {what}"
        time.sleep(0.05)


class RunningStack:
    """`muster up --servers-only` on a folder."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.launcher = run(data_dir, "up", "--servers-only")

    def wait(self) -> None:
        text = "Ctrl-C stops"
        eventually(
            lambda: text in output_of(self.data_dir).read_text() or self.launcher.poll() is not None,
            f"the stack on {self.data_dir}",
            120,
        )
        assert self.launcher.poll() is None, output_of(self.data_dir).read_text()

    @property
    def addresses(self) -> Addresses:
        return Addresses.model_validate_json((self.data_dir / "addresses.json").read_text())

    def servers(self) -> list[psutil.Process]:
        """The recorded children and all their descendants."""
        files = (self.data_dir / "processes").glob("*.json")
        leaders = [Record.model_validate_json(file.read_text()).process() for file in files]
        return [each for leader in leaders if leader for each in (leader, *leader.children(recursive=True))]

    def restart(self) -> None:
        self.launcher = run(self.data_dir, "up", "--servers-only")
        self.wait()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.launcher.send_signal(number)
        return self.launcher.wait(60)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run: not gone, and not only waiting to be reaped."""
    return [each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
