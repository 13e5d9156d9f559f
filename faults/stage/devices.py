"""A simulated platform and its instruments in a process of their own, with a journal.

python -m faults.stage.devices --journal FILE --yard yard --platform PF0 --ctd CTD0A
"""

import argparse
import asyncio
import logging
from pathlib import Path

from examples.instruments.instrument import State
from examples.instruments.simulator import Instruments, Kind, Simulated
from faults.stage.journal import Journal, read
from settings import Settings


async def main(options: argparse.Namespace) -> None:
    """Keep the devices up."""
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)
    # In a second life they stand where the first one's commands had brought them.
    state = State.COMMAND if any(read(options.journal)) else State.UNINITIALIZED
    journal = Journal(options.journal)
    async with Instruments(Settings(), options.yard, patience=600) as instruments:
        for kind, uuid in [(Kind.PLATFORM, options.platform), *((Kind.CTD, ctd) for ctd in options.ctd)]:
            _write(journal, await instruments.start(uuid, kind, state=state))
        journal.write("", "started", agents=list(instruments.running))
        await asyncio.Event().wait()


def _write(journal: Journal, device: Simulated) -> None:
    def sent(command: object) -> None:
        facts = vars(command)
        journal.write(
            device.uuid, "begin", mission=facts["mission"], assignment=facts["assignment"], command=facts["name"]
        )

    device.conversation.on_command = sent
    device.on_connection = lambda what: journal.write(device.uuid, what)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--yard", required=True)
    parser.add_argument("--platform", required=True)
    parser.add_argument("--ctd", action="append", default=[])
    asyncio.run(main(parser.parse_args()))
