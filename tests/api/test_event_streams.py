"""Live streams of a real API process: what comes, and what a cut costs."""

import asyncio
import json
import random
from contextlib import aclosing

import pytest
from sqlalchemy import insert

from examples.consumers.feed import Cursor, from_stream
from missions.events import EventType
from missions.statuses import AgentClass, Severity
from store.tables import agents
from tests.api.event_log import news, write
from tests.api.streaming import TOKEN, Place, payload_names
from tests.support.site import until

pytestmark = pytest.mark.stack


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


async def test_a_reader_that_is_cut_before_its_first_event_misses_none(place: Place) -> None:
    start, cursor, url = await place.last(), Cursor(), place.url.removesuffix("/api/v1")

    async def has_a_place() -> bool:
        return cursor.position == str(start)

    cut = asyncio.ensure_future(anext(from_stream(url, TOKEN, ["recipe.*"], cursor)))
    await until(has_a_place, 5)
    cut.cancel()
    await asyncio.gather(cut, return_exceptions=True)
    await write(place.database, news("while it was away"))
    await place.last()
    async with asyncio.timeout(20), aclosing(from_stream(url, TOKEN, ["recipe.*"], cursor)) as events:
        event = await anext(events)
    assert event["payload"]["name"] == "while it was away"


async def test_filters_hold_for_what_was_and_what_comes(place: Place) -> None:
    async with place.database.transaction() as connection:
        node = await connection.scalar(
            insert(agents).values(uuid="node-1", agent_class=AgentClass.PLATFORM).returning(agents.c.id)
        )
        await connection.execute(insert(agents).values(uuid="tug-1", agent_class=AgentClass.INSTRUMENT, parent_id=node))
    before = await place.last()
    some = [
        news("created", EventType.TASK_CREATED),
        news("changed"),
        news("failed", EventType.TASK_FAILED, severity=Severity.ERROR),
        news("said", EventType.AGENT_UPDATED, payload={"agent_uuid": "tug-1"}, severity=Severity.WARNING),
        news("began", EventType.MISSION_THREAD_STARTED, payload={"origin": "node-1"}),
        news("elsewhere", EventType.MISSION_THREAD_STARTED, payload={"origin": "node-2"}),
    ]
    await write(place.database, *some)
    await place.last()
    wanted = {
        "created failed": {"type": "task.*"},
        "failed said": {"severity": "WARNING"},
        "said": {"agent": "tug-1"},
        "said began": {"platform": "node-1"},
        "began": {"platform": str(node), "type": "mission.thread.*"},
        "began elsewhere": {"type": "mission.*"},
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
    last = await place.last()
    async with asyncio.timeout(20), place.http.stream("GET", "/events/stream", params={"type": "task.*"}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-accel-buffering"] == "no"
        chunks = answer.aiter_text()
        assert await anext(chunks) == "retry: 1000\n\n"
        assert await anext(chunks) == f"id: {last}\n\n"
        assert await anext(chunks) == ": heartbeat\n\n"
        await write(place.database, news("not wanted"))
        last = await place.last()
        async for chunk in chunks:
            if chunk != ": heartbeat\n\n":
                assert chunk == f"id: {last}\n\n"
                break
