"""No request hangs: whoever waits longer than the limit for the database gets a 503."""

import asyncio
import logging
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import unavailable

logger = logging.getLogger(__name__)

_UPLOAD_SECONDS = 30.0


class Deadline:
    """ASGI middleware: counts from the end of the body to the start of the answer; streams may then take their time.

    The work is abandoned, not awaited: with a frozen server even the roll-back of a cancelled query hangs.
    """

    def __init__(self, app: ASGIApp, *, seconds: float) -> None:
        self._app = app
        self._seconds = seconds
        self._abandoned: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and answer in its place when the time is over."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        received, started, over = asyncio.Event(), asyncio.Event(), False
        headers = Headers(scope=scope)
        if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
            received.set()

        async def watched_receive() -> Message:
            message = await receive()
            if not message.get("more_body", False):
                received.set()
            return message

        async def watched_send(message: Message) -> None:
            if not over:
                started.set()
                await send(message)

        async def expire() -> None:
            # A handler that never reads its body must not wait for ever either.
            with suppress(TimeoutError):
                await asyncio.wait_for(received.wait(), _UPLOAD_SECONDS)
            with suppress(TimeoutError):
                await asyncio.wait_for(started.wait(), self._seconds)

        work = asyncio.ensure_future(self._run(scope, watched_receive, watched_send))
        clock = asyncio.create_task(expire())
        try:
            await asyncio.wait({work, clock}, return_when=asyncio.FIRST_COMPLETED)
            if work.done() or started.is_set():
                await work
                return
            over = True
            work.cancel()
            self._abandoned.add(work)
            work.add_done_callback(self._forget)
            logger.error("%s %s took longer than %s s", scope["method"], scope["path"], self._seconds)
            await unavailable("PostgreSQL")(scope, receive, send)
        except asyncio.CancelledError:
            work.cancel()
            raise
        finally:
            clock.cancel()

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._abandoned.discard(task)
        if not task.cancelled():
            task.exception()
