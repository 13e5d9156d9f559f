"""The live stream of one mission: its state, then its events, to its end."""

import asyncio
import json
import random
from collections.abc import AsyncIterator

import pytest
from httpx_sse import ServerSentEvent

from tests.api.conftest import problem
from tests.api.event_log import news, write
from tests.api.streaming import Place, change, new_mission, payload_names

pytestmark = pytest.mark.stack


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
        while looks < 5:
            await change(place, mission, chance.choice(["dispatched", "calculating", "executing"]))
            await asyncio.sleep(chance.random() * 0.02)
        await change(place, mission, "failed")

    looks = 0
    changer = asyncio.create_task(changing())
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


async def test_an_unknown_mission_has_no_stream(place: Place) -> None:
    problem(await place.http.get("/work-processes/999999/stream"), 404)
    problem(await place.http.get("/work-processes/999999/stream", headers={"Last-Event-ID": "1"}), 404)
