"""Reads the live stream with many connections at once: `stream_readers READERS COUNT URL TOKEN [FILTER]`.

Its own few lines of HTTP, since a client library for each of a hundred readers would be what is measured. The first
reader looks at each event's time; the others only count. COUNT 0: they only take them.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

import uvloop

from benchmarks.child import say, until_the_driver_is_gone
from benchmarks.events.delays import Delays

_DATA = b"data: "
_OPENED = b"200"


class Reader(asyncio.Protocol):
    """One connection. `each`: what to do with the lines that carry an event."""

    def __init__(self, request: bytes, opened: Callable[[], None], each: Callable[[list[bytes]], None]) -> None:
        self._request, self._opened, self._each = request, opened, each
        self._rest = b""
        self._is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        if not self._is_open:
            assert _OPENED in data.partition(b"\r\n")[0], data[:500]
            self._is_open = True
            self._opened()
        *lines, self._rest = (self._rest + data).split(b"\n")
        found = [line for line in lines if line.startswith(_DATA)]
        if found:
            self._each(found)

    def connection_lost(self, exc: Exception | None) -> None:
        say("cut", repr(exc))


async def main() -> None:
    readers, count, url, token = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
    wanted = sys.argv[5] if len(sys.argv) > 5 else "type=recipe.changed"
    address = urlsplit(url)
    request = (
        f"GET /api/v1/events/stream?{wanted} HTTP/1.1\r\nHost: {address.netloc}\r\n"
        f"Authorization: Bearer {token}\r\nAccept: text/event-stream\r\n\r\n"
    ).encode()
    open_, left, delays = 0, readers, Delays()

    def opened() -> None:
        nonlocal open_
        open_ += 1
        if open_ == readers:
            say("listening")

    def counting(looks: bool) -> Callable[[list[bytes]], None]:
        got = 0

        def each(lines: list[bytes]) -> None:
            nonlocal got, left
            got += len(lines)
            if looks and count:
                for line in lines:
                    delays.note(json.loads(line[len(_DATA) :])["timestamp"])
            if count and got >= count > got - len(lines):
                left -= 1
                if not left:
                    say("all", time.time(), delays.take())

        return each

    loop = asyncio.get_running_loop()
    host, port = address.hostname or "127.0.0.1", address.port or 80
    for number in range(readers):
        each = counting(number == 0)
        # mypy cannot infer a lambda with a default.
        await loop.create_connection(lambda each=each: Reader(request, opened, each), host, port)  # type: ignore[misc]
    await until_the_driver_is_gone()


if __name__ == "__main__":
    uvloop.run(main())
