"""A planner that answers at once, in a process of its own: the answer is the one that the mission's data carries.

Its own few lines of HTTP/1.1, since a framework would take more of the two cores than the planner's work does.
"""

import asyncio
import json
from typing import cast

import uvloop

from benchmarks.child import say, until_the_driver_is_gone

_END_OF_HEAD = b"\r\n\r\n"


def split_request(buffer: bytes) -> tuple[bytes, bytes] | None:
    """(body, what follows it) of the first request in the buffer, or None while it is not whole."""
    head, found, rest = buffer.partition(_END_OF_HEAD)
    if not found:
        return None
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return (rest[:length], rest[length:]) if len(rest) >= length else None


def answer(body: bytes) -> bytes:
    """The whole HTTP response."""
    content = json.dumps(json.loads(body)["request"]["answer"]).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        len(content),
        content,
    )


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (request := split_request(self._buffer)) is not None:
            body, self._buffer = request
            self._transport.write(answer(body))


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0)
    say("listening", server.sockets[0].getsockname()[1])
    await until_the_driver_is_gone()


if __name__ == "__main__":
    uvloop.run(main())
