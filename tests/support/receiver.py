"""Who gets webhooks: real HTTP on a port of its own; each path answers as its test says."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.served import served


@dataclass(frozen=True)
class Message:
    """One request, as it came."""

    headers: dict[str, str]
    raw: bytes
    at: float

    @property
    def body(self) -> Any:
        """The event."""
        return json.loads(self.raw)

    @property
    def name(self) -> str:
        """Of the event, in its payload."""
        return str(self.body["payload"]["name"])


Answers = Callable[[Message], int | Response]


@dataclass
class Inbox:
    """One path."""

    url: str
    answers: Answers
    messages: list[Message] = field(default_factory=list)
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    """Answers wait for it; set by default."""

    @property
    def names(self) -> list[str]:
        """Of the events, in the order in which they came."""
        return [message.name for message in self.messages]


class Receiver:
    """All inboxes of one test."""

    def __init__(self) -> None:
        self.port = 0
        self._inboxes: dict[str, Inbox] = {}

    def inbox(self, name: str, answers: Answers = lambda _: 204) -> Inbox:
        """Add a path."""
        inbox = self._inboxes[name] = Inbox(f"http://127.0.0.1:{self.port}/{name}", answers)
        inbox.hold.set()
        return inbox

    async def _answer(self, request: Request) -> Response:
        inbox = self._inboxes[request.path_params["name"]]
        message = Message(dict(request.headers), await request.body(), asyncio.get_running_loop().time())
        inbox.messages.append(message)
        await inbox.hold.wait()
        answer = inbox.answers(message)
        return answer if isinstance(answer, Response) else Response(status_code=answer)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Receiver"]:
        """Serve until the end."""
        async with served([Route("/{name}", self._answer, methods=["POST", "GET"])]) as self.port:
            try:
                yield self
            finally:
                for inbox in self._inboxes.values():
                    inbox.hold.set()
