"""Child processes that outlive neither a stop nor, for longer than until the next start, a crash of the launcher.

Each child leads a session of its own: a Ctrl-C in the terminal reaches the launcher only, which then stops its
children in order. A record per child (pid and start time) and a marker in its environment let the next start find
what a killed launcher left behind, and nothing else.
"""

import asyncio
import contextlib
import os
import pwd
import signal
import time
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from pydantic import BaseModel

MARKER = "MUSTER_STACK"
LOGS_KEPT = 9
"""Logs of earlier starts: the first end's cause is still there when a program is given up (`restarts.MOST`)."""


class Record(BaseModel):
    """What is written down of a child."""

    name: str
    pid: int
    started: float
    stop_signal: int
    grace: float

    def process(self) -> psutil.Process | None:
        """This very process, running or a zombie: a pid that was given out again does not count."""
        try:
            process = psutil.Process(self.pid)
            return process if abs(process.create_time() - self.started) < 1 else None
        except psutil.NoSuchProcess:
            return None

    def is_alive(self) -> bool:
        """Whether it still runs."""
        process = self.process()
        return process is not None and _runs(process)


@dataclass(frozen=True)
class Child:
    """A running child and where its output goes."""

    record: Record
    process: Process
    log: Path

    def log_tail(self, lines: int = 15) -> str:
        """The last lines it wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def listens_on(self, port: int) -> bool:
        """Whether it (not someone else who took the port first) listens there."""
        try:
            connections = psutil.Process(self.record.pid).net_connections("tcp")
        except psutil.Error:
            return False
        return any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in connections)


class Processes:
    """Starts, records and stops the children of one stack."""

    def __init__(self, folder: Path, marker: str) -> None:
        self._records = folder / "processes"
        self._logs = folder / "logs"
        self._marker = marker
        self._records.mkdir(exist_ok=True)
        self._logs.mkdir(exist_ok=True)
        self.children: dict[str, Child] = {}

    async def spawn(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: pwd.struct_passwd | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        grace: float = 10.0,
    ) -> Child:
        """Start a program with its output in `logs/<name>.log`; the logs of its starts before are kept beside it."""
        log = self._logs / f"{name}.log"
        _keep(log)
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *map(str, command),
                stdin=DEVNULL,
                stdout=output,
                stderr=STDOUT,
                env={**os.environ, **(env or {}), MARKER: self._marker},
                cwd=cwd,
                start_new_session=True,
                user=user.pw_uid if user else None,
                group=user.pw_gid if user else None,
                extra_groups=[] if user else None,
            )
        try:
            started = psutil.Process(process.pid).create_time()
        except psutil.NoSuchProcess:  # it ended at once; the caller sees that
            started = time.time()
        record = Record(name=name, pid=process.pid, started=started, stop_signal=stop_signal, grace=grace)
        (self._records / f"{name}.json").write_text(record.model_dump_json())
        child = self.children[name] = Child(record, process, log)
        return child

    async def stop(self, name: str, *, hard: bool = False) -> None:
        """Stop one child and everything in its session."""
        if child := self.children.pop(name, None):
            await _stop(child.record, hard=hard)
            await child.process.wait()
            (self._records / f"{name}.json").unlink(missing_ok=True)

    def recorded(self) -> dict[str, Record]:
        """What is written down, whoever started it, by name."""
        records = (Record.model_validate_json(file.read_text()) for file in self._records.glob("*.json"))
        return {record.name: record for record in records}

    async def stop_leftovers(self, names: Iterable[str]) -> None:
        """Stop the recorded children of a launcher that is gone."""
        records = self.recorded()
        await asyncio.gather(*(_stop(records[name]) for name in names if name in records))
        for name in names:
            (self._records / f"{name}.json").unlink(missing_ok=True)

    async def stop_marked(self) -> None:
        """Kill what still carries the marker: grandchildren, and a child whose record was never written."""
        own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
        marked = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.pid not in own and process.environ().get(MARKER) == self._marker:
                    marked.append(process)
        await _kill(marked)


def _keep(log: Path) -> None:
    """Move a log aside: `.log` becomes `.log.1`, that `.log.2` and so on; the oldest is lost."""
    for number in range(LOGS_KEPT, 0, -1):
        newer = log.with_suffix(f".log.{number - 1}") if number > 1 else log
        if newer.exists():
            newer.replace(log.with_suffix(f".log.{number}"))


async def _stop(record: Record, *, hard: bool = False) -> None:
    """Ask the leader to stop, wait, then kill what is left of its session and its descendants."""
    rest: list[psutil.Process] = []
    if leader := record.process():
        with contextlib.suppress(psutil.NoSuchProcess):
            # Listed before the signal: PostgreSQL's backends lead sessions of their own.
            rest = leader.children(recursive=True)
            leader.send_signal(signal.SIGKILL if hard else record.stop_signal)
        await _wait_until(lambda: not record.is_alive(), record.grace)
    await _kill([*rest, *_session(record)])


def _session(record: Record) -> list[psutil.Process]:
    """Everything in the session that the recorded process led, itself included."""
    members: list[psutil.Process] = []
    if psutil.pid_exists(record.pid) and record.process() is None:
        return members  # the pid leads someone else's session now
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == record.pid and process.create_time() >= record.started - 1:
                members.append(process)
    return members


async def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()  # psutil compares the start time first
    await _wait_until(lambda: not any(map(_runs, processes)), 10)


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def _wait_until(condition: Callable[[], bool], timeout: float) -> None:
    """Poll: a process that is not our child cannot be waited for."""
    deadline = time.monotonic() + timeout
    while True:
        if condition() or time.monotonic() > deadline:
            return
        await asyncio.sleep(0.02)
