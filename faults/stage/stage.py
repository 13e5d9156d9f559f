"""The stage: servers, programs and agents, each of which can be killed and started again."""

import asyncio
import contextlib
import hashlib
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil

from benchmarks.child import ROOT
from cli.stack.lock import FolderLock
from cli.stack.part import Part
from cli.stack.ports import Ports
from cli.stack.postgres import Postgres
from cli.stack.postgres_home import find_home, remove_home
from cli.stack.processes import Processes
from cli.stack.rabbitmq import RabbitMQ
from cli.stack.temporal import Temporal
from examples.crew import AGENTS_PYTHON
from faults.stage import readers
from faults.stage.crew import SDK_AGENTS, Crew
from faults.stage.disk import NoDisk, SmallDisk
from faults.stage.network import Network, network
from faults.waiting import until

DATA = ROOT / ".muster-faults"
TOKEN = "token-of-the-fault-run"
WORKERS = {
    "missions-1": "missions",
    "missions-2": "missions",
    "intake-1": "intake",
    "intake-2": "intake",
    "relay": "relay",
}
SERVERS = ("postgres", "rabbitmq", "temporal")
_PATIENCE = 120.0

# As in production, but for what a fault run cannot wait for.
_SETTINGS = {
    "MUSTER_MISSION_TIME_SCALE": "true",
    "MUSTER_COMMAND_TIMEOUT": "20",
    "MUSTER_WEBHOOK_ALLOW_HTTP": "true",
    "MUSTER_WEBHOOK_ALLOW_PRIVATE": "true",
}


@dataclass(frozen=True)
class Ending:
    """How a process ended that was told to."""

    name: str
    code: int
    """Its exit code; negative: of the signal that killed it."""
    took: float
    """Seconds."""


class Stage:
    """What the faults befall. Times are seconds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stays = False
        """Whether its folder, with logs and journals, is kept at the end: something is broken."""
        self.processes = _processes(folder)
        self._ports = Ports(folder / "ports.json", usual=False)
        self.postgres = Postgres(folder, self.processes, disposable=False)
        self.rabbitmq = RabbitMQ(folder, self.processes, disposable=False)
        self.temporal = Temporal(folder, self.processes, disposable=False)
        self._servers: dict[str, Part] = {
            "postgres": self.postgres,
            "rabbitmq": self.rabbitmq,
            "temporal": self.temporal,
        }
        self._chosen: dict[str, int] = {}
        self.crew = Crew(folder)
        self.network: Network
        self.disk: SmallDisk | None = None
        """PostgreSQL's own, if the stage has one."""
        self.why_no_disk = "the stage was made without a disk of its own for PostgreSQL"
        self.api_url = ""
        self._environment: dict[str, str] = {}
        self._agents_environment: dict[str, str] = {}

    # --- each part by its name

    async def kill(self, *names: str) -> None:
        """SIGKILL, all of them at the same moment; returns when they are gone."""
        for name in names:
            child = self.processes.children.get(name)
            if child is not None:
                with contextlib.suppress(psutil.NoSuchProcess):
                    psutil.Process(child.record.pid).kill()
        await asyncio.gather(*(self.processes.stop(name, hard=True) for name in names))
        if "rabbitmq" in names:
            await self.processes.stop("epmd", hard=True)

    async def stop(self, *names: str) -> list[Ending]:
        """SIGTERM (of a server: its own orderly stop), SIGKILL after its grace; returns when they are gone."""
        return await asyncio.gather(*map(self._stop, names))

    async def _stop(self, name: str) -> Ending:
        process, began = self.processes.children[name].process, time.monotonic()
        await (self._servers[name].stop() if name in self._servers else self.processes.stop(name))
        return Ending(name, await process.wait(), time.monotonic() - began)

    async def start(self, *names: str) -> None:
        """Start what does not run; returns when it serves, or its agents listen."""
        await asyncio.gather(*(self._start(name) for name in names if name not in self.processes.children))

    async def _start(self, name: str) -> None:
        if name in self._servers:
            part = self._servers[name]
            await part.start({port: self._chosen[port] for port in part.ports})
        elif name in WORKERS:
            await self._spawn(name, "-m", "worker", "--role", WORKERS[name])
            await self._says(name, "worker runs")
        elif name == "api":
            await self._spawn(name, "-m", "api")
            await until(self._api_is_ready, _PATIENCE, f"{name} is not ready")
        elif name == "planner":
            await self._spawn(name, *self.crew.planner_command(self._chosen["planner"]))
            await until(self._planner_answers, _PATIENCE, f"{name} does not answer")
        else:
            command = self.crew.command(name, _through(self.rabbitmq.url, self.network.ports["sdk"]))
            env = {**self._agents_environment, "MUSTER_API_URL": self.api_url}
            written = self.crew.written(name)
            await self.processes.spawn(name, command, env=env, cwd=ROOT)
            await until(partial(self._are_there, name, written), _PATIENCE, f"the agents of {name} do not check in")

    def is_dead(self, name: str) -> bool:
        """Whether it ended by itself."""
        child = self.processes.children.get(name)
        return child is not None and child.process.returncode is not None

    async def reader_of(self, queue: str) -> str | None:
        """The worker that has this queue's messages."""
        pid = await readers.reader_of(self.rabbitmq.management_url, queue)
        return next((name for name in WORKERS if self.processes.children[name].record.pid == pid), None)

    def log(self, name: str) -> str:
        """What it printed in its present life."""
        return self.processes.children[name].log.read_text(errors="replace")

    async def _spawn(self, name: str, *command: str | Path) -> None:
        await self.processes.spawn(name, [sys.executable, *command], env=self._environment, cwd=ROOT, grace=30)

    async def _says(self, name: str, text: str) -> None:
        async def said() -> bool:
            if self.is_dead(name):
                raise RuntimeError(f"{name} ended at once:\n{self.log(name)[-3000:]}")
            return text in self.log(name)

        await until(said, _PATIENCE, f"{name} does not say {text!r}")

    async def _are_there(self, name: str, written: int) -> bool:
        return self.crew.is_there(name, written)

    async def _api_is_ready(self) -> bool:
        return await _answers(f"{self.api_url}/health/ready")

    async def _planner_answers(self) -> bool:
        return await _answers(f"http://127.0.0.1:{self._chosen['planner']}/openapi.json")

    # --- all of it

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start everything; kill everything at the end."""
        ports = {name: 0 for part in self._servers.values() for name in part.ports}
        self._chosen = self._ports.choose({**ports, "api": 0, "planner": 0})
        self.api_url = f"http://127.0.0.1:{self._chosen['api']}"
        try:
            await self.start(*SERVERS)
            targets = {name: f"127.0.0.1:{self._chosen[port]}" for name, port in _LINKS.items()}
            async with network(targets, self.folder / "logs") as self.network:
                self._environment = self._programs_environment()
                self._agents_environment = {
                    **self._environment,
                    # As an agent should: aio-pika's own heartbeat finds a dead connection after minutes.
                    "MUSTER_AMQP_URL": _through(self.rabbitmq.url, self.network.ports["agents"]) + "?heartbeat=3",
                    "MUSTER_API_PORT": "0",
                }
                await self.start("planner", "api")
                await self.start(*WORKERS)
                yield
        finally:
            await asyncio.gather(*(self.processes.stop(name, hard=True) for name in list(self.processes.children)))
            await self.processes.stop_marked()

    def planner_url(self) -> str:
        """Where Muster reaches the planner."""
        return f"http://127.0.0.1:{self.network.ports['planner']}/plan/"

    def _programs_environment(self) -> dict[str, str]:
        near = self.network.ports
        return {
            # All servers are ours: what the shell says of others must not be struck.
            **{name: value for name, value in os.environ.items() if not name.startswith(("MUSTER_", "TEMPORAL_"))},
            **_SETTINGS,
            "MUSTER_DATABASE_URL": _through(self.postgres.url, near["postgres"]),
            "MUSTER_AMQP_URL": _through(self.rabbitmq.url, near["rabbitmq"]),
            "MUSTER_AMQP_MANAGEMENT_URL": self.rabbitmq.management_url,
            "TEMPORAL_ADDRESS": f"127.0.0.1:{near['temporal']}",
            "TEMPORAL_NAMESPACE": "default",
            **Temporal.environment,
            "MUSTER_DATA_DIR": str(self.folder),
            "MUSTER_API_PORT": str(self._chosen["api"]),
            "MUSTER_API_TOKEN": TOKEN,
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": str(ROOT),
        }


_LINKS = {
    "postgres": "postgres",
    "rabbitmq": "amqp",
    "agents": "amqp",
    "sdk": "amqp",
    "temporal": "temporal",
    "planner": "planner",
}
"""The server's port behind each link; `agents` and `sdk` are the agents' own ways to the broker."""


@contextlib.asynccontextmanager
async def stage(folder: Path = DATA, *, small_disk: bool = False) -> AsyncIterator[Stage]:
    """A stage in an empty folder, which is removed at the end; it stays, with its logs, when something fails.

    Raises FolderInUse if another run has it. `small_disk`: PostgreSQL's data are on one of their own, if possible.
    """
    if not AGENTS_PYTHON.exists() and SDK_AGENTS:
        raise SystemExit(f"{AGENTS_PYTHON} is missing: run `make setup`.")
    _make(folder)
    lock, data = FolderLock(folder), folder / "stage"
    lock.acquire()
    try:
        _make(data)
        await _processes(data).stop_marked()  # of a run that was killed
        _clear(data)
        _make(data)
        built = Stage(data)
        if small_disk:
            _mount_disk(built)
        try:
            async with built.running():
                yield built
        finally:
            if built.disk is not None:
                built.disk.unmount()
        if not built.stays:
            _clear(data)
    finally:
        lock.release()


def _make(folder: Path) -> None:
    folder.mkdir(mode=0o711, exist_ok=True)


def _disk_of(folder: Path) -> SmallDisk:
    return SmallDisk(folder / "disk.img", (folder / "postgres").resolve())


def _mount_disk(stage: Stage) -> None:
    find_home(stage.folder)  # it may be elsewhere, behind a link
    disk = _disk_of(stage.folder)
    try:
        disk.mount()
        stage.disk = disk
    except NoDisk as why:
        stage.why_no_disk = str(why)


def _clear(folder: Path) -> None:
    _disk_of(folder).unmount()  # of a run that was killed
    remove_home(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _processes(folder: Path) -> Processes:
    return Processes(folder, hashlib.sha256(str(folder).encode()).hexdigest()[:16])


async def _answers(url: str) -> bool:
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
            return (await http.get(url)).status_code == 200
    except httpx.HTTPError:
        return False


def _through(url: str, port: int) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}").geturl()
