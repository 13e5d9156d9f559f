"""`python -m benchmarks`: about eight minutes; `--short` for one."""

import argparse
import asyncio
import os
import signal
import sys

import httpx
from rich.console import Console

from benchmarks.results import Results
from benchmarks.run import Part, Plan, Run
from benchmarks.stage import DATA, stage
from benchmarks.table import show
from cli.progress import Progress
from cli.stack.lock import FolderInUse
from cli.stack.part import PartFailed

_WIDTH = 110  # of the table


async def run(plan: Plan, only: Part | None, console: Console) -> Results:
    """Set up, measure, tear down."""
    main = asyncio.current_task()
    assert main is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, main.cancel)
    async with stage(Progress(console, "Starting"), Progress(console, "Stopping")) as ready:
        with console.status("Measuring …"):
            measuring = asyncio.create_task(Run(ready, plan, only).measure())
            ready.watch.add_done_callback(lambda _: measuring.cancel())
            try:
                return await measuring
            except asyncio.CancelledError:
                if ready.watch.done() and not ready.watch.cancelled():
                    ready.watch.result()  # a process that must run has ended: says which
                raise


def main() -> int:
    """The command line; 0 if the gate is met (or was not measured) and no mission failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Muster beside its bare engine.")
    parser.add_argument("--short", action="store_true", help="a few seconds for each figure: to try, not to quote")
    parser.add_argument("--only", type=Part, choices=list(Part), help="measure a part; engine: the bare engine alone")
    options = parser.parse_args()
    console = Console(highlight=False)
    console.width = max(console.width, _WIDTH)
    try:
        results = asyncio.run(run(Plan.short() if options.short else Plan(), options.only, console))
    except asyncio.CancelledError:
        return 130
    except (FolderInUse, PartFailed, RuntimeError, TimeoutError, httpx.HTTPError) as error:
        console.print(str(error) or repr(error), style="red", soft_wrap=True)
        console.print(f"Logs: {DATA / 'logs'}")
        return 1
    show(results, console)
    console.print(f"Kept in {results.write()}")
    return 0 if results.ok else 1


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # Temporal's native runtime may abort an interpreter that ends in the usual way.
    os._exit(code)
