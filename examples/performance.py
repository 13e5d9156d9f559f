"""What the demos do around their own part: one at a time, on a running Muster, everything stopped whatever happens."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import httpx
from rich.console import Console

from cli.stack.lock import FolderInUse, FolderLock
from cli.stack.part import PartFailed
from cli.up import show
from examples.crew import CannotRun
from examples.running import Muster, muster
from settings import Settings

Played = TypeVar("Played")


async def perform(
    settings: Settings,
    console: Console,
    name: str,
    play: Callable[[Muster, Path], Awaitable[Played]],
    report: Callable[[Played, Path], int],
) -> int:
    """Play, and report when Muster has been stopped again; returns the exit code.

    `name`: of the demo's own folder in the data folder, which both get. `play` may raise CannotRun.
    """
    folder = settings.data_dir.expanduser().resolve() / name
    for each in (folder.parent, folder):
        each.mkdir(mode=0o700, exist_ok=True)
    lock = FolderLock(folder)
    try:
        lock.acquire()
        async with muster(settings, console) as running:
            work = asyncio.ensure_future(_played(play, running, folder))
            ended = asyncio.ensure_future(running.ended())
            try:
                await asyncio.wait({work, ended}, return_when=asyncio.FIRST_COMPLETED)
                if not work.done():
                    raise ended.result()
                played = work.result()
            finally:
                # Also after a Ctrl-C: what the demo started stops before the servers do.
                for task in (work, ended):
                    task.cancel()
                await asyncio.gather(work, ended, return_exceptions=True)
        return report(played, folder)
    except FolderInUse as error:
        console.print(f"Another demo runs on this data folder (pid {error.pid}).", style="red")
    except CannotRun as error:
        console.print(str(error), style="red", soft_wrap=True)
    except PartFailed as failure:
        show(failure, console)
    finally:
        lock.release()
    return 1


async def _played(play: Callable[[Muster, Path], Awaitable[Played]], running: Muster, folder: Path) -> Played:
    try:
        return await play(running, folder)
    except httpx.HTTPError as error:
        log = folder.parent / "logs" / "api.log"
        raise CannotRun(f"The API does not answer: {error!r}. Its log: {log}") from None


def run(performance: Callable[[], Coroutine[Any, Any, int]]) -> NoReturn:
    """Run a demo and exit with its code; Ctrl-C and SIGTERM cancel it, and it then stops all that it started."""
    try:
        sys.exit(asyncio.run(_until_told(performance)))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)


async def _until_told(performance: Callable[[], Coroutine[Any, Any, int]]) -> int:
    task = asyncio.current_task()
    assert task is not None
    told = False

    def stop() -> None:
        nonlocal told
        if not told:  # a second Ctrl-C must not cut the stopping: it would leave servers behind
            told = True
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    return await performance()
