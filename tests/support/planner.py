"""A planner service whose answers each test scripts; real HTTP on a port of its own."""

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

Answer = tuple[int, Any] | Any
"""A JSON body, or (status, body); bytes go out as they are."""
Script = Callable[["Call"], Answer]


@dataclass(frozen=True)
class Call:
    """One request that a planner got."""

    method: str
    job: str
    body: Any
    headers: dict[str, str]
    number: int
    """How many of its method it is, from 1."""


@dataclass
class Service:
    """One service of the planner, at its own path."""

    name: str
    url: str
    script: Script
    calls: list[Call] = field(default_factory=list)
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    """Answers wait for it; set by default."""

    def count(self, method: str) -> int:
        """How many requests of this method came."""
        return sum(call.method == method for call in self.calls)


class Planner:
    """All services of one test run."""

    def __init__(self) -> None:
        self.services: dict[str, Service] = {}
        self.port = 0

    def service(self, name: str, script: Script) -> Service:
        """Add a service; `script` makes its answers."""
        service = Service(name, f"http://127.0.0.1:{self.port}/{name}/", script)
        service.hold.set()
        self.services[name] = service
        return service

    async def _answer(self, request: Request) -> Response:
        service = self.services[request.path_params["name"]]
        raw = await request.body()
        call = Call(
            request.method,
            request.path_params.get("job", ""),
            json.loads(raw) if raw else None,
            dict(request.headers),
            service.count(request.method) + 1,
        )
        service.calls.append(call)
        await service.hold.wait()
        answer = service.script(call)
        status, body = answer if isinstance(answer, tuple) else (200, answer)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Response(content, status_code=status, media_type="application/json")

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Planner"]:
        """Serve until the end."""
        methods = ["GET", "POST", "DELETE"]
        routes = [Route(path, self._answer, methods=methods) for path in ("/{name}/", "/{name}/{job}")]
        async with served(routes) as self.port:
            try:
                yield self
            finally:
                for service in self.services.values():
                    service.hold.set()
