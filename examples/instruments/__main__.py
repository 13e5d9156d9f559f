"""Simulated instruments and their platform as a process, until SIGTERM.

    python -m examples.instruments --platform LJ01D --ctd SBE37_SIM_02 --ctd SBE37_SIM_03 --camera HDCAM

Muster's own settings say where the broker is (MUSTER_AMQP_URL). A line `<uuid> <order>` on the standard input, or an
instant action `<order>`, makes something go wrong or happen (README.md). Each command that a device was sent is a line
of JSON on the standard output.
"""

import argparse
import asyncio
import json
import logging
import os
import signal
import stat
import sys
from typing import Any

import httpx

from api.token import ensure_token
from examples.crew import api_client
from examples.instruments.instrument import State
from examples.instruments.registration import ask_for_state, register
from examples.instruments.simulator import Instruments, Kind, Simulated
from examples.thin_agent import CheckInRefused
from settings import read_settings


async def run(options: argparse.Namespace) -> None:
    """Keep the devices up until told to stop."""
    settings = read_settings()
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # we tell of lost connections ourselves
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
                await make_known(api, instruments, options)
        print(json.dumps({"listening": list(instruments.running)}), flush=True)
        for line in options.order:
            order(instruments, line)
        orders = asyncio.ensure_future(read_orders(instruments))
        await stopping.wait()
        orders.cancel()


async def make_known(api: httpx.AsyncClient, instruments: Instruments, options: argparse.Namespace) -> None:
    """Tell the API what the devices are; then they say their states again, which count of instruments only."""
    (platform,) = options.platform
    await register(api, platform, [*options.ctd, *options.camera, *options.sdk])
    for device in instruments.running.values():
        device.conversation.say_state()
        await device.said()
    for uuid in options.sdk:
        await ask_for_state(api, uuid)


def show(device: Simulated) -> None:
    """Print what it is sent, and what becomes of its connection."""

    def tell(**facts: Any) -> None:
        print(json.dumps({"agent": device.uuid, **facts}), flush=True)

    device.conversation.on_command = lambda sent: tell(**vars(sent))
    device.on_connection = lambda what: tell(connection=what)


def order(instruments: Instruments, line: str) -> None:
    """Do as the operator says: `<uuid> <order>`."""
    uuid, _, words = line.strip().partition(" ")
    device = instruments.running.get(uuid)
    answer = device.conversation.tell(words) if device else f"no device {uuid!r}"
    print(json.dumps({"agent": uuid, "order": words, "answer": answer}), flush=True)


async def read_orders(instruments: Instruments) -> None:
    """From the standard input, until it ends."""
    kind = os.fstat(sys.stdin.fileno()).st_mode
    if not (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind) or sys.stdin.isatty()):
        return  # a file or nothing: an event loop cannot wait for these
    reader = asyncio.StreamReader()
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
    try:
        asyncio.run(run(parser.parse_args()))
    except CheckInRefused as refused:
        sys.exit(f"{refused} (its yard is named with --yard)")


if __name__ == "__main__":
    main()
