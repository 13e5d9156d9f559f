"""A TCP proxy before the broker that can be cut, at once or later, or made to swallow what the broker answers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from settings import Settings


class Proxy:
    """Forwards to `host:port`."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._writers: set[asyncio.StreamWriter] = set()
        self._dead: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.deaf = False
        self.closed = False
        self.dies_after: int | None = None
        """So many bytes of answers more, and all is cut; from then on it is closed."""
        self.answered = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.closed:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection(*self._target)
        self._writers |= {writer, back}
        for source, sink, answers in ((reader, back, False), (there, writer, True)):
            task = asyncio.create_task(self._pump(source, sink, answers))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                if answers:
                    data = self._count(data)
                if not (answers and self.deaf) and sink not in self._dead:
                    sink.write(data)
                if self.dies_after == 0:
                    await sink.drain()
                    self.closed = True
                    self.cut()
        sink.close()

    def _count(self, answer: bytes) -> bytes:
        if self.dies_after is not None:
            answer = answer[: self.dies_after]
            self.dies_after -= len(answer)
        self.answered += len(answer)
        return answer

    @property
    def open(self) -> bool:
        """Whether any connection is open."""
        return bool(self._tasks)

    def half_open(self) -> None:
        """Let nothing pass any more over the present connections, and tell neither end; new ones are well."""
        self._dead |= self._writers

    def cut(self) -> None:
        """Drop all connections at once, without a goodbye."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()


@contextlib.asynccontextmanager
async def before(url: str) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy before the server of an address, and the address that leads through it."""
    parts = urlsplit(url)
    assert parts.port is not None, "an address with its port"
    proxy = Proxy(parts.hostname or "127.0.0.1", parts.port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield proxy, parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}").geturl()
    finally:
        server.close()
        proxy.cut()
        await asyncio.gather(*proxy._tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def before_the_broker(settings: Settings) -> AsyncIterator[tuple[Proxy, Settings]]:
    """A proxy before the broker, and settings that lead through it."""
    async with before(settings.amqp_url) as (proxy, through):
        yield proxy, settings.model_copy(update={"amqp_url": through})
