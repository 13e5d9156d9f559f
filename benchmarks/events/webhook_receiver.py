"""Receives webhooks, and says how many came when it is asked: a server that answers each at once."""

import asyncio
from typing import cast

import uvloop

from benchmarks.child import say, until_the_driver_is_gone
from benchmarks.planner import split_request

_ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (request := split_request(self._buffer)) is not None:
            _, self._buffer = request
            self._transport.write(_ANSWER)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", 0)
    say("listening", server.sockets[0].getsockname()[1])
    await until_the_driver_is_gone()


if __name__ == "__main__":
    uvloop.run(main())
