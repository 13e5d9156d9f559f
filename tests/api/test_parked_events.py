"""Parked events in the API: look, have them tried again, give up."""

from typing import Any

import pytest
from httpx import AsyncClient
from sqlalchemy import text

from store import parked_events
from store.database import Database
from tests.api.conftest import problem


@pytest.fixture
async def parked(api: AsyncClient, database: Database) -> AsyncClient:
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "INSERT INTO parked_events (outlet, sequence, event_id, type, event, error, tries)"
                " SELECT CASE number % 2 WHEN 0 THEN 'other' ELSE 'exchange' END, number, gen_random_uuid(),"
                " 'task.failed', CAST('{\"id\": \"x\"}' AS jsonb), 'refused', 6 FROM generate_series(1, 5) AS number"
            )
        )
    return api


async def listed(api: AsyncClient, query: str = "") -> list[Any]:
    answer = await api.get(f"/events/parked{query}")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def test_they_are_listed_newest_first_in_pages_and_by_outlet(parked: AsyncClient) -> None:
    first = (await parked.get("/events/parked?limit=3")).json()
    second = await listed(parked, f"?limit=3&cursor={first['nextCursor']}")
    assert [each["sequence"] for each in first["items"] + second] == [5, 4, 3, 2, 1]
    assert [each["sequence"] for each in await listed(parked, "?outlet=other")] == [4, 2]
    assert first["items"][0] | {"eventId": "", "parkedAt": ""} == {
        "id": 5,
        "outlet": "exchange",
        "sequence": 5,
        "eventId": "",
        "type": "task.failed",
        "error": "refused",
        "tries": 6,
        "parkedAt": "",
        "replayRequestedAt": None,
        "replayedAt": None,
        "event": {"id": "x"},
        "status": "parked",
    }


async def test_replay_is_asked_for_once_and_not_after_its_delivery(parked: AsyncClient, database: Database) -> None:
    first = await parked.post("/events/parked/1/replay")
    again = await parked.post("/events/parked/1/replay")
    assert (first.status_code, first.json()["status"]) == (202, "replaying")
    assert again.json() == first.json()
    async with database.transaction() as connection:
        await parked_events.replayed(connection, 1)
    assert [each["status"] for each in await listed(parked)][-1] == "replayed"
    problem(await parked.post("/events/parked/1/replay"), 409)


async def test_what_is_given_up_is_gone(parked: AsyncClient) -> None:
    assert (await parked.delete("/events/parked/2")).status_code == 204
    problem(await parked.delete("/events/parked/2"), 404)
    problem(await parked.post("/events/parked/2/replay"), 404)
    assert [each["id"] for each in await listed(parked)] == [5, 4, 3, 1]


async def test_wrong_cursor_is_refused(parked: AsyncClient) -> None:
    problem(await parked.get("/events/parked?cursor=x"), 422)
