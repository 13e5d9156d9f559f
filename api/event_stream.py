"""A live stream of events as an answer: server-sent events, for as long as the reader takes them."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.live_log import LiveLog, Reader, TooManyReaders
from api.problems import Problem, problem_response
from missions.errors import Gone
from settings import Settings

MEDIA_TYPE = "text/event-stream"

_LAST_WORD = 1.0
"""Seconds for the last block: the process would wait for a reader that takes nothing before it stops."""

Blocks = Callable[[Reader], AsyncIterator[bytes]]
"""What a stream sends: parts of it, each of whole blocks."""


class EventStream(Response):
    """Sends what comes for a reader, says now and then that it lives, and drops a reader that takes nothing.

    A plain response of ours: the framework's own makes each event anew for each reader (docs/decisions.md).
    """

    media_type = MEDIA_TYPE

    def __init__(self, log: LiveLog, settings: Settings, reader: Reader, blocks: Blocks | None = None) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._log, self._reader = log, reader
        self._blocks = blocks or self._follow
        self._heartbeat, self._send_timeout = settings.stream_heartbeat_interval, settings.stream_send_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; 503 if as many read as may."""
        try:
            with self._log.reading(self._reader):
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                if scope["method"] == "HEAD":
                    await send({"type": "http.response.body"})
                else:
                    await self._stream(scope, receive, send)
        except TooManyReaders:
            await _too_many()(scope, receive, send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.create_task(self._send(send))
        left = asyncio.create_task(_left(receive))
        ending = asyncio.create_task(self._log.ending.wait())
        try:
            done, _ = await asyncio.wait({sending, left, ending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, left, ending):
                task.cancel()
            await asyncio.gather(sending, left, ending, return_exceptions=True)
        failed = sending.exception() if sending in done else None
        if isinstance(failed, TimeoutError):
            _cut(scope)
        elif failed is not None:
            raise failed
        elif left not in done:
            # Not all at once, if it is we who end.
            last = _retry(random.randint(500, 3000)) if ending in done else b""
            try:
                async with asyncio.timeout(_LAST_WORD):
                    await send({"type": "http.response.body", "body": last})
                    while ending in done and _is_under_way(scope):  # noqa: ASYNC110  # nobody tells when it is out
                        await asyncio.sleep(0.02)
            except TimeoutError:
                _cut(scope)

    async def _send(self, send: Send) -> None:
        """Raises TimeoutError when the reader takes nothing for too long."""

        async def out(blocks: bytes) -> None:
            async with asyncio.timeout(self._send_timeout):
                await send({"type": "http.response.body", "body": blocks, "more_body": True})

        await out(_retry(1000))
        sent = self._reader.position
        parts = self._blocks(self._reader)
        coming: asyncio.Future[bytes] | None = None
        try:
            while True:
                coming = asyncio.ensure_future(anext(parts))
                while not (await asyncio.wait({coming}, timeout=self._heartbeat))[0]:
                    # A block without data is no event; it moves the reader's cursor past what it did not want.
                    moved, sent = self._reader.position > sent, self._reader.position
                    await out(b"id: %d\n\n" % sent if moved else b": heartbeat\n\n")
                try:
                    part = coming.result()
                except StopAsyncIteration:
                    return
                await out(part)
                sent = self._reader.position
        finally:
            if coming is not None and not coming.done():
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)
            await parts.aclose()  # type: ignore[attr-defined]  # they are made by a generator

    async def _follow(self, reader: Reader) -> AsyncIterator[bytes]:
        # A reader that is cut before its first event has a place to come back to.
        yield b"id: %d\n\n" % reader.position
        while True:
            try:
                found = await self._log.following(reader)
            except Gone as gone:
                yield reset(gone)
                return
            yield b"".join([each.block for each in found])


def block(event: str, data: str, position: int | None = None) -> bytes:
    """A block that is no event of the log; `data` is one line."""
    head = b"" if position is None else b"id: %d\n" % position
    return head + b"event: %s\ndata: %s\n\n" % (event.encode(), data.encode())


def reset(gone: Gone) -> bytes:
    """The last block of a stream that retention has overtaken."""
    problem = Problem(title=gone.title, status=gone.status, detail=f"{gone.detail}; {gone.remedy}")
    return block("stream.reset", problem.model_dump_json(exclude_none=True, exclude={"errors"}))


def _retry(milliseconds: int) -> bytes:
    return b"retry: %d\n\n" % milliseconds


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _is_under_way(scope: Scope) -> bool:
    transport: Any = scope.get("muster.transport")
    return transport is not None and transport.get_write_buffer_size() > 0


def _cut(scope: Scope) -> None:
    """Cut the connection: closing it would wait until the reader has taken what is on its way."""
    transport: Any = scope.get("muster.transport")
    if transport is not None:
        transport.abort()


def _too_many() -> Response:
    detail = (
        "this process serves as many live streams as it may; try again, close streams that nobody reads,"
        " or raise MUSTER_MAX_STREAMS"
    )
    return problem_response(Problem(title="Service unavailable", status=503, detail=detail), {"Retry-After": "5"})
