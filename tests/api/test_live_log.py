"""The tail behind live streams: its window is small, and whoever falls behind it reads from the database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from api import live_log
from api.event_stream import EventStream
from api.live_log import LiveLog, Reader
from missions.event_filters import EventFilter
from missions.events import EventType
from settings import Settings
from store.database import Database
from tests.api.event_log import archived, news, positioned, write
from tests.support.site import until


@pytest.fixture
def database(empty_database: Database) -> Database:
    """One that may have events that no catalogue knows: these tests write their own."""
    return empty_database


@pytest.fixture
async def log(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LiveLog]:
    monkeypatch.setattr(live_log, "_WINDOW_EVENTS", 20)
    monkeypatch.setattr(live_log, "_LOOK_AGAIN", 0.05)
    log = LiveLog(database, max_readers=10)
    yield log
    await log.close()


async def follow(log: LiveLog, reader: Reader, count: int) -> list[Any]:
    found: list[Any] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            found += [each.event.payload["name"] for each in await log.following(reader)]
    return found


async def test_a_reader_behind_the_window_gets_all_and_the_window_stays_small(log: LiveLog, database: Database) -> None:
    slow, quick = Reader(EventFilter(), 0), Reader(EventFilter(), 0)
    with log.reading(slow), log.reading(quick):
        for start in range(0, 300, 30):
            await write(database, *(news(number) for number in range(start, start + 30)))
            await positioned(database)
            assert await follow(log, quick, 30) == [*range(start, start + 30)]
            assert len(log._window) <= 20
        await until(lambda: at_the_end(log), 5)
        for position in range(270, 300):  # around where the window begins
            assert await follow(log, Reader(EventFilter(), position), 300 - position) == [*range(position, 300)]
        assert await follow(log, slow, 300) == [*range(300)]


async def at_the_end(log: LiveLog) -> bool:
    return log._position == 300


async def test_who_waits_for_what_does_not_come_moves_on_without_being_woken(log: LiveLog, database: Database) -> None:
    reader = Reader(EventFilter(types=frozenset({"task.failed"})), 0)
    with log.reading(reader):
        waiting = asyncio.create_task(log.following(reader))
        await until(lambda: waits(reader), 5)
        for number in range(5):
            await write(database, news(number))
            await positioned(database)
            await until(lambda number=number: is_at(reader, number + 1), 5)
            assert not waiting.done()
        await write(database, news("failed", EventType.TASK_FAILED))
        await positioned(database)
        assert [each.position for each in await asyncio.wait_for(waiting, 5)] == [6]


async def waits(reader: Reader) -> bool:
    return reader.waiting is not None


async def is_at(reader: Reader, position: int) -> bool:
    return reader.position == position


async def test_the_tail_rests_while_nobody_reads(log: LiveLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_log, "_LINGER", 0.05)
    with log.reading(Reader(EventFilter(), 0)):
        task = log._task
        assert task is not None
    await asyncio.wait_for(task, 5)
    with log.reading(Reader(EventFilter(), 0)):
        assert log._task is not task


async def test_a_reader_for_whom_nothing_comes_keeps_the_tails_connection(
    log: LiveLog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("store.notifications._SILENCE", 0.1)
    monkeypatch.setattr("store.database._SILENT_BESIDES", 0.4)
    reader = Reader(EventFilter(), 0)
    with log.reading(reader), suppress(TimeoutError):
        async with asyncio.timeout(1.5):
            while True:
                await log.following(reader)
    assert "live streams wait" not in caplog.text


async def test_a_stream_that_the_archive_overtakes_says_so_and_ends(
    log: LiveLog, database: Database, settings: Settings
) -> None:
    await write(database, *(news(number) for number in range(10)))
    await positioned(database)
    reader = Reader(EventFilter(), 0)
    stream = EventStream(log, settings, reader)
    await archived(database, 4)
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    await asyncio.wait_for(stream({"type": "http", "method": "GET"}, receive, send), 10)
    body = b"".join(message.get("body", b"") for message in sent)
    assert body.startswith(b"retry: 1000\n\nid: 0\n\nevent: stream.reset\ndata: ")
    assert b"the oldest that is kept is 5" in body
    assert sent[-1].get("more_body", False) is False
