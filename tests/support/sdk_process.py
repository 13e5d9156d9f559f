"""Runs `sdk_agent.py` as processes of the agents' own Python and reads what they logged.

They are forked from one process, which has loaded their libraries (`sdk_nursery.py`).
"""

import asyncio
import atexit
import functools
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

PROGRAM = Path(__file__).with_name("sdk_agent.py")
NURSERY = Path(__file__).with_name("sdk_nursery.py")
PYTHON_VARIABLE = "MUSTER_AGENTS_PYTHON"
"""Python of the agents' virtual environment, if it is not `.venv-agents`."""


def agents_python() -> Path:
    """The Python that has the SDK; raises with the remedy."""
    path = Path(os.environ.get(PYTHON_VARIABLE) or PROGRAM.parents[2] / ".venv-agents" / "bin" / "python")
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist: run `make setup`, or set {PYTHON_VARIABLE}")
    return path


class AgentProcess:
    """A process that the nursery started; it is the nursery's child, so its exit code is in a file."""

    def __init__(self, pid: int, out: Path) -> None:
        self.pid = pid
        self._exit_code = Path(f"{out}.{pid}")

    def poll(self) -> int | None:
        """Its exit code, once it has ended."""
        return int(self._exit_code.read_text()) if self._exit_code.exists() else None

    def kill(self) -> None:
        """SIGKILL, as a crash; returns when it is gone."""
        os.kill(self.pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while self.poll() is None:
            assert time.monotonic() < deadline, f"agent process {self.pid} does not end"
            time.sleep(0.001)


class _Nursery:
    """The process that starts agents for this one."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [str(agents_python()), str(NURSERY)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        atexit.register(self._process.communicate, timeout=10)

    def start(self, argv: list[str], folder: Path, out: Path) -> AgentProcess:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"argv": argv, "folder": str(folder), "out": str(out)}) + "\n")
        self._process.stdin.flush()
        return AgentProcess(int(self._process.stdout.readline()), out)


_nursery = functools.cache(_Nursery)


class SdkAgent:
    """One agent process."""

    def __init__(self, uuid: str, process: AgentProcess, log: Path) -> None:
        self.uuid = uuid
        self.process = process
        self._log = log

    @classmethod
    def start(cls, amqp_url: str, folder: Path, uuid: str, *options: str, token: str | None = None) -> "SdkAgent":
        """Start one; `token` lets it check in without an account."""
        url = urlsplit(amqp_url)
        log = folder / f"{uuid}.jsonl"
        command = [
            *(str(PROGRAM), "--uuid", uuid, "--log", str(log)),
            *("--host", url.hostname or "127.0.0.1", "--port", str(url.port or 5672)),
            *("--vhost", unquote(url.path[1:]) or "/"),
            *(("--token", token) if token is not None else ()),
            *options,
        ]
        process = _nursery().start(command, folder, folder / f"{uuid}.out")
        return cls(uuid, process, log)

    def records(self, event: str | None = None) -> list[dict[str, Any]]:
        """What it logged so far, oldest first."""
        text = self._log.read_text() if self._log.exists() else ""
        lines = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
        return [line for line in lines if event is None or line["event"] == event]

    async def wait_for(
        self, event: str, condition: Callable[[dict[str, Any]], bool] = lambda record: True, timeout: float = 15
    ) -> dict[str, Any]:
        """The first record of this event that meets the condition."""
        async with asyncio.timeout(timeout):
            while True:
                for record in self.records(event):
                    if condition(record):
                        return record
                if self.process.poll() is not None and not self.records(event):
                    raise AssertionError(f"agent {self.uuid} ended before {event!r}; it logged {self.records()}")
                await asyncio.sleep(0.01)

    def kill(self) -> None:
        """SIGKILL, as a crash."""
        self.process.kill()

    def stop(self) -> None:
        """End it, however it stands."""
        if self.process.poll() is None:
            self.kill()
