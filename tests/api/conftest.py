import secrets
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import make_url, text

from api.app import create_app
from cli.stack.addresses import Addresses
from settings import Settings
from store.database import Database
from store.migrate import upgrade
from store.tables import metadata
from store.wakeups import Wakeup
from tests.api.streaming import own_place, place
from tests.support.event_log import check_events

FIXTURES = (own_place, place)

ONE_ROW = ("installation", "event_log")
TOKEN = "token-of-the-tests"


class RecordingWaker:
    """A waker that only notes what it was asked to deliver."""

    def __init__(self) -> None:
        self.sent: list[Wakeup] = []

    async def send(self, batch: Sequence[Wakeup]) -> None:
        self.sent += batch


@pytest.fixture(scope="session")
async def settings(services: Addresses, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Settings]:
    """Settings with a migrated database of their own."""
    name = f"muster_api_{secrets.token_hex(4)}"
    admin = await asyncpg.connect(services.database_url)
    await admin.execute(f'CREATE DATABASE "{name}"')
    url = make_url(services.database_url).set(database=name)
    settings = Settings(
        database_url=url.render_as_string(hide_password=False),
        amqp_url=services.amqp_url,
        temporal_ui_url="http://temporal.example",
        api_token=TOKEN,
        data_dir=tmp_path_factory.mktemp("data"),
    )
    await upgrade(settings)
    yield settings
    await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await admin.close()


@pytest.fixture(scope="session")
def session_waker() -> RecordingWaker:
    return RecordingWaker()


@pytest.fixture(scope="session")
async def app(settings: Settings, session_waker: RecordingWaker) -> AsyncIterator[FastAPI]:
    app = create_app(settings, waker=session_waker)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
def waker(session_waker: RecordingWaker) -> RecordingWaker:
    session_waker.sent.clear()
    return session_waker


@pytest.fixture(scope="session")
async def session_database(settings: Settings) -> AsyncIterator[Database]:
    database = Database(settings)
    yield database
    await database.close()


@pytest.fixture
async def empty_database(session_database: Database) -> Database:
    """The app's database, empty, its ids starting at 1."""
    names = ", ".join(table.name for table in metadata.sorted_tables if table.name not in ONE_ROW)
    async with session_database.transaction() as connection:
        await connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
        await connection.execute(text("UPDATE event_log SET last_position = 0, archived_position = 0"))
    return session_database


@pytest.fixture
async def database(empty_database: Database) -> AsyncIterator[Database]:
    """The same; its events are as the catalogue says, once the test is over."""
    yield empty_database
    await check_events(empty_database)


def client_of(app: FastAPI, token: str | None = TOKEN) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://muster/api/v1",
        headers={} if token is None else {"Authorization": f"Bearer {token}"},
    )


@pytest.fixture
async def api(app: FastAPI, database: Database, waker: RecordingWaker) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the app, on an empty database."""
    async with client_of(app) as client:
        yield client


RECIPE = {"name": "driving", "numMaxAgents": 2, "steps": [{"step": "plan", "serviceType": "drive"}]}
SERVICE = {"name": "planner", "type": "drive", "url": "http://127.0.0.1:9/plan/"}
MISSION = {"workProcessTypeName": "driving", "status": "dispatched", "yardId": 1, "agentIds": [1], "data": {"x": 1}}


@pytest.fixture
async def world(api: httpx.AsyncClient) -> httpx.AsyncClient:
    """Two yards, three agents, a service and a recipe; the client to ask with."""
    for uid in ("north", "south"):
        await created(api, "/yards", {"uid": uid})
    for number in (1, 2, 3):
        await created(api, "/agents", {"uuid": f"truck-{number}", "yardId": 1})
    await created(api, "/services", SERVICE)
    await created(api, "/recipes", RECIPE)
    return api


async def created(api: httpx.AsyncClient, path: str, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    answer = await api.post(path, json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    assert answer.headers["Location"] == f"/api/v1{path}/{found['id']}"
    return found


async def mission(api: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    return await created(api, "/work-processes", MISSION | changes)


async def stored(database: Database) -> dict[str, str]:
    """A fingerprint of each table's rows."""
    async with database.transaction() as connection:
        return {
            table.name: await connection.scalar(
                text(f"SELECT count(*) || md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {table} t")
            )
            for table in metadata.sorted_tables
        }


async def events_of(api: httpx.AsyncClient, mission_id: int) -> list[str]:
    answer = await api.get(f"/work-processes/{mission_id}/events")
    return [event["type"] for event in answer.json()["items"]]


async def changes(database: Database) -> list[tuple[str, dict[str, Any], str, str]]:
    """Type, payload, source and actor of each event about a recipe, service or yard, in order."""
    query = "SELECT type, payload, source, actor->>'kind' FROM events WHERE type LIKE '%.changed' ORDER BY id"
    async with database.transaction() as connection:
        return [(row[0], row[1], row[2], row[3]) for row in await connection.execute(text(query))]


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The problem of a refused request: every part that RFC 9457 and ours demand is there."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["status"] == status
    assert found["title"]
    assert found["detail"]
    for error in found["errors"]:
        assert error["detail"]
        assert error["remedy"]
        assert "value" in error
    return found
