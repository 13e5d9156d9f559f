"""A TCP proxy in a process of its own: the network between two parts, which can fail.

    python -m faults.stage.proxy postgres=127.0.0.1:5432 rabbitmq=127.0.0.1:5672

It says `["listening", {name: port}]`. A line `["cut", "postgres"]` on its standard input changes a link, and is
answered with `["done"]`:

- `cut`: all connections are reset, new ones too
- `stall`: nothing passes, nothing is closed, new connections stall as well; all goes on when it is mended
- `half_open`: what is connected now is forgotten on the way, both sides think that they still have each other; new
  connections work
- `delay`, with seconds: all passes that much later, in order
- `mend`: the link is well again
"""

import argparse
import asyncio
import contextlib
import json
import socket
import struct
import sys
from collections.abc import Callable

import uvloop

from benchmarks.child import say

_CHUNK = 256 * 1024
_RESET = struct.pack("ii", 1, 0)


class Connection:
    """One connection through the proxy."""

    def __init__(self, link: "Link") -> None:
        self._link = link
        self._forgotten = False
        self._writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry what comes, until one side closes."""
        self._writers.append(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await self._link.passes.wait()
            far_reader, far_writer = await asyncio.open_connection(*self._link.target, limit=_CHUNK)
            self._writers.append(far_writer)
            await asyncio.gather(self._carry(reader, far_writer), self._carry(far_reader, writer))
        if not self._forgotten:
            self.reset()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        late: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=1000)

        async def pass_on() -> None:
            while True:
                due, data = await late.get()
                if due > loop.time():
                    await asyncio.sleep(due - loop.time())
                await self._link.passes.wait()
                if self._forgotten:
                    continue
                if writer.transport.is_closing():
                    self.reset()
                    return
                if not data:
                    if writer.can_write_eof():
                        writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()

        passing = asyncio.ensure_future(pass_on())
        try:
            while data := await reader.read(_CHUNK):
                await late.put((loop.time() + self._link.delay, data))
            await late.put((0, b""))
            await passing
        finally:
            passing.cancel()

    def forget(self) -> None:
        """Let nothing pass any more, and tell nobody."""
        self._forgotten = True

    def reset(self) -> None:
        """Close it at once, on both sides."""
        for writer in self._writers:
            if writer.transport.is_closing():
                continue
            with contextlib.suppress(OSError):
                raw = writer.get_extra_info("socket")
                if raw is not None:
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()


class Link:
    """The way to one server."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.delay = 0.0
        self.passes = asyncio.Event()
        self.passes.set()
        self._cut = False
        self._connections: set[Connection] = set()

    async def listen(self) -> int:
        """Listen on a free port; returns it."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=_CHUNK, backlog=1000)
        port: int = server.sockets[0].getsockname()[1]
        return port

    def cut(self) -> None:
        """Reset all, and let nobody in."""
        self._cut = True
        self.passes.set()
        for connection in list(self._connections):
            connection.reset()

    def stall(self) -> None:
        """Let nothing pass for now."""
        self.passes.clear()

    def half_open(self) -> None:
        """Forget what is connected now."""
        for connection in self._connections:
            connection.forget()

    def mend(self) -> None:
        """Let everything pass again."""
        self._cut, self.delay = False, 0.0
        self.passes.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(self)
        if self._cut:
            writer.transport.abort()
            return
        self._connections.add(connection)
        try:
            await connection.serve(reader, writer)
        finally:
            self._connections.discard(connection)


async def _obey(links: dict[str, Link]) -> None:
    """Do as the lines on the standard input say, until it ends."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        order, name, *values = json.loads(line)
        link = links[name]
        orders: dict[str, Callable[[], None]] = {
            "cut": link.cut,
            "stall": link.stall,
            "half_open": link.half_open,
            "mend": link.mend,
        }
        if order == "delay":
            link.delay = float(values[0])
        else:
            orders[order]()
        say("done")


async def main(targets: list[str]) -> None:
    links = {}
    for target in targets:
        name, _, address = target.partition("=")
        host, _, port = address.partition(":")
        links[name] = Link((host, int(port)))
    say("listening", {name: await link.listen() for name, link in links.items()})
    await _obey(links)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("links", nargs="+", help="name=host:port")
    uvloop.run(main(parser.parse_args().links))
