"""A real API process with live streams, and those who read them."""

import asyncio
import json
import os
import secrets
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest
from httpx_sse import ServerSentEvent, aconnect_sse
from sqlalchemy import make_url, text

from cli.stack.addresses import Addresses
from cli.stack.ports import any_free_port
from missions.events import EventType
from outlets.sequencer import Sequencer
from settings import Settings
from store.database import Database
from store.events import append_for_mission
from store.migrate import upgrade
from tests.api.event_log import news
from tests.support.rows import add_recipe
from tests.support.site import ROOT, until

TOKEN = "token-of-the-streams"
AUTH = {"Authorization": f"Bearer {TOKEN}"}
READERS = 30


class Place:
    """An API process on a database of its own, and a sequencer."""

    def __init__(self, database: Database, environment: dict[str, str], port: int) -> None:
        self.database, self._environment, self.port = database, environment, port
        self.url = f"http://127.0.0.1:{port}/api/v1"
        self.process: asyncio.subprocess.Process | None = None
        self.http = httpx.AsyncClient(base_url=self.url, headers=AUTH, trust_env=False, timeout=20)

    async def start(self) -> None:
        if self.process is not None and self.process.returncode is None:
            return
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "api", cwd=ROOT, env={**os.environ, **self._environment}
        )
        await until(self._ready, 30)

    async def _ready(self) -> bool:
        try:
            return (await self.http.get(self.url.removesuffix("/api/v1") + "/health/live")).status_code == 200
        except httpx.TransportError:
            return False

    async def stop(self) -> float:
        """SIGTERM; returns how long it took."""
        assert self.process is not None
        if self.process.returncode is not None:
            return 0
        begun = time.monotonic()
        self.process.terminate()
        await asyncio.wait_for(self.process.wait(), 20)
        return time.monotonic() - begun

    async def last(self) -> int:
        """The position of the last event, once all have one."""

        async def all_have() -> Any:
            async with self.database.statement() as connection:
                return (
                    await connection.execute(
                        text(
                            "SELECT last_position FROM event_log WHERE NOT EXISTS"
                            " (SELECT FROM events WHERE sequence IS NULL)"
                        )
                    )
                ).one_or_none()

        return int((await until(all_have, 20))[0])

    @asynccontextmanager
    async def stream(
        self, path: str = "/events/stream", after: int | None = None, **query: Any
    ) -> AsyncIterator[AsyncIterator[ServerSentEvent]]:
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        async with aconnect_sse(self.http, "GET", path, params=query, headers=headers) as source:
            assert source.response.status_code == 200, await source.response.aread()
            yield with_data(source.aiter_sse())

    async def take(self, count: int, after: int | None = None, **query: Any) -> list[ServerSentEvent]:
        """The first so many events of a stream."""
        async with asyncio.timeout(20), self.stream(after=after, **query) as events:
            return [await anext(events) for _ in range(count)]


async def with_data(events: AsyncIterator[ServerSentEvent]) -> AsyncIterator[ServerSentEvent]:
    async for event in events:
        if event.data:
            yield event


def payload_names(events: list[ServerSentEvent]) -> list[Any]:
    return [json.loads(event.data)["payload"].get("name") for event in events]


@pytest.fixture
async def place(own_place: Place) -> Place:
    """The place, its process running."""
    await own_place.start()
    return own_place


@pytest.fixture(scope="session")
async def own_place(services: Addresses, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    name = f"muster_streams_{secrets.token_hex(4)}"
    admin = await asyncpg.connect(services.database_url)
    await admin.execute(f'CREATE DATABASE "{name}"')
    url = make_url(services.database_url).set(database=name).render_as_string(hide_password=False)
    settings = Settings(database_url=url)
    await upgrade(settings)
    database, port = Database(settings), any_free_port()
    environment = services.environment() | {
        "MUSTER_DATABASE_URL": url,
        "MUSTER_DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "MUSTER_API_PORT": str(port),
        "MUSTER_API_TOKEN": TOKEN,
        "MUSTER_STREAM_HEARTBEAT_INTERVAL": "0.3",
        "MUSTER_STREAM_SEND_TIMEOUT": "0.5",
        "MUSTER_MAX_STREAMS": str(READERS),
    }
    place, sequencer = Place(database, environment, port), Sequencer(database)
    sequencer.start()
    yield place
    await place.stop()
    await place.http.aclose()
    await sequencer.stop()
    await database.close()
    await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await admin.close()


def sleeper(place: Place, after: int | None = None) -> socket.socket:
    """A reader that never reads."""
    asleep = socket.create_connection(("127.0.0.1", place.port))
    asleep.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    cursor = "" if after is None else f"Last-Event-ID: {after}\r\n"
    request = f"GET /api/v1/events/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n{cursor}\r\n"
    asleep.sendall(request.encode())
    return asleep


async def new_mission(place: Place) -> int:
    recipe = f"recipe-{secrets.token_hex(3)}"
    async with place.database.transaction() as connection:
        await add_recipe(connection, recipe)
    yard = (await place.http.post("/yards", json={"uid": secrets.token_hex(4)})).json()
    made = await place.http.post(
        "/work-processes",
        json={"workProcessTypeName": recipe, "status": "draft", "yardId": yard["id"], "data": {}},
    )
    assert made.status_code == 201, made.text
    return int(made.json()["id"])


async def change(place: Place, mission: int, status: str, *new: Any) -> None:
    """A change of status with its event, as the store writes it."""
    changed = news(None, EventType.WORK_PROCESS_STATUS_CHANGED, payload={"from": "", "to": status})
    async with place.database.transaction() as connection:
        await append_for_mission(connection, mission, [changed, *new], values={"status": status})
