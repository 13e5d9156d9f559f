"""Live streams of a real API process: what comes, what a cut costs, who is dropped."""

import asyncio
import json
import os
import random
import secrets
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import psutil
import pytest
from httpx_sse import ServerSentEvent, aconnect_sse
from sqlalchemy import make_url, text

from api import stream_tokens
from cli.stack.addresses import Addresses
from cli.stack.ports import any_free_port
from missions.errors import PartUnavailable
from missions.events import EventType
from missions.statuses import Severity
from outlets.sequencer import Sequencer
from settings import Settings
from store.database import Database
from store.events import append_for_mission
from store.migrate import upgrade
from tests.api.conftest import TOKEN, problem
from tests.api.event_log import archived, news, write
from tests.support.rows import add_recipe
from tests.support.site import ROOT, until

pytestmark = pytest.mark.stack

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


@pytest.fixture(scope="module")
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


async def test_an_event_comes_live_as_the_history_shows_it(place: Place) -> None:
    async with asyncio.timeout(20), place.stream() as events:
        await write(place.database, news("ä\u2028 \r\n"))
        event = await anext(events)
    page = (await place.http.get("/events", params={"order": "desc", "limit": 1})).json()
    assert json.loads(event.data) == page["items"][0]
    assert (event.event, event.id) == ("recipe.changed", str(page["items"][0]["sequence"]))


async def test_a_reader_that_comes_back_gets_what_it_missed(place: Place) -> None:
    before = await place.last()
    await write(place.database, *(news(number) for number in range(500)))
    await place.last()
    assert payload_names(await place.take(500, after=before)) == [*range(500)]
    assert payload_names(await place.take(1, lastEventId=before + 499)) == [499]
    assert payload_names(await place.take(1, after=before + 499, lastEventId=1)) == [499]  # the header wins


async def test_a_hundred_random_cuts_lose_nothing_and_repeat_nothing(place: Place) -> None:
    chance = random.Random(100)
    total = 1500
    position, seen, cuts = await place.last(), list[int](), 0
    start = position

    async def writing() -> None:
        written = 0
        while written < total:
            count = min(chance.randint(1, 25), total - written)
            await write(place.database, *(news(written + number) for number in range(count)))
            written += count
            await asyncio.sleep(chance.random() * 0.04)

    writer = asyncio.create_task(writing())
    async with asyncio.timeout(40):
        while cuts < 100 or len(seen) < total:
            stay = chance.randint(1, 25) if cuts < 100 else total
            # Cut after some events, or in the middle of some bytes.
            async with place.http.stream(
                "GET", "/events/stream", headers={"Last-Event-ID": str(position)}, params={"type": "recipe.*"}
            ) as answer:
                rest, cut_at = "", chance.randint(1, 12_000)
                async for chunk in answer.aiter_text():
                    whole, _, rest = (rest + chunk[:cut_at]).rpartition("\n\n")
                    for block in whole.split("\n\n"):
                        fields = dict(
                            line.split(": ", 1) for line in block.split("\n") if not line.startswith(":") and line
                        )
                        if "data" in fields:
                            assert int(fields["id"]) == position + 1
                            seen.append(json.loads(fields["data"])["payload"]["name"])
                        position = int(fields.get("id", position))
                    cut_at -= len(chunk)
                    stay -= 1
                    if cut_at <= 0 or stay <= 0 or len(seen) == total:
                        break
            cuts += 1
    await writer
    assert cuts >= 100
    assert seen == [*range(total)]
    assert position == start + total


async def test_filters_hold_for_what_was_and_what_comes(place: Place) -> None:
    before = await place.last()
    some = [
        news("created", EventType.TASK_CREATED),
        news("changed"),
        news("failed", EventType.TASK_FAILED, severity=Severity.ERROR),
        news("said", EventType.AGENT_UPDATED, payload={"agent_uuid": "tug-1"}, severity=Severity.WARNING),
    ]
    await write(place.database, *some)
    await place.last()
    wanted = {
        "created failed": {"type": "task.*"},
        "failed said": {"severity": "WARNING"},
        "said": {"agent": "tug-1"},
        "changed said": {"type": ["recipe.changed", "agent.*"]},
    }
    for expected, query in wanted.items():
        names = expected.split()
        async with asyncio.timeout(20), place.stream(after=before, **query) as events:
            assert payload_names([await anext(events) for _ in names]) == names
            await write(place.database, *some)
            assert payload_names([await anext(events) for _ in names]) == names
        before = await place.last() - len(some)


async def test_a_silent_stream_says_that_it_lives_and_moves_the_cursor(place: Place) -> None:
    await place.last()
    async with asyncio.timeout(20), place.http.stream("GET", "/events/stream", params={"type": "task.*"}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-accel-buffering"] == "no"
        chunks = answer.aiter_text()
        assert await anext(chunks) == "retry: 1000\n\n"
        assert await anext(chunks) == ": heartbeat\n\n"
        await write(place.database, news("not wanted"))
        last = await place.last()
        async for chunk in chunks:
            if chunk != ": heartbeat\n\n":
                assert chunk == f"id: {last}\n\n"
                break


def sleeper(place: Place, after: int | None = None) -> socket.socket:
    """A reader that never reads."""
    asleep = socket.create_connection(("127.0.0.1", place.port))
    asleep.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    cursor = "" if after is None else f"Last-Event-ID: {after}\r\n"
    request = f"GET /api/v1/events/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n{cursor}\r\n"
    asleep.sendall(request.encode())
    return asleep


async def has_something_to_read(reader: socket.socket) -> bool:
    return bool(len(await asyncio.to_thread(reader.recv, 2000, socket.MSG_PEEK)) > 1000)


async def test_a_reader_that_takes_nothing_is_dropped_and_the_others_go_on(place: Place) -> None:
    before = await place.last()
    asleep = sleeper(place)
    big = "x" * 20_000
    async with asyncio.timeout(30), place.stream() as events:
        mine = asleep.getsockname()[1]

        async def there() -> bool:
            assert place.process is not None
            found = psutil.Process(place.process.pid).net_connections()
            return mine in [one.raddr.port for one in found if one.raddr and one.status == "ESTABLISHED"]

        await until(there, 5)
        slowest = 0.0
        for number in range(0, 1000, 10):
            begun = time.monotonic()
            await write(place.database, *(news(number + each, payload={"big": big}) for each in range(10)))
            assert payload_names([await anext(events) for _ in range(10)]) == [*range(number, number + 10)]
            slowest = max(slowest, time.monotonic() - begun)
            if not await there():
                break
        else:
            raise AssertionError("it was not dropped")
        assert slowest < 2
    asleep.close()
    assert payload_names(await place.take(3, after=before)) == [0, 1, 2]  # it may come back


async def test_more_readers_than_allowed_are_told_to_wait(place: Place) -> None:
    async with asyncio.timeout(30):
        streams = [place.http.stream("GET", "/events/stream") for _ in range(READERS)]
        answers = [await stream.__aenter__() for stream in streams]
        assert {answer.status_code for answer in answers} == {200}
        refused = await place.http.get("/events/stream")
        assert "MUSTER_MAX_STREAMS" in problem_without_errors(refused, 503)["detail"]
        assert refused.headers["retry-after"]
        for stream in streams:
            await stream.__aexit__(None, None, None)

        async def free() -> bool:
            return (await place.http.head("/events/stream")).status_code == 200

        await until(free, 10)


def problem_without_errors(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("path", ["/events/stream", "/work-processes/{}/stream"])
async def test_bad_cursors_are_refused_before_the_stream_begins(place: Place, path: str) -> None:
    path = path.format(await new_mission(place))
    last = await place.last()
    for cursor in ("-1", "abc", "1.5", str(2**63), "9" * 30, str(last + 1000), "²"):
        sent: tuple[tuple[str, dict[str, Any]], ...] = (
            ("lastEventId", {"params": {"lastEventId": cursor}}),
            ("Last-Event-ID", {"headers": {"Last-Event-ID": cursor.encode()}}),
        )
        for field, request in sent:
            (error,) = problem(await place.http.get(path, **request), 422)["errors"]
            assert error["field"] == field
            if cursor.isascii():  # else it arrives otherwise as a header
                assert error["value"] == (int(cursor) if cursor == str(last + 1000) else cursor)
    assert problem(await place.http.get(path, params={"nonsense": "1"}), 422)["errors"][0]["field"] == "nonsense"
    if path.startswith("/events"):
        assert problem(await place.http.get(path, params={"type": "tsk.*"}), 422)["errors"][0]["field"] == "type"


async def test_head_says_what_get_would(place: Place) -> None:
    answer = await place.http.head("/events/stream", params={"type": "task.*"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert (await place.http.head("/events/stream", params={"type": "nonsense"})).status_code == 422


async def test_a_browser_opens_a_stream_with_a_token_for_it(place: Place) -> None:
    made = await place.http.post("/events/stream-tokens")
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    token = made.json()["token"]
    mission = await new_mission(place)
    async with httpx.AsyncClient(base_url=place.url, trust_env=False) as stranger:
        for path in ("/events/stream", f"/work-processes/{mission}/stream"):
            async with stranger.stream("GET", path, params={"token": token}) as answer:
                assert answer.status_code == 200
            expired, _ = stream_tokens.make(TOKEN, time.time() - 61)
            lasting, _ = stream_tokens.make(TOKEN, time.time() + 3600)
            foreign, _ = stream_tokens.make("another token", time.time())
            for wrong in (
                "",
                "x",
                token + "0",
                token.replace(".", ".0"),
                expired,
                lasting,
                foreign,
                "9" * 30 + ".x",
                TOKEN,
            ):
                refused = problem(await stranger.get(path, params={"token": wrong}), 401)
                assert "stream-tokens" in refused["detail"]
        for path in ("/events", f"/work-processes/{mission}"):  # no other address takes it
            assert token not in problem(await stranger.get(path, params={"token": token}), 422)["detail"]
            assert (await stranger.get(path, headers={"Authorization": f"Bearer {token}"})).status_code == 401


# --- one mission


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


async def rest(events: AsyncIterator[ServerSentEvent]) -> list[ServerSentEvent]:
    return [event async for event in events]


async def test_a_missions_stream_begins_with_its_state_and_ends_with_it(place: Place) -> None:
    mission, other = await new_mission(place), await new_mission(place)
    path = f"/work-processes/{mission}/stream"
    await change(place, mission, "dispatched")
    async with asyncio.timeout(20), place.stream(path) as events:
        state = await anext(events)
        assert state.event == "work_process"
        assert json.loads(state.data) == (await place.http.get(f"/work-processes/{mission}")).json()
        assert json.loads(state.data)["status"] == "dispatched"
        await write(place.database, news("other"), mission=other)
        await change(place, mission, "calculating")
        await change(place, mission, "succeeded", news("with the end"), news("and more"))
        *live, end = await rest(events)
    assert payload_names(live) == [None, None, "with the end", "and more"]
    assert [json.loads(event.data)["mission_sequence"] for event in live] == [3, 4, 5, 6]
    assert (end.event, end.data, end.id) == ("stream.end", '{"status": "succeeded"}', live[-1].id)
    answer = await place.http.get(path, headers={"Last-Event-ID": end.id})
    assert (answer.status_code, answer.content) == (204, b"")
    async with asyncio.timeout(20), place.stream(path, after=int(live[1].id)) as events:
        again = await rest(events)
    assert [event.id for event in again] == [*(event.id for event in live[2:]), end.id]
    async with asyncio.timeout(20), place.stream(path) as events:  # of one that ended long ago
        assert [event.event for event in await rest(events)] == ["work_process", "stream.end"]


async def test_a_missions_state_and_events_fit_together_while_it_changes(place: Place) -> None:
    """Whatever the moment of the look: each event after the state, none that the state holds already."""
    mission = await new_mission(place)
    chance = random.Random(3)

    async def changing() -> None:
        for _ in range(60):
            await change(place, mission, chance.choice(["dispatched", "calculating", "executing"]))
            await asyncio.sleep(chance.random() * 0.02)
        await change(place, mission, "failed")

    changer = asyncio.create_task(changing())
    looks = 0
    async with asyncio.timeout(30):
        while not changer.done():
            async with place.stream(f"/work-processes/{mission}/stream") as events:
                state = json.loads((await anext(events)).data)["status"]
                if state == "failed":
                    break
                first, second = json.loads((await anext(events)).data), json.loads((await anext(events)).data)
            assert second.get("mission_sequence", first["mission_sequence"] + 1) == first["mission_sequence"] + 1
            shown = (
                await place.http.get(
                    f"/work-processes/{mission}/events", params={"after": first["mission_sequence"] - 2, "limit": 1}
                )
            ).json()["items"][0]
            assert shown["payload"].get("to", state) == state
            looks += 1
        await changer
    assert looks > 3


async def test_an_unknown_mission_has_no_stream(place: Place) -> None:
    problem(await place.http.get("/work-processes/999999/stream"), 404)
    problem(await place.http.get("/work-processes/999999/stream", headers={"Last-Event-ID": "1"}), 404)


# --- what else happens to streams


async def test_a_stream_outlives_the_database_and_loses_nothing(place: Place) -> None:
    before = await place.last()
    async with asyncio.timeout(30), place.stream() as events:
        await write(place.database, news("before"))
        assert payload_names([await anext(events)]) == ["before"]
        async with place.database.statement() as connection:
            await connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        for number in range(5):
            await until(lambda number=number: wrote(place, number), 20)
        assert payload_names([await anext(events) for _ in range(5)]) == [*range(5)]
    assert payload_names(await place.take(6, after=before)) == ["before", *range(5)]


async def wrote(place: Place, number: int) -> bool:
    try:
        await write(place.database, news(number))
    except PartUnavailable:
        return False
    return True


async def test_archived_events_are_told_of_not_jumped_over(place: Place) -> None:
    mission = await new_mission(place)
    first = await place.last()
    await write(place.database, *(news(number) for number in range(10)))
    await place.last()
    await archived(place.database, first + 5)
    for path in ("/events/stream", f"/work-processes/{mission}/stream"):
        found = problem(await place.http.get(path, headers={"Last-Event-ID": str(first)}), 410)
        assert f"oldest that is kept is {first + 6}" in found["detail"]
    assert payload_names(await place.take(5, after=first + 5)) == [5, 6, 7, 8, 9]


async def test_a_stream_ends_with_a_hint_and_at_once_when_the_process_stops(place: Place) -> None:
    before = await place.last()
    await write(place.database, *(news(number, payload={"big": "x" * 20_000}) for number in range(300)))
    await place.last()
    async with asyncio.timeout(30):
        sleepers = [sleeper(place, before) for _ in range(3)]
        async with place.http.stream("GET", "/events/stream") as answer:
            chunks = answer.aiter_text()
            assert await anext(chunks) == "retry: 1000\n\n"
            for each in sleepers:
                await until(lambda each=each: has_something_to_read(each), 5)
            stopping = asyncio.create_task(place.stop())
            said = [chunk async for chunk in chunks]
        assert said[-1].startswith("retry: ")
        assert await stopping < 4
        for each in sleepers:
            each.close()
