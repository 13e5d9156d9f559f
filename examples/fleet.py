"""The demo fleet of `muster up`: a planner and three trucks, until SIGTERM.

By hand, against any Muster: MUSTER_API_URL, MUSTER_AMQP_URL and MUSTER_API_TOKEN say where.
"""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

if not __package__:
    # Run as a script: here, `import fleet` would find this file instead of the package.
    sys.path[0] = str(Path(__file__).parents[1])

import httpx

from api.token import ensure_token
from cli.stack.processes import MARKER, Processes
from examples.crew import CannotRun, Crew, api_client
from examples.watch import eventually
from settings import Settings, read_settings

TRUCKS = ("truck-1", "truck-2", "truck-3")


_PATIENCE = 60.0


async def _is_ready(api: httpx.AsyncClient) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return (await api.get("/yards")).is_success
    return False


async def run(settings: Settings) -> None:
    """Keep the fleet up until told to stop."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    folder = settings.data_dir / "fleet"
    folder.mkdir(parents=True, exist_ok=True)
    # The launcher's own mark: should we be killed, its next start also finds our children.
    processes = Processes(folder, os.environ.get(MARKER, "muster-fleet"))
    async with api_client(settings.public_api_url, ensure_token(settings)) as api:
        crew = Crew(settings, api, processes, folder, amqp_url=settings.amqp_url, service_type="drive", trucks=TRUCKS)
        try:
            # It may be starting again, as we may.
            if not await eventually(lambda: _is_ready(api), _PATIENCE):
                raise CannotRun(f"The API at {settings.public_api_url} is not ready.")
            await crew.start(recipes="keep")
            print(f"{', '.join(TRUCKS)} and their planner run; logs in {folder}", flush=True)
            while not stopping.is_set():
                await crew.start_missing()
                await asyncio.wait([asyncio.ensure_future(stopping.wait())], timeout=1)
        finally:
            await crew.stop()


if __name__ == "__main__":
    try:
        asyncio.run(run(read_settings()))
    except CannotRun as error:
        sys.exit(str(error))
