"""The embedded stack: which parts are ours to start, in which order they start and stop."""

import asyncio
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from settings import Settings

from .addresses import Addresses, management_url_of
from .apps import FLEET, Api, Fleet, Worker
from .lock import FolderLock
from .part import Part, PartFailed
from .ports import Ports, is_free
from .postgres import Postgres
from .postgres_home import remove_home
from .processes import Child, Processes
from .rabbitmq import RabbitMQ
from .restarts import Restarts
from .temporal import Temporal

Report = Callable[[str, str], None]
"""Called with a part's label and what there is to say of it ("starting", "ready in …", "stopped")."""

APPS = ("fleet", "api", "worker")
SERVERS = ("postgres", "temporal", "rabbitmq", "rabbitmq-container")
HELPERS = ("initdb", "rabbitmq-call")  # they end by themselves


@dataclass(frozen=True)
class StackOptions:
    """How a stack for tests differs from one that people work with."""

    disposable: bool = False  # nothing survives: no fsync, Temporal in memory, killed instead of stopped
    usual_ports: bool = True  # False: any free ports


class Stack:
    """The servers that were not given by address, then our own programs. Use as an async context manager."""

    def __init__(
        self,
        settings: Settings,
        data_dir: Path | None = None,
        *,
        options: StackOptions | None = None,
        report: Report = lambda part, state: None,
    ) -> None:
        self._settings, self._report = settings, report
        self._options = options or StackOptions()
        self.data_dir = (data_dir or settings.data_dir).expanduser().resolve()
        # The variable only, not a profile in the user's home: a demo must not end up in someone's cluster.
        self._temporal_address = os.environ.get("TEMPORAL_ADDRESS", "")
        self._lock = FolderLock(self.data_dir)
        self._started: list[Part] = []
        self.addresses: Addresses | None = None
        self.api_url = ""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    @property
    def is_started(self) -> bool:
        """Whether the folder is ours, and so perhaps something to stop."""
        return self._lock.held

    @property
    def addresses_file(self) -> Path:
        """Where others find the addresses while the stack runs."""
        return self.data_dir / "addresses.json"

    def environment(self) -> dict[str, str]:
        """The variables that lead child processes and tests to this stack."""
        if self.addresses is None:
            raise RuntimeError("the stack is not started")
        return {
            **self.addresses.environment(),
            "MUSTER_DATA_DIR": str(self.data_dir),
            **({} if self._temporal_address else Temporal.environment),
        }

    async def start(self) -> Addresses:
        """Start the servers side by side. Raises `FolderInUse` or `PartFailed`, with nothing left running."""
        self._open()
        try:
            return await self._start_servers()
        except BaseException:
            await self.stop()
            raise

    async def start_apps(self, *, fleet: bool = True) -> None:
        """Start the worker and the API, then the demo fleet (if it is there)."""
        env = {**self.environment(), "PYTHONUNBUFFERED": "1"}
        api = Api(self._settings, self.processes, env)
        await self._start_parts([Worker(self._settings, self.processes, env), api])
        self.api_url = api.url
        if fleet and FLEET.exists():
            await self._start_parts([Fleet(self.processes, env, api.url)])

    async def wait_for_exit(self, *, but: Sequence[str] = ()) -> PartFailed:
        """Wait until a child (but these) ends by itself; say which and with what last words."""
        while True:
            for name, child in list(self.processes.children.items()):
                if name not in (*HELPERS, *but) and child.process.returncode is not None:
                    return _ended(child, f"ended by itself (exit code {child.process.returncode}).")
            await asyncio.sleep(0.2)

    async def keep_up(self, report: Report) -> PartFailed:
        """Start our own programs again whenever one ends by itself.

        Wait until a server ends, or one of ours ends at once several times in a row; say which.
        """
        apps = [part for part in self._started if isinstance(part, Api | Worker | Fleet)]
        waits = [self.wait_for_exit(but=APPS), *(self._restart(part, report) for part in apps)]
        tasks = [asyncio.ensure_future(wait) for wait in waits]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return next(iter(done)).result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _restart(self, part: Api | Worker | Fleet, report: Report) -> PartFailed:
        restarts = Restarts()
        while True:
            child = self.processes.children[part.name]
            code = await child.process.wait()
            pause = restarts.pause()
            if pause is None:
                return _ended(child, f"ended at once, {restarts.in_a_row} times in a row (exit code {code}).")
            report(part.label, f"ended by itself (exit code {code}); starts again in {pause:g} s")
            await asyncio.sleep(pause)
            await part.stop()  # what it left behind
            restarts.started()
            try:
                where = await _start(part, {name: self._ports.remembered(name) for name in part.ports})
                report(part.label, f"started again; {where}")
            except PartFailed as failure:  # it ended, which counts above; or it takes long
                if part.name not in self.processes.children:
                    return failure
                report(part.label, failure.reason)

    async def stop(self, report: Report | None = None) -> None:
        """Stop everything we started: our own programs first, since the worker drains, then the servers."""
        if not self._lock.held:
            return
        self._report = report or self._report
        apps = [part for part in self._started if isinstance(part, Api | Worker | Fleet)]
        servers = [part for part in self._started if part not in apps]
        for group in (apps, servers):
            results = await asyncio.gather(*map(self._stop_part, group), return_exceptions=True)
            for result in results:
                if isinstance(result, BaseException):
                    raise result
        self._started.clear()
        await self.processes.stop_marked()  # a child that was killed could not stop its own
        self.addresses_file.unlink(missing_ok=True)
        self._lock.release()

    async def stop_leftovers(self) -> None:
        """Stop what a launcher that was killed left behind, and start nothing."""
        if self.data_dir.exists():
            self._open()
            try:
                await self._clean_up()
            finally:
                self._lock.release()

    def remove_data(self) -> None:
        """Delete the data folder and what it points to."""
        remove_home(self.data_dir)
        shutil.rmtree(self.data_dir, ignore_errors=True)

    def _open(self) -> None:
        """Take the data folder."""
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock.acquire()
            marker = hashlib.sha256(str(self.data_dir).encode()).hexdigest()[:16]
            self.processes = Processes(self.data_dir, marker)
        except OSError as error:
            raise PartFailed(
                "Data folder",
                f"{self.data_dir} cannot be used: {error}",
                remedy="Give another folder in MUSTER_DATA_DIR.",
            ) from error

    async def _start_servers(self) -> Addresses:
        await self._clean_up()
        disposable = self._options.disposable
        self._ports = Ports(self.data_dir / "ports.json", usual=self._options.usual_ports)
        postgres = Postgres(self.data_dir, self.processes, disposable=disposable)
        rabbitmq = RabbitMQ(self.data_dir, self.processes, disposable=disposable)
        temporal = Temporal(self.data_dir, self.processes, disposable=disposable)
        given: dict[Part, str] = {
            postgres: self._settings.database_url,
            rabbitmq: self._settings.amqp_url,
            temporal: self._temporal_address,
        }
        for part, address in given.items():
            if address:
                self._report(part.label, "given by address")
        await self._start_parts([part for part, address in given.items() if not address])
        amqp_url = self._settings.amqp_url or rabbitmq.url
        self.addresses = Addresses(
            database_url=self._settings.database_url or postgres.url,
            amqp_url=amqp_url,
            amqp_management_url=rabbitmq.management_url
            or self._settings.amqp_management_url
            or management_url_of(amqp_url),
            temporal_address=self._temporal_address or temporal.address,
            temporal_ui_url=temporal.ui_url or self._settings.temporal_ui_url,
            mqtt_url=rabbitmq.mqtt_url or self._settings.mqtt_url,
        )
        new = self.addresses_file.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(self.addresses.model_dump_json(indent=1))
        new.replace(self.addresses_file)
        return self.addresses

    async def _clean_up(self) -> None:
        """Stop what a launcher that was killed left behind on this folder."""
        recorded = self.processes.recorded()
        if not recorded:
            return
        self._report("Earlier run", "stopping what it left behind")
        await self.processes.stop_leftovers(APPS)
        if "rabbitmq" in recorded and recorded["rabbitmq"].is_alive():
            await RabbitMQ(self.data_dir, self.processes, disposable=False).unhook_statistics()
        await self.processes.stop_leftovers([*SERVERS, *HELPERS])
        await self.processes.stop_leftovers(["epmd"])
        await self.processes.stop_marked()
        self._report("Earlier run", "what it left behind is stopped")

    async def _start_parts(self, parts: Sequence[Part]) -> None:
        ports = self._ports.choose({name: usual for part in parts for name, usual in part.ports.items()})
        self._started.extend(parts)
        tasks = [asyncio.ensure_future(self._start_part(part, ports)) for part in parts]
        try:
            await asyncio.gather(*tasks)
        finally:
            # After a failure, or a Ctrl-C, no start may go on while we stop.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _start_part(self, part: Part, ports: dict[str, int]) -> None:
        began = time.monotonic()
        self._report(part.label, "starting")
        for attempt in range(3):
            try:
                where = await _start(part, ports)
                break
            except PartFailed:
                await part.stop()
                taken = [name for name in part.ports if not is_free(ports[name])]
                if not taken or attempt == 2:
                    raise
                # Someone was faster between our look and the server's bind.
                ports = ports | self._ports.choose(part.ports)
                self._report(part.label, f"starting again, {', '.join(taken)} port was taken")
        moved = [
            f"{usual} is taken, moved to {ports[name]}"
            for name, usual in part.ports.items()
            if usual and ports[name] != usual and self._options.usual_ports
        ]
        took = f"ready in {time.monotonic() - began:.1f} s"
        self._report(part.label, "; ".join([took, where, *moved]))

    async def _stop_part(self, part: Part) -> None:
        await part.stop()
        self._report(part.label, "stopped")


async def _start(part: Part, ports: Mapping[str, int]) -> str:
    """Start it; raises `PartFailed`, also where the machine gives no process or takes no log."""
    try:
        return await part.start(ports)
    except OSError as error:
        raise PartFailed(part.label, f"cannot be started: {error}.", remedy=part.remedy) from error


def _ended(child: Child, reason: str) -> PartFailed:
    return PartFailed(child.record.name, reason, log=child.log_tail(), remedy=f"Full log: {child.log}")
