"""A running Muster for the demo: the one that is up on the data folder, else one that is started and stopped again."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.console import Console

from cli.progress import Progress
from cli.stack.addresses import Addresses
from cli.stack.launcher import Stack
from cli.stack.lock import FolderInUse, holder
from cli.stack.part import PartFailed
from cli.stack.ports import Ports
from examples.crew import CannotRun
from settings import Settings


@dataclass(frozen=True)
class Muster:
    """Where it is. `stack`: None if somebody else started it."""

    api_url: str
    addresses: Addresses
    stack: Stack | None

    async def ended(self) -> PartFailed:
        """Wait until a part of our own stack ends by itself; for ever, if it is not ours."""
        return await (self.stack.wait_for_exit() if self.stack else asyncio.Future())


@contextlib.asynccontextmanager
async def muster(settings: Settings, console: Console) -> AsyncIterator[Muster]:
    """Raises CannotRun, or PartFailed from a part that does not start."""
    folder = settings.data_dir.expanduser().resolve()
    pid = holder(folder)
    if pid is not None:
        console.print(f"A stack is up on {folder} already (pid {pid}): the demo uses it.", soft_wrap=True)
        yield await _of_others(folder, settings.api_host)
        return
    progress = Progress(console, "Starting")
    stack = Stack(settings, report=progress)
    try:
        with progress:
            await stack.start()
            await stack.start_apps(fleet=False)
        assert stack.addresses is not None
        yield Muster(stack.api_url, stack.addresses, stack)
    except FolderInUse as error:  # somebody was faster
        raise CannotRun(f"{error} Run this again when it is up.") from None
    finally:
        if stack.is_started:
            with Progress(console, "Stopping") as stopped:
                await stack.stop(report=stopped)


async def _of_others(folder: Path, host: str) -> Muster:
    file = folder / "addresses.json"
    port = Ports(folder / "ports.json").remembered("api")
    url = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"
    with contextlib.suppress(httpx.HTTPError, FileNotFoundError):
        async with httpx.AsyncClient(trust_env=False) as http:
            if (await http.get(f"{url}/health/ready")).status_code == 200:
                return Muster(url, Addresses.model_validate_json(file.read_text()), None)
    raise CannotRun(
        f"Its API does not answer (port {port}): it is still starting, or has servers only."
        " Wait until it is up, or stop it with `make down`; then run this again."
    )
