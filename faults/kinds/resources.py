"""A server is there, and has no memory, connection, time or room for us."""

import asyncio
import contextlib
import time
from functools import partial

import asyncpg
import psutil

from faults.kinds.fault import Broken, Fault, NotPossibleHere
from faults.kinds.kills import RABBITMQ_GOAL
from faults.stage.stage import Stage
from faults.waiting import until

_LASTS = 8.0
_STOPPED_FOR = 10.0
_REFUSED = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


class MemoryAlarm(Fault):
    """RabbitMQ has no memory: it reads nothing more from whoever publishes."""

    name = "RabbitMQ: memory alarm"
    goal = RABBITMQ_GOAL

    async def strike(self, stage: Stage) -> None:
        self._usual = await stage.rabbitmq.call("vm_memory_monitor:get_vm_memory_high_watermark()")
        await stage.rabbitmq.call("vm_memory_monitor:set_vm_memory_high_watermark(0.00001)")
        await asyncio.sleep(_LASTS)
        if "memory" not in await stage.rabbitmq.call("rabbit_alarm:get_alarms()"):
            raise Broken("RabbitMQ has raised no alarm")

    async def mend(self, stage: Stage) -> None:
        await stage.rabbitmq.call(f"vm_memory_monitor:set_vm_memory_high_watermark({self._usual})")


class NoConnections(Fault):
    """Others have all connections to PostgreSQL; each that is given back they take."""

    name = "PostgreSQL: no connection left"

    async def strike(self, stage: Stage) -> None:
        taken: list[asyncpg.Connection] = []
        over = time.monotonic() + _LASTS
        # Whoever lost its connection finds none again, as after a failover.
        ours = await until(partial(_connection, stage), 30, "PostgreSQL has no connection even before")
        try:
            await _take(stage, taken)
            await ours.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend'"
                " AND pid <> pg_backend_pid() AND pid <> ALL($1::int[])",
                [connection.get_server_pid() for connection in taken],
            )
            while time.monotonic() < over:
                await _take(stage, taken)
                await asyncio.sleep(0.02)
        finally:
            ours.terminate()
            for connection in taken:
                connection.terminate()

    async def mend(self, stage: Stage) -> None:
        """They have given all back."""


async def _take(stage: Stage, taken: list[asyncpg.Connection]) -> None:
    """All that there are."""
    while (one := await _connection(stage)) is not None:
        taken.append(one)


async def _connection(stage: Stage) -> asyncpg.Connection | None:
    """None if there is none left."""
    with contextlib.suppress(*_REFUSED):
        return await asyncpg.connect(stage.postgres.url, timeout=2)
    return None


class Stopped(NoConnections):
    """PostgreSQL has no connection left, is stopped in order for that, and started after a while."""

    name = f"PostgreSQL: no connection left, then stopped for {_STOPPED_FOR:g} s"

    async def strike(self, stage: Stage) -> None:
        await super().strike(stage)
        await stage.stop("postgres")
        await asyncio.sleep(_STOPPED_FOR)

    async def mend(self, stage: Stage) -> None:
        await stage.start("postgres")


class Frozen(Fault):
    """SIGSTOP for all processes of PostgreSQL: they hold what they hold, and say nothing."""

    name = f"PostgreSQL: frozen for {_STOPPED_FOR:g} s"

    async def strike(self, stage: Stage) -> None:
        server = psutil.Process(stage.processes.children["postgres"].record.pid)
        server.suspend()  # first, so that it makes no more
        self._processes = [server, *server.children(recursive=True)]
        for process in self._processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        await asyncio.sleep(_STOPPED_FOR)

    async def mend(self, stage: Stage) -> None:
        for process in self._processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()


class FullDisk(Fault):
    """No room is left on PostgreSQL's disk: first for rows, then for its log, which ends the server."""

    name = "PostgreSQL: disk full"
    wants_small_disk = True

    async def strike(self, stage: Stage) -> None:
        if stage.disk is None:
            raise NotPossibleHere(stage.why_no_disk)
        over = time.monotonic() + _LASTS
        stage.disk.fill()
        await asyncio.sleep(_LASTS / 2)
        refused = False
        # Its log lives on in files that were made before; those are used up now.
        while time.monotonic() < over and not stage.is_dead("postgres"):
            try:
                connection = await asyncpg.connect(stage.postgres.url, timeout=2, command_timeout=2)
                try:
                    await connection.execute("CREATE TEMP TABLE IF NOT EXISTS nothing (n int)")
                    await connection.fetchval("SELECT pg_switch_wal()")
                finally:
                    connection.terminate()
            except _REFUSED:
                refused = True
            await asyncio.sleep(0.05)
        if not refused and not stage.is_dead("postgres"):
            raise Broken("PostgreSQL found room all the time")

    async def mend(self, stage: Stage) -> None:
        assert stage.disk is not None
        stage.disk.free()

        async def serves() -> bool:
            if stage.is_dead("postgres"):
                await stage.stop("postgres")
                await stage.start("postgres")
            try:
                connection = await asyncpg.connect(stage.postgres.url, timeout=2)
            except _REFUSED:
                return False
            connection.terminate()
            return True

        await until(serves, 60, "PostgreSQL does not come back")


def resource_faults() -> list[Fault]:
    """Each once."""
    return [MemoryAlarm(), NoConnections(), Stopped(), Frozen(), FullDisk()]
