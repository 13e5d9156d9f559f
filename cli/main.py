"""The `muster` command."""

import asyncio
import contextlib
import os
import shlex
import signal
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from settings import read_settings

from .stack.addresses import Addresses
from .stack.lock import STARTING_OR_STOPPING, holder

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Durable missions for fleets of agents.", rich_markup_mode=None
)
console = Console(highlight=False)


@app.command()
def up(
    fleet: Annotated[bool, typer.Option(help="Start the demo fleet too.")] = True,
    servers_only: Annotated[
        bool, typer.Option("--servers-only", help="Only PostgreSQL, RabbitMQ and Temporal.")
    ] = False,
) -> None:
    """Start the whole stack and keep it up until Ctrl-C."""
    from .up import up as run  # imported here: `muster --help` stays quick

    raise typer.Exit(asyncio.run(run(read_settings(), console, servers_only=servers_only, fleet=fleet)))


@app.command()
def down() -> None:
    """Stop the stack of this folder, and what a crashed one left behind."""
    from .stack.launcher import Stack

    folder = read_settings().data_dir.resolve()
    deadline = time.monotonic() + 2
    while (pid := holder(folder)) == STARTING_OR_STOPPING:
        # There is no process 0: a signal to it would reach our own process group.
        if time.monotonic() > deadline:
            console.print("The stack is starting or stopping. Try again in a moment.")
            raise typer.Exit(1)
        time.sleep(0.05)
    if pid is None:
        asyncio.run(Stack(read_settings()).stop_leftovers())
        console.print("Nothing runs here any more.")
        return
    console.print(f"Stopping the stack (pid {pid}) …")
    with contextlib.suppress(ProcessLookupError):  # it just ended
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + read_settings().graceful_shutdown + 40
    while holder(folder) is not None:
        if time.monotonic() > deadline:
            console.print(f"It does not stop. Its logs are in {folder / 'logs'}; `kill -9 {pid}`, then this again.")
            raise typer.Exit(1)
        time.sleep(0.1)
    console.print("Stopped.")


Files = Annotated[list[Path], typer.Argument(help="YAML files of recipes and services, also helyOS's.")]


@app.command()
def apply(
    files: Files,
    existing: Annotated[
        str, typer.Option(help="What to do with names that are there already: replace, keep or refuse.")
    ] = "replace",
) -> None:
    """Bring recipes and services into a running Muster: all of the files or none."""
    from api.imports import Existing

    from .files import apply as run

    if existing not in list(Existing):
        raise typer.BadParameter(f"{existing!r} is none of {', '.join(Existing)}", param_hint="--existing")
    raise typer.Exit(run(read_settings(), files, Existing(existing), console))


@app.command()
def validate(files: Files) -> None:
    """Say what is wrong with files of recipes and services; needs no running Muster."""
    from .files import validate as run

    raise typer.Exit(run(files, console))


mission_file = typer.Typer(no_args_is_help=True, help="Mission files of platforms.", rich_markup_mode=None)
app.add_typer(mission_file, name="mission-file")


@mission_file.command("validate")
def validate_mission_files(
    files: Annotated[list[str], typer.Argument(help="Mission files; `-`: standard input.")],
    platform: Annotated[
        str, typer.Option(help="A platform's id, uuid or alias: the API says whether it has their instruments.")
    ] = "",
) -> None:
    """Say what is wrong with mission files, with line and column; needs no running Muster."""
    from .mission_files import validate as run

    raise typer.Exit(run(read_settings(), files, platform, console))


@mission_file.command("run")
def run_mission_file(
    file: Annotated[str, typer.Argument(help="Mission file; `-`: standard input.")],
    platform: Annotated[str, typer.Option(help="The platform's id, uuid or alias.")],
    mission_id: Annotated[str, typer.Option(help="Your own id of the mission: letters, digits and `_.:-`.")],
) -> None:
    """Run a mission file on a platform; prints the mission's id and address."""
    from .mission_files import run

    raise typer.Exit(run(read_settings(), file, platform, mission_id, console))


@app.command()
def status(
    env: Annotated[bool, typer.Option("--env", help='As variables: eval "$(muster status --env)"')] = False,
) -> None:
    """Show whether the stack of this folder runs, and where."""
    folder = read_settings().data_dir.resolve()
    pid = holder(folder)
    file = folder / "addresses.json"
    if not pid or not file.exists():
        # Not to stdout, which `--env` gives to a shell.
        words = "Not running. `muster up` starts it." if pid is None else "Starting or stopping."
        Console(stderr=True, highlight=False).print(words)
        raise typer.Exit(1)
    addresses = Addresses.model_validate_json(file.read_text())
    if env:
        for name, value in addresses.environment().items():
            print(f"export {name}={shlex.quote(value)}")
        return
    console.print(f"Running (pid {pid}), data and logs in {folder}")
    for name, value in addresses.environment().items():
        console.print(f"{name}={value}", soft_wrap=True)


if __name__ == "__main__":
    app()
