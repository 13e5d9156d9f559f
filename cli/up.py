"""`muster up`: start everything, stay until told to stop, stop everything in order."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from settings import Settings

from .progress import Progress
from .stack.addresses import without_password
from .stack.launcher import Stack
from .stack.lock import FolderInUse
from .stack.part import PartFailed

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def up(settings: Settings, console: Console, *, servers_only: bool, fleet: bool) -> int:
    """Run the stack until a signal comes (exit code 0), a server ends or one of our programs will not stay up (1)."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stopping.set)
    progress = Progress(console, "Starting")
    stack = Stack(settings, report=progress)
    try:
        with progress:
            failure = await _until(stopping, stack.start())
            if not failure and not stopping.is_set() and not servers_only:
                failure = await _until(
                    stopping, stack.start_apps(fleet=fleet), stack.wait_for_exit(but=["api", "fleet"])
                )
        if not failure and not stopping.is_set():
            console.print(_addresses(stack))
            console.print("Ctrl-C stops everything that was started here.")
            failure = await _until(stopping, stack.keep_up(lambda part, state: console.print(_line(part, state))))
    except FolderInUse as error:
        console.print(f"{error} Use it, or stop it with `muster down`.", style="red", soft_wrap=True)
        return 1
    finally:
        # A second Ctrl-C would leave servers behind; stopping takes seconds.
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, console.print, "Still stopping …")
        if stack.is_started:
            with Progress(console, "Stopping") as stopped:
                await stack.stop(report=stopped)
    if failure:
        show(failure, console)
    return 1 if failure else 0


def show(failure: PartFailed, console: Console) -> None:
    """What failed, its last words, what to do."""
    if failure.log:
        console.print(Panel(escape(failure.log), title=f"{failure.part}: last lines of its log"))
    console.print(f"[red]{escape(str(failure))}[/red] {escape(failure.remedy)}", soft_wrap=True)


async def _until(stopping: asyncio.Event, *work: Coroutine[Any, Any, object]) -> PartFailed | None:
    """Work until it is done, one of it fails, or we are told to stop. Gives the failure, if there was one."""
    tasks = [asyncio.ensure_future(each) for each in work]
    told = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait([told, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                result = task.result()
                return result if isinstance(result, PartFailed) else None
        return None
    except PartFailed as failure:
        return failure
    finally:
        for task in [told, *tasks]:
            task.cancel()
        await asyncio.gather(told, *tasks, return_exceptions=True)


def _line(part: str, state: str) -> str:
    return f"[yellow]{escape(part)}: {escape(state)}[/yellow]"


def _addresses(stack: Stack) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    addresses = stack.addresses
    assert addresses is not None
    rows = {
        "API docs": f"{stack.api_url}/docs" if stack.api_url else "",
        "Temporal UI": addresses.temporal_ui_url,
        "Temporal": addresses.temporal_address,
        "PostgreSQL": without_password(addresses.database_url),
        "RabbitMQ": addresses.amqp_url,
        "RabbitMQ management": addresses.amqp_management_url,
        "MQTT": addresses.mqtt_url,
        "Data and logs": str(stack.data_dir),
    }
    for name, address in rows.items():
        if address:
            table.add_row(f"[bold]{name}[/bold]", escape(address))
    return table
