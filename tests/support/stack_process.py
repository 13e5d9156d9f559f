"""The services of one test run, in a process of their own: `python stack_process.py FOLDER OWNER_PID`.

Its own process, because several pytest workers share it, and because it then ends when the owner (pytest) is gone
for whatever reason, so that no server is left behind.
"""

import asyncio
import os
import shutil
import signal
import sys
import traceback
from pathlib import Path

import psutil

from cli.stack.launcher import Stack, StackOptions
from cli.stack.part import PartFailed
from settings import Settings
from tests.support.containers import start_missing


async def serve(folder: Path, owner: psutil.Process) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    settings, temporal_address, containers = start_missing(Settings())
    if temporal_address:
        os.environ["TEMPORAL_ADDRESS"] = temporal_address
    options = StackOptions(disposable=True, usual_ports=False)
    stack = Stack(settings, folder / "stack", options=options)
    try:
        try:
            await stack.start()
        except PartFailed as failure:
            (folder / "failed").write_text(f"{failure}\n{failure.log}\n{failure.remedy}")
            return
        while not stop.is_set() and owner.is_running():
            await asyncio.wait([asyncio.ensure_future(stop.wait())], timeout=0.5)
    finally:
        await stack.stop()
        stack.remove_data()
        for container in containers:
            container.stop()
        if not owner.is_running():
            shutil.rmtree(folder, ignore_errors=True)  # nobody else will


def main() -> None:
    folder, owner = Path(sys.argv[1]), psutil.Process(int(sys.argv[2]))
    if os.fork():
        os._exit(0)  # whoever called us need not wait for us
    os.setsid()
    (folder / "pid").write_text(str(os.getpid()))
    try:
        asyncio.run(serve(folder, owner))
    except BaseException:
        (folder / "failed").write_text(traceback.format_exc())
        raise


if __name__ == "__main__":
    main()
