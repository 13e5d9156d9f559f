"""Missions that are not to start before a certain time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from missions.contracts import Activity
from tests.support.site import Site
from tests.workflows.isolated import (
    Bench,
    assert_canceled,
    bench,
    cancel_by_signal,
    cancel_natively,
    client,
)

FIXTURES = (bench, client)
pytestmark = pytest.mark.stack


def later(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


async def timers(run: Any) -> int:
    events = [event async for event in run.handle.fetch_history_events()]
    return sum(event.HasField("timer_started_event_attributes") for event in events)


@pytest.mark.parametrize("way", [cancel_by_signal, cancel_natively])
async def test_cancel_of_a_scheduled_mission_works_at_once(bench: Bench, way: Any) -> None:
    run = await bench.start(start_at=later(3600))
    await run.until_waiting()
    assert bench.fake.names() == []
    await way(run)
    await assert_canceled(run)
    assert Activity.RESERVE_AGENTS not in bench.fake.names()


async def test_scheduled_mission_reserves_when_its_time_has_come(bench: Bench) -> None:
    run = await bench.start(start_at=later(2), steps=[], options={"mission_timeout": 60})
    await run.until_waiting()
    assert bench.fake.names() == []
    assert await run.ended() == "COMPLETED"
    assert bench.fake.names()[0] == Activity.RESERVE_AGENTS


@pytest.mark.parametrize("start_at", [None, "2026-01-01T06:00:00+00:00"])
async def test_mission_whose_time_is_over_needs_no_timer(bench: Bench, start_at: str | None) -> None:
    run = await bench.start(start_at=start_at, steps=[], reserves=False)
    assert await run.ended() == "COMPLETED"
    assert await timers(run) == 0


async def test_scheduled_mission_says_so_and_is_in_no_line(site: Site) -> None:
    truck = await site.agent()
    recipe, _ = await site.recipe(lambda call: {"results": [{"agent_id": truck.id, "assignment": {"n": 1}}]})
    scheduled = await site.mission(recipe, [truck], schedStartAt=later(20), priority="CRITICAL")
    reason = await scheduled.until_waiting("scheduled")
    assert reason["agentId"] is None
    listed = (await site.get("/work-processes?status=dispatched"))["items"]
    assert [(item["id"], item["waitingReasons"]) for item in listed] == [(scheduled.id, [reason])]
    assert (await scheduled.read())["status"] == "dispatched"
    await (await site.mission(recipe, [truck])).until("succeeded")
    await scheduled.cancel()
    await scheduled.until("canceled")

    soon = await site.mission(recipe, [truck], schedStartAt=later(2), status="draft")
    at = later(3)
    await site.api.patch(f"/work-processes/{soon.id}", json={"schedStartAt": at, "status": "dispatched"})
    shown = await soon.until("succeeded")
    assert datetime.fromisoformat(shown["startedAt"]) >= datetime.fromisoformat(at)
    assert shown["waitingReasons"] == []
