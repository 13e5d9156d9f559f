"""Who may ask, how much, for how long, and what an error looks like."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from httpx import AsyncClient, Headers
from sqlalchemy import text

from api.app import create_app
from api.token import ensure_token, token_file
from settings import Settings
from store.database import Database
from tests.api.conftest import MISSION, RecordingWaker, client_of, mission, problem, stored
from tests.fleet.proxy import before


@pytest.mark.parametrize("token", [None, "wrong", "", "token-of-the-testsx", "ä"])
async def test_without_the_token_nothing_is_done(
    app: FastAPI, world: AsyncClient, database: Database, token: str | None
) -> None:
    headers = Headers({} if token is None else {"Authorization": f"Bearer {token}"}, encoding="latin-1")
    before = await stored(database)
    async with client_of(app, None) as stranger:
        for method, path in (
            ("GET", "/work-processes"),
            ("POST", "/work-processes"),
            ("PATCH", "/work-processes/1"),
            ("POST", "/work-processes/1/cancel"),
            ("GET", "/work-processes/1/events"),
            ("GET", "/agents"),
            ("POST", "/agents/1/clear-quarantine"),
            ("DELETE", "/recipes/1"),
            ("DELETE", "/services/1"),
            ("DELETE", "/yards/2"),
            ("GET", "/activity-types"),
        ):
            answer = await stranger.request(
                method, path, json=MISSION if method in ("POST", "PATCH") else None, headers=headers
            )
            problem(answer, 401)
            assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert await stored(database) == before


def test_every_route_but_health_wants_the_token(app: FastAPI) -> None:
    document = app.openapi()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert path.startswith("/health") or operation.get("security"), (method, path)


async def test_probes_and_the_description_need_no_token(app: FastAPI) -> None:
    async with client_of(app, None) as stranger:
        assert (await stranger.get("http://muster/health/live")).json() == {"status": "alive"}
        assert (await stranger.get("http://muster/openapi.json")).status_code == 200
        assert (await stranger.get("http://muster/docs")).status_code == 200


async def test_the_root_leads_to_the_description(app: FastAPI) -> None:
    async with client_of(app, None) as stranger:
        answer = await stranger.get("http://muster/", follow_redirects=True)
    assert answer.status_code == 200
    assert answer.url.path == "/docs"


def test_the_description_has_examples_and_problems(app: FastAPI) -> None:
    document = app.openapi()
    create = document["paths"]["/api/v1/work-processes"]["post"]
    assert set(create["responses"]) == {"200", "201", "400", "401", "409", "413", "422", "503"}
    assert "application/problem+json" in create["responses"]["422"]["content"]
    assert "Problem" in document["components"]["schemas"]
    assert document["components"]["schemas"]["WorkProcessCreate"]["examples"]
    assert {tag["name"] for tag in document["tags"]} >= {"work processes", "agents", "recipes"}


async def test_nothing_there(api: AsyncClient) -> None:
    problem(await api.get("/nonsense"), 404)
    assert problem(await api.put("/work-processes"), 405)["title"] == "Method Not Allowed"


@pytest.mark.parametrize("path", ["/work-processes", "/recipes/import", "/nonsense"])
async def test_a_body_over_the_limit(world: AsyncClient, database: Database, settings: Settings, path: str) -> None:
    before = await stored(database)
    for body in (b"x" * (settings.max_body_bytes + 1), _chunks(settings.max_body_bytes + 1)):
        answer = await world.post(path, content=body, headers={"Content-Type": "application/json"})
        if path == "/nonsense" and not isinstance(body, bytes):
            problem(answer, 404)  # nobody reads it
        else:
            (error,) = problem(answer, 413)["errors"]
            assert "MUSTER_MAX_BODY_BYTES" in error["remedy"]
    assert await stored(database) == before


async def _chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 65536 + 1):
        yield b'"' * 65536


async def test_a_body_at_the_limit_is_taken(world: AsyncClient) -> None:
    assert (await mission(world, data={"big": "x" * 1_000_000}))["status"] == "dispatched"


@pytest.mark.parametrize("path", ["/work-processes", "/recipes", "/services"])
async def test_a_body_of_another_type_is_told_so(world: AsyncClient, path: str) -> None:
    for headers in ({}, {"Content-Type": "application/x-www-form-urlencoded"}):
        (error,) = problem(await world.post(path, content=b"{}", headers=headers), 422)["errors"]
        assert error["detail"] == "the body was not sent as JSON"
        assert "Content-Type: application/json" in error["remedy"]
    assert problem(await world.post(path, json=[]), 422)["errors"][0]["remedy"] == "send a JSON object"


async def test_an_error_of_ours_shows_a_trace_and_nothing_else(
    app: FastAPI, world: AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def explode(*_: object, **__: object) -> None:
        raise RuntimeError("postgresql://user:secret@host")

    monkeypatch.setattr("store.work_process_queries.get", explode)
    answer = await world.get("/work-processes/1")
    found = problem(answer, 500)
    assert "secret" not in answer.text
    assert found["traceId"] in caplog.text


async def test_a_database_that_is_down_is_named(settings: Settings, waker: RecordingWaker) -> None:
    app = create_app(settings.model_copy(update={"database_url": "postgresql://u:secret@127.0.0.1:1/x"}), waker=waker)
    async with app.router.lifespan_context(app), client_of(app) as api:
        answer = await api.get("/work-processes")
        assert problem(answer, 503)["part"] == "PostgreSQL"
        assert "secret" not in answer.text
        ready = await api.get("http://muster/health/ready")
        assert ready.status_code == 503
        assert ready.json()["parts"]["database"]["ok"] is False
        assert "secret" not in ready.text
        assert (await api.get("http://muster/health/live")).status_code == 200


async def test_a_cut_connection_is_a_503_and_the_next_request_works(world: AsyncClient, database: Database) -> None:
    await world.get("/work-processes")
    cut = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND datname = current_database()"
    )
    for _ in range(5):  # the driver finds out in several ways
        async with database.transaction() as connection:
            await connection.execute(cut)
        answers = [await world.get("/work-processes") for _ in range(3)]
        assert answers[-1].status_code == 200
        for answer in answers:
            if answer.status_code != 200:
                assert problem(answer, 503)["part"] == "PostgreSQL"


async def test_a_dead_connection_is_a_503_in_time_and_the_next_request_works(
    world: AsyncClient, settings: Settings, waker: RecordingWaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.app._ANSWERS_WITHIN", 0.3)
    async with before(settings.database_url) as (proxy, through):
        app = create_app(settings.model_copy(update={"database_url": through}), waker=waker)
        async with app.router.lifespan_context(app), client_of(app) as api:
            await asyncio.gather(*(api.get("/work-processes") for _ in range(8)))
            proxy.half_open()
            began = time.monotonic()
            assert problem(await api.get("/work-processes"), 503)["part"] == "PostgreSQL"
            assert time.monotonic() - began < 3
            assert (await api.get("/work-processes")).status_code == 200


def test_nobody_waits_longer_than_ten_seconds() -> None:
    (deadline,) = [
        one for one in create_app(Settings()).user_middleware if getattr(one.cls, "__name__", "") == "Deadline"
    ]
    assert deadline.kwargs["seconds"] < 9


async def test_a_locked_row_does_not_hang_a_request(
    world: AsyncClient, settings: Settings, database: Database, waker: RecordingWaker
) -> None:
    made = await mission(world)
    impatient = create_app(settings, waker=waker)
    (deadline,) = [one for one in impatient.user_middleware if getattr(one.cls, "__name__", "") == "Deadline"]
    deadline.kwargs["seconds"] = 0.2
    async with impatient.router.lifespan_context(impatient), client_of(impatient) as api:
        async with database.transaction() as holder:
            await holder.execute(text("SELECT FROM work_processes FOR UPDATE"))
            late = await api.post(f"/work-processes/{made['id']}/cancel", json={"reason": "late"})
            assert problem(late, 503)["part"] == "PostgreSQL"
        # What was given up has not happened behind our back.
        assert (await api.get(f"/work-processes/{made['id']}")).json()["status"] == "dispatched"


async def test_requests_over_the_pool_wait_their_turn(world: AsyncClient) -> None:
    answers = await asyncio.gather(*(world.get("/work-processes") for _ in range(100)))
    assert {answer.status_code for answer in answers} == {200}


def test_the_token_is_made_once_and_only_for_its_owner(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "new", api_token="")
    found: list[str] = []
    starters = [threading.Thread(target=lambda: found.append(ensure_token(settings))) for _ in range(8)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()
    assert len(set(found)) == 1
    assert len(found) == 8
    assert token_file(settings).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["api-token"]
    assert ensure_token(settings.model_copy(update={"api_token": settings.api_token})) == found[0]


def test_a_token_of_the_settings_is_used_as_it_is(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, api_token="mine")
    assert ensure_token(settings) == "mine"
    assert not token_file(settings).exists()


def test_an_empty_token_file_is_refused(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, api_token="")
    token_file(settings).write_text("\n")
    with pytest.raises(RuntimeError, match="api-token is empty"):
        ensure_token(settings)
