"""The command line that the consumers share: where their events come from."""

import argparse
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from examples.consumers.feed import Cursor, Event, from_queue, from_stream


def events_of(description: str | None, types: Sequence[str]) -> AsyncIterator[Event]:
    """The events that the command line asks for: from the live stream, or with `--amqp` from a queue."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="of Muster's API")
    parser.add_argument("--token", default="", help="of the API")
    parser.add_argument("--cursor", type=Path, help="file that keeps the position in the stream")
    parser.add_argument("--amqp", help="address of the broker: take the events from a queue instead")
    parser.add_argument("--queue", default="my-events", help="name of that queue")
    given = parser.parse_args()
    if given.amqp:
        return from_queue(given.amqp, given.queue, types)
    return from_stream(given.url, given.token, types, Cursor(given.cursor))
