"""Old events go to files and out of the log: each is in one of them, whatever dies in between."""

import asyncio
import gzip
import json
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text

from missions.events import Event, EventSource, EventType, NewEvent, utc_now
from missions.principals import MUSTER
from outlets import archiver, event_files
from outlets.archiver import Archiver, archive
from settings import Settings
from store import event_archive, event_history, event_stats
from store.connection import Connection
from store.database import Database
from store.event_tables import event_outlets
from store.events import append
from store.positions import give_positions
from store.tables import events
from tests.support.site import until

pytestmark = pytest.mark.stack

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
async def database(database: Database) -> Database:
    """An empty log with twelve events, two hours apart from noon on: six of one day, six of the next."""
    async with database.transaction() as connection:
        await connection.execute(text("TRUNCATE events, event_outlets RESTART IDENTITY"))
        await connection.execute(text("UPDATE event_log SET last_position = 0, archived_position = 0"))
        await append(connection, [news(number) for number in range(1, 13)])
        await give_positions(connection, 100)
        later = "CAST(:noon AS timestamptz) + (sequence - 1) * interval '2h'"
        await connection.execute(text(f"UPDATE events SET timestamp = {later}"), {"noon": NOON})
    return database


def news(number: int) -> NewEvent:
    payload = {"number": number, "word": "ä\n"}
    return NewEvent(type=EventType.RECIPE_CHANGED, source=EventSource.API, actor=MUSTER, payload=payload)


async def positions(database: Database) -> list[int]:
    async with database.statement() as connection:
        return list(await connection.scalars(select(events.c.sequence).order_by(events.c.sequence)))


def in_files(folder: Path) -> list[Event]:
    lines = [line for file in sorted(folder.iterdir()) for line in gzip.decompress(file.read_bytes()).splitlines()]
    return [Event.model_validate_json(line) for line in lines]


async def all_archived(database: Database, folder: Path, before: datetime = MIDNIGHT + timedelta(days=9)) -> None:
    async with database.statement() as connection:
        while await archive(connection, folder, before, keep_for_disabled=60):
            pass


async def test_old_events_are_in_a_file_of_their_day_as_the_api_shows_them(database: Database, tmp_path: Path) -> None:
    async with database.transaction() as connection:
        shown = (await event_history.page(connection, after=None, limit=6)).events
    await all_archived(database, tmp_path, MIDNIGHT)
    assert os.listdir(tmp_path) == ["events-2026-03-01-000000000001-000000000006.jsonl.gz"]
    assert in_files(tmp_path) == shown
    assert await positions(database) == [7, 8, 9, 10, 11, 12]
    await all_archived(database, tmp_path, MIDNIGHT + timedelta(hours=5))  # no day is cut
    assert [event.sequence for event in in_files(tmp_path)] == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    await all_archived(database, tmp_path)
    assert [event.sequence for event in in_files(tmp_path)] == [*range(1, 13)]


async def test_positions_and_readers_go_on_behind_an_empty_log(database: Database, tmp_path: Path) -> None:
    await all_archived(database, tmp_path)
    async with database.transaction() as connection:
        await append(connection, [news(13)])
        await give_positions(connection, 100)
    async with database.transaction() as connection:
        page = await event_history.page(connection, after=12, limit=10)
        assert (await event_history.bounds(connection)).oldest == 13
    assert [event.sequence for event in page.events] == [13]


async def test_what_an_outlet_has_still_to_deliver_stays(database: Database, tmp_path: Path) -> None:
    async with database.transaction() as connection:
        for name, position in (("slow", 3), ("quick", 12)):
            await connection.execute(insert(event_outlets).values(name=name, position=position))
    await all_archived(database, tmp_path)
    assert await positions(database) == [*range(4, 13)]
    async with database.transaction() as connection:
        await connection.execute(text("DELETE FROM event_outlets WHERE name = 'slow'"))
    await all_archived(database, tmp_path)
    assert await positions(database) == []
    assert [event.sequence for event in in_files(tmp_path)] == [*range(1, 13)]


@pytest.mark.parametrize("dies_in", ["writing", "before the removal", "in the middle of the removal"])
async def test_a_crash_loses_no_event_and_leaves_no_broken_file(
    database: Database, tmp_path: Path, dies_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Crash(Exception):
        pass

    def crash(*_: Any) -> None:
        raise Crash

    async def crash_later(connection: Connection, until: int) -> bool:
        if dies_in.startswith("in"):
            monkeypatch.setattr(event_archive, "_REMOVE", text(str(event_archive._REMOVE).replace("+ 1000", "+ 2")))
            await remove(connection, until)
        raise Crash

    remove = event_archive.remove
    with monkeypatch.context() as patch:
        if dies_in == "writing":
            patch.setattr(event_files.os, "fsync", crash)
        else:
            patch.setattr(archiver.event_archive, "remove", crash_later)
        with pytest.raises(Crash):
            await all_archived(database, tmp_path)
    await all_archived(database, tmp_path)
    found = [event.sequence for event in in_files(tmp_path)]
    assert sorted(set(found)) == [*range(1, 13)]
    # What was on the disk and not yet removed may be there twice.
    assert len(found) == (16 if dies_in.startswith("in") else 12)
    assert await positions(database) == []


async def test_the_archiver_archives_by_itself_what_is_older_than_the_setting(
    database: Database, tmp_path: Path
) -> None:
    await only_the_last_two_are_new(database)
    async with running(database, tmp_path, days=1):
        await until(lambda: is_left(database, [11, 12]), 10)
    assert {json.loads(event.model_dump_json())["payload"]["word"] for event in in_files(tmp_path)} == {"ä\n"}


async def only_the_last_two_are_new(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE events SET timestamp = now() WHERE sequence > 10"))


async def is_left(database: Database, expected: list[int]) -> bool:
    return await positions(database) == expected


@asynccontextmanager
async def running(database: Database, folder: Path, *, days: int | str) -> AsyncIterator[Archiver]:
    """An archiver with this setting."""
    archiver = Archiver(Settings(event_archive_dir=folder, event_retention_days=days), database)
    archiver.start()
    try:
        yield archiver
    finally:
        await archiver.stop()


@pytest.mark.parametrize("days", [0, ""])
async def test_events_are_kept_for_ever_where_that_is_set(database: Database, tmp_path: Path, days: int | str) -> None:
    archiver = Archiver(Settings(event_archive_dir=tmp_path, event_retention_days=days), database)
    async with database.statement() as connection:
        assert not await archiver._work(connection)
    assert await is_left(database, [*range(1, 13)])


async def test_what_an_enabled_webhook_still_needs_stays(database: Database, tmp_path: Path) -> None:
    """It has got the log up to position 8, and of that 5 is not delivered yet."""
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "WITH made AS (INSERT INTO webhooks (url, types, secret, position) VALUES ('u', '{}', 's', 8)"
                " RETURNING id) INSERT INTO webhook_deliveries (webhook_id, sequence, event_type, state)"
                " SELECT made.id, events.sequence, events.type,"
                " CASE WHEN events.sequence = 5 THEN 'pending' ELSE 'delivered' END"
                " FROM made, events WHERE events.sequence <= 8"
            )
        )
    try:
        await all_archived(database, tmp_path)
        assert await positions(database) == [*range(5, 13)]
        async with database.transaction() as connection:
            await connection.execute(text("UPDATE webhook_deliveries SET state = 'delivered'"))
        await all_archived(database, tmp_path)
        assert await positions(database) == [*range(9, 13)]
        async with database.transaction() as connection:
            await connection.execute(text("UPDATE webhooks SET position = 12"))
        await all_archived(database, tmp_path)
        assert await positions(database) == []
    finally:
        async with database.transaction() as connection:
            await connection.execute(text("DELETE FROM webhook_deliveries"))
            await connection.execute(text("DELETE FROM webhooks"))


async def test_removal_goes_on_behind_a_gap(database: Database, tmp_path: Path) -> None:
    """Somebody deleted events by hand: more than are removed at once."""
    gap = event_archive.REMOVED_AT_ONCE * 2
    async with database.transaction() as connection:
        await connection.execute(text("DELETE FROM events WHERE sequence <= 4"))
        await connection.execute(text("UPDATE events SET sequence = sequence + :gap WHERE sequence > 8"), {"gap": gap})
        await connection.execute(text("UPDATE event_log SET last_position = last_position + :gap"), {"gap": gap})
    async with asyncio.timeout(10):
        await all_archived(database, tmp_path)
    assert await is_left(database, [])
    assert [event.sequence for event in in_files(tmp_path)] == [5, 6, 7, 8, *range(9 + gap, 13 + gap)]
    async with database.statement() as connection:
        assert (await event_history.bounds(connection)).archived == 12 + gap


async def test_folder_that_cannot_be_written_to_is_said_and_tried_again(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await only_the_last_two_are_new(database)
    folder = tmp_path / "archive"
    folder.write_text("in its place")

    async def error() -> str | None:
        async with database.transaction() as connection:
            return (await event_stats.stats(connection, timedelta(hours=1))).archive_error

    async with running(database, folder, days=1):
        await until(error, 10)
        assert str(folder) in str(await error())
        assert len(await positions(database)) == 12
        folder.unlink()
        await until(lambda: is_left(database, [11, 12]), 10)

        async def no_error() -> bool:
            return await error() is None

        await until(no_error, 10)
    said = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert 1 <= len(said) <= 4
    assert not any(record.exc_info for record in said)


async def test_nothing_is_left_of_a_file_that_has_no_room(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database.transaction() as connection:
        some = (await event_history.page(connection, after=None, limit=3)).events

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(event_files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        event_files.write(tmp_path, some)
    assert os.listdir(tmp_path) == []


async def test_writers_hardly_notice(database: Database, tmp_path: Path) -> None:
    """Whoever appends waits for no removal: the longest wait stays far below that of one big one."""
    async with database.transaction() as connection:
        for _ in range(2):
            await append(connection, [news(number) for number in range(1000)])
        await give_positions(connection, 100_000)
        await connection.execute(text("UPDATE events SET timestamp = CAST(:noon AS timestamptz)"), {"noon": NOON})
    waits: list[float] = []
    archiving = asyncio.create_task(all_archived(database, tmp_path))
    while not archiving.done():
        begun = utc_now()
        async with database.transaction() as connection:
            await append(connection, [news(0)])
        async with database.statement() as connection:
            await give_positions(connection, 100)
        waits.append((utc_now() - begun).total_seconds())
        await asyncio.sleep(0.005)
    await archiving
    assert len(in_files(tmp_path)) >= 2000
    assert max(waits) < 1
