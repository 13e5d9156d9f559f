"""What becomes of live streams when their reader sleeps, the database goes, events are archived, the process stops."""

import asyncio
import socket
import time

import psutil
import pytest
from sqlalchemy import text

from missions.errors import PartUnavailable
from tests.api.conftest import problem
from tests.api.event_log import archived, news, write
from tests.api.streaming import Place, new_mission, payload_names, sleeper
from tests.support.site import until

pytestmark = pytest.mark.stack


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


async def wrote(place: Place, number: int) -> bool:
    try:
        await write(place.database, news(number))
    except PartUnavailable:
        return False
    return True


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
