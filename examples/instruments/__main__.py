"""Simulated instruments and their platform as a process, until SIGTERM.

    python -m examples.instruments --platform LJ01D --ctd SBE37_SIM_02 --ctd SBE37_SIM_03 --camera HDCAM

Muster's own settings say where the broker is (MUSTER_AMQP_URL). A line `<uuid> <order>` on the standard input, or an
instant action `<order>`, makes something go wrong or happen (README.md). Each command that a device was sent is a line
of JSON on the standard output.
"""

import argparse
import asyncio
import contextlib
import json
import signal
import sys

from api.token import ensure_token
from examples.crew import api_client
from examples.instruments.instrument import State
from examples.instruments.registration import register
from examples.instruments.simulator import Instruments, Kind, Simulated
from settings import read_settings


async def run(options: argparse.Namespace) -> None:
    """Keep the devices up until told to stop."""
    settings = read_settings()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    sampling, scale = options.sampling, options.time_scale
    async with Instruments(settings, options.yard, sampling=sampling, time_scale=scale, patience=60) as instruments:
        for kind in Kind:
            for uuid in getattr(options, kind):
                show(await instruments.start(uuid, kind, state=options.state))
        if options.register:
            async with api_client(settings.public_api_url, ensure_token(settings)) as api:
                (platform,) = options.platform
                await register(api, platform, [*options.ctd, *options.camera, *options.sdk])
        print(json.dumps({"listening": list(instruments.running)}), flush=True)
        for line in options.order:
            order(instruments, line)
        orders = asyncio.ensure_future(read_orders(instruments))
        lost = [asyncio.ensure_future(each.lost()) for each in instruments.running.values()]
        stopped = asyncio.ensure_future(stopping.wait())
        await asyncio.wait([stopped, *lost], return_when=asyncio.FIRST_COMPLETED)
        for task in (orders, stopped, *lost):
            task.cancel()
        if not stopping.is_set():
            sys.exit("The connection to the broker is lost.")


def show(device: Simulated) -> None:
    """Print what it is sent."""
    uuid = device.uuid
    device.conversation.on_command = lambda sent: print(json.dumps({"agent": uuid, **vars(sent)}), flush=True)


def order(instruments: Instruments, line: str) -> None:
    """Do as the operator says: `<uuid> <order>`."""
    uuid, _, words = line.strip().partition(" ")
    device = instruments.running.get(uuid)
    answer = device.conversation.tell(words) if device else f"no device {uuid!r}"
    print(json.dumps({"agent": uuid, "order": words, "answer": answer}), flush=True)


async def read_orders(instruments: Instruments) -> None:
    """From the standard input, until it ends."""
    reader = asyncio.StreamReader()
    with contextlib.suppress(ValueError):  # a file, not a pipe or a terminal: nothing will come
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            if line.strip():
                order(instruments, line.decode())


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m examples.instruments", description=__doc__.split("\n")[0])
    for kind in Kind:
        parser.add_argument(f"--{kind}", action="append", default=[], metavar="UUID", help="may be given several times")
    parser.add_argument(
        "--sdk", action="append", default=[], metavar="UUID", help="register this one too, run elsewhere"
    )
    parser.add_argument("--yard", default="demo", help="uid of their yard")
    parser.add_argument("--state", default=State.COMMAND, choices=list(State), help="where instruments stand at first")
    parser.add_argument("--order", action="append", default=[], help="given at the start, e.g. 'SBE37_SIM_02 fail RUN'")
    parser.add_argument("--sampling", type=float, default=1.0, help="seconds between two messages while one streams")
    parser.add_argument(
        "--time-scale", type=float, default=1.0, help="how many times as fast as the clock profiles run"
    )
    parser.add_argument("--register", action="store_true", help="tell the API which are the one platform's instruments")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
