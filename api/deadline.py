"""No request hangs: whoever waits longer than the limit for the database gets a 503, whose body is late a 408."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import Problem, problem_response, unavailable

logger = logging.getLogger(__name__)


class Deadline:
    """ASGI middleware: counts until the start of the answer, but not while it waits for the body; streams take longer.

    The work is abandoned, not awaited: with a frozen server even the roll-back of a cancelled query hangs.
    """

    def __init__(self, app: ASGIApp, *, seconds: float, upload_seconds: float) -> None:
        self._app = app
        self._seconds = seconds
        self._upload_seconds = upload_seconds
        self._abandoned: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and answer in its place when the time is over."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        alarm = _Alarm()
        started, over = False, False
        headers = Headers(scope=scope)
        received = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
        upload_due = asyncio.get_running_loop().time() + self._upload_seconds

        async def watched_receive() -> Message:
            nonlocal received
            if received or started:  # it waits for the client to go
                return await receive()
            alarm.set(upload_due, self._late_body)
            message = await receive()
            received = not message.get("more_body", False)
            alarm.set_in(self._seconds, self._late_work)
            return message

        async def watched_send(message: Message) -> None:
            nonlocal started
            if not over:
                started = True
                alarm.stop()
                await send(message)

        alarm.set_in(self._seconds, self._late_work)
        work = asyncio.ensure_future(self._run(scope, watched_receive, watched_send))
        try:
            waits: list[asyncio.Future[Any]] = [work, alarm.rung]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if work.done() or started:
                await work
                return
            over = True
            work.cancel()
            self._abandoned.add(work)
            work.add_done_callback(self._forget)
            await alarm.rung.result()(scope)(scope, receive, send)
        except asyncio.CancelledError:
            work.cancel()
            raise
        finally:
            alarm.stop()

    def _late_work(self, scope: Scope) -> Response:
        logger.error("%s %s took longer than %s s", scope["method"], scope["path"], self._seconds)
        return unavailable("PostgreSQL")

    def _late_body(self, scope: Scope) -> Response:
        detail = f"the body did not end within {self._upload_seconds:g} s; send it faster, or in parts"
        return problem_response(Problem(title="Request timeout", status=408, detail=detail), {"Connection": "close"})

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._abandoned.discard(task)
        if not task.cancelled():
            task.exception()


class _Alarm:
    """One timer that is set anew; `rung`: with what it was set for."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.rung: asyncio.Future[Callable[[Scope], Response]] = self._loop.create_future()

    def set(self, due: float, what: Callable[[Scope], Response]) -> None:
        self.stop()
        self._timer = self._loop.call_at(due, self._ring, what)

    def set_in(self, seconds: float, what: Callable[[Scope], Response]) -> None:
        self.set(self._loop.time() + seconds, what)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _ring(self, what: Callable[[Scope], Response]) -> None:
        if not self.rung.done():
            self.rung.set_result(what)
