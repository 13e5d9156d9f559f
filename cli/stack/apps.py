"""Our own programs as parts of the stack: the API, the worker and the demo fleet."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import httpx

from settings import Settings

from .part import wait_until_ready
from .processes import Processes

ROOT = Path(__file__).parents[2]
FLEET = ROOT / "examples" / "fleet.py"


class Api:
    """`python -m api`, ready when it says so."""

    name: ClassVar[str] = "api"
    label: ClassVar[str] = "API"
    remedy: ClassVar[str] = "Mend what the log says and start again."

    def __init__(self, settings: Settings, processes: Processes, env: Mapping[str, str]) -> None:
        self._settings, self._processes, self._env = settings, processes, env
        self.ports: Mapping[str, int] = {"api": settings.api_port}
        self.url = ""

    async def start(self, ports: Mapping[str, int]) -> str:
        """Start it and wait until it reaches everything it needs."""
        child = await self._processes.spawn(
            self.name,
            [sys.executable, "-m", "api"],
            env={**self._env, "MUSTER_API_PORT": str(ports["api"])},
            cwd=ROOT,
        )
        host = self._settings.api_host
        url = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{ports['api']}"

        async def ready() -> bool:
            try:
                async with httpx.AsyncClient(trust_env=False) as http:
                    return (await http.get(f"{url}/health/ready")).status_code == 200
            except httpx.HTTPError:
                return False

        await wait_until_ready(Api, child, ready, port=ports["api"])
        self.url = url
        return f"{url}/docs"

    async def stop(self) -> None:
        """Stop it."""
        await self._processes.stop(self.name)


class Worker:
    """`python -m worker`. It drains when it is stopped, so the servers must still be there then."""

    name: ClassVar[str] = "worker"
    label: ClassVar[str] = "Worker"
    remedy: ClassVar[str] = "Mend what the log says and start again."
    ports: Mapping[str, int] = {}

    def __init__(self, settings: Settings, processes: Processes, env: Mapping[str, str]) -> None:
        self._settings, self._processes, self._env = settings, processes, env

    async def start(self, ports: Mapping[str, int]) -> str:
        """Start it."""
        await self._processes.spawn(
            self.name,
            [sys.executable, "-m", "worker"],
            env=self._env,
            cwd=ROOT,
            grace=self._settings.graceful_shutdown + 10,
        )
        return "started"

    async def stop(self) -> None:
        """Stop it after it finished what it has in hand."""
        await self._processes.stop(self.name)


class Fleet:
    """The demo fleet: agents on the unmodified SDK."""

    name: ClassVar[str] = "fleet"
    label: ClassVar[str] = "Demo fleet"
    remedy: ClassVar[str] = "Mend what the log says, or start with --no-fleet."
    ports: Mapping[str, int] = {}

    def __init__(self, processes: Processes, env: Mapping[str, str], api_url: str) -> None:
        self._processes, self._env = processes, {**env, "MUSTER_API_URL": api_url}

    async def start(self, ports: Mapping[str, int]) -> str:
        """Start it."""
        await self._processes.spawn(self.name, [sys.executable, FLEET], env=self._env, cwd=ROOT)
        return "started"

    async def stop(self) -> None:
        """Stop it."""
        await self._processes.stop(self.name)
