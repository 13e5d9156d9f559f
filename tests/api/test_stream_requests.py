"""Who may open a live stream, and where it may begin."""

import asyncio
import time
from typing import Any

import httpx
import pytest

from api import stream_tokens
from tests.api.conftest import problem
from tests.api.streaming import READERS, TOKEN, Place, new_mission
from tests.support.site import until

pytestmark = pytest.mark.stack


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
