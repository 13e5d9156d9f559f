"""The HTTP server around the application: what live streams need of it."""

import asyncio
import sys
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import Server

from api.problems import Problem, problem_response
from settings import Settings

if sys.platform != "win32":
    import resource


_LONGEST_HEAD = 64 * 1024
_MOST_FILES = 65_536


class Protocol(HttpToolsProtocol):
    """Lets a stream cut its connection; waits for ever for no head of a request, and takes none of any length."""

    def __init__(self, *, read_timeout: float, **given: Any) -> None:
        super().__init__(**given)
        self._read_timeout = read_timeout
        self._patience: asyncio.TimerHandle | None = None
        self._in_head, self._begun, self._head_bytes = False, 0, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a head from now on."""
        super().connection_made(transport)  # type: ignore[arg-type]  # as uvicorn's own annotation
        self._begin_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._end_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Have it parsed, and see whether the head has become too long."""
        if self._idle():  # uvicorn ends its own wait at any byte, a lone line feed too
            self._begin_waiting()
        was_in_head, begun = self._in_head, self._begun
        super().data_received(data)
        if not self._in_head:
            return
        same = was_in_head and begun == self._begun
        self._head_bytes = self._head_bytes + len(data) if same else 0
        if self._head_bytes > _LONGEST_HEAD:
            self._refuse(431, f"the head of a request is over {_LONGEST_HEAD} bytes; send shorter headers")

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._in_head = True
        self._begun += 1
        self._begin_waiting()
        self.scope["muster.transport"] = self.transport  # type: ignore[typeddict-unknown-key]  # a key of ours

    def on_headers_complete(self) -> None:
        """A head has ended."""
        self._in_head = False
        self._end_waiting()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are no request as a problem, as all errors."""
        self._refuse(400, "this is no HTTP/1.1 request; send one")

    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _begin_waiting(self) -> None:
        if self._patience is None:
            self._patience = self.loop.call_later(self._read_timeout, self._waited)

    def _end_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _waited(self) -> None:
        self._patience = None
        if not self._idle():  # its turn comes after the answer to the request before
            self._begin_waiting()
        elif self._in_head:
            self._refuse(408, f"the head of the request did not end within {self._read_timeout:g} s; send it faster")
        elif not self.transport.is_closing():
            self.transport.close()

    def _refuse(self, status: int, detail: str) -> None:
        """Answer before there is a request that the application could answer."""
        if self.transport.is_closing():
            return
        self._in_head = False
        if self._idle():
            response = problem_response(Problem(title=HTTPStatus(status).phrase, status=status, detail=detail))
            head = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode(), b"connection: close"]
            head += [name + b": " + value for name, value in response.raw_headers]
            self.transport.write(b"\r\n".join([*head, b"", bytes(response.body)]))
        self.transport.close()


class _Server(Server):
    """Ends live streams when it is told to stop: it would wait for them."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    # uvicorn writes `list[socket.socket]`; what they are is its own matter.
    async def shutdown(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        self._app.state.parts.live_log.ending.set()
        await super().shutdown(sockets)  # type: ignore[arg-type]


def serve(app: FastAPI, settings: Settings) -> None:
    """Serve until told to stop; exits with an error if it cannot start."""
    config = uvicorn.Config(
        app,
        host=settings.api_host,
        port=settings.api_port,
        loop="asyncio" if sys.platform == "win32" else "uvloop",
        http=partial(Protocol, read_timeout=settings.request_read_timeout),  # type: ignore[arg-type]  # makes one
        log_config=None,  # ours, set before
        access_log=False,  # it would hold the tokens of streams
        server_header=False,
        timeout_graceful_shutdown=int(settings.graceful_shutdown),
    )
    _open_as_many_as_allowed()
    server = _Server(config, app)
    server.run()
    if not server.started:
        sys.exit("the API does not start: see above")


def _open_as_many_as_allowed() -> None:
    """Most systems allow a program a few hundred connections until it asks for more."""
    if sys.platform != "win32":
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _MOST_FILES if most == resource.RLIM_INFINITY else min(most, _MOST_FILES)
        with suppress(OSError, ValueError):  # the limit as it is must do
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
