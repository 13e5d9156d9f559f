"""The HTTP server around the application: what live streams need of it."""

import sys

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import Server

from settings import Settings


class _Protocol(HttpToolsProtocol):
    """Lets a stream cut its connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["muster.transport"] = self.transport  # type: ignore[typeddict-unknown-key]  # a key of ours


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
        http=_Protocol,
        log_config=None,  # ours, set before
        access_log=False,  # it would hold the tokens of streams
        server_header=False,
        timeout_graceful_shutdown=int(settings.graceful_shutdown),
    )
    server = _Server(config, app)
    server.run()
    if not server.started:
        sys.exit("the API does not start: see above")
