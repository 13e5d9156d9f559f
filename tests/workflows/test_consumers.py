"""The example consumers, on what real missions emit: from the live stream, and from a queue of their own."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from examples.consumers.alert_rules import OverTime, QueueDepth, RetryStorm, Stall
from examples.consumers.alerting import Alerting
from examples.consumers.analytics import Analytics
from examples.consumers.dashboard import Dashboard
from examples.consumers.feed import Cursor, Event, from_queue, from_stream
from examples.consumers.retries import RetryAnalysis
from tests.support.planner import Service
from tests.support.site import TOKEN, Mission, Site, until

TYPES = ("task.*", "work_process.waiting")


@pytest.fixture(params=["stream", "queue"])
async def feed(request: pytest.FixtureRequest, site: Site) -> AsyncIterator[list[Event]]:
    """What a consumer gets, from now on."""
    source = (
        from_stream(str(site.api.base_url).removesuffix("/api/v1/"), TOKEN, TYPES, Cursor())
        if request.param == "stream"
        else from_queue(site.addresses.amqp_url, f"consumer-{secrets.token_hex(3)}", TYPES)
    )
    async with reading(source) as taken:
        await first_event(site, taken)
        yield taken


@asynccontextmanager
async def reading(source: AsyncIterator[Event]) -> AsyncIterator[list[Event]]:
    taken: list[Event] = []

    async def read() -> None:
        async for event in source:
            taken.append(event)

    task = asyncio.create_task(read())
    try:
        yield taken
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def first_event(site: Site, taken: list[Event]) -> None:
    """Wait until the consumer gets events: missions are made until one is heard of."""
    name, _ = await recipe(site, lambda call: {"results": []})

    async def heard() -> bool:
        mission = await submit(site, name)
        await mission.until("succeeded")
        return any(event["type"] == "task.completed" for event in taken)

    await until(heard, 20)


async def recipe(site: Site, script: Callable[[Any], Any], **fields: Any) -> tuple[str, Service]:
    name = f"data.process-{secrets.token_hex(3)}"
    options = {"retryInitialInterval": 0.1, "retryBackoff": 1} | fields.pop("options", {})
    return await site.recipe(script, name=name, options=options, **fields)


async def submit(site: Site, name: str, **fields: Any) -> Mission:
    body = {"workProcessTypeName": name, "status": "dispatched", **fields}
    return Mission(site, (await site.post("/work-processes", body))["id"])


async def until_heard(taken: list[Event], mission: Mission, kind: str, count: int = 1) -> None:
    async def there() -> bool:
        return [event["type"] for event in taken if event["mission_id"] == str(mission.id)].count(kind) == count

    await until(there, 20, lambda: str([event["type"] for event in taken]))


async def test_consumers_see_what_missions_did(site: Site, feed: list[Event]) -> None:
    good, _ = await recipe(site, lambda call: {"results": []})
    flaky, _ = await recipe(site, lambda call: {"results": []} if call.number > 2 else {"status": "failed"})
    bad, _ = await recipe(site, lambda call: {"status": "failed"})
    held, service = await recipe(site, lambda call: {"results": []})
    service.hold.clear()

    succeeded = [await submit(site, good) for _ in range(3)]
    retried = await submit(site, flaky, maxRetries=3)
    failed = await submit(site, bad, maxRetries=2)
    cancelled = await submit(site, held)
    for mission in succeeded:
        await mission.until("succeeded")
    await retried.until("succeeded")
    await failed.until("failed")
    for mission in (*succeeded, retried):
        await until_heard(feed, mission, "task.completed")
    await until_heard(feed, failed, "task.failed", 2)
    await until_heard(feed, cancelled, "task.started")
    running = Dashboard()
    for event in feed:
        running.take(event)
    assert list(running.running) == [str(cancelled.id)]
    await cancelled.cancel()
    await cancelled.until("canceled")
    service.hold.set()
    await until_heard(feed, cancelled, "task.cancelled")

    dashboard, analytics, retries = Dashboard(), Analytics(), RetryAnalysis()
    told: list[tuple[str, str]] = []
    alerting = Alerting(lambda severity, text: told.append((severity, text)), rules=())
    mine = {str(mission.id) for mission in (*succeeded, retried, failed, cancelled)}
    events = [event for event in feed if event["mission_id"] in mine]
    for event in events:
        for consumer in (dashboard, analytics, retries, alerting):
            consumer.take(event)

    assert dashboard.running == {}
    assert dashboard.waiting_for_retry == {}
    assert dashboard.ended == {"succeeded": 4, "failed": 1, "cancelled": 1}
    figures = analytics.by_type[good]
    assert (figures.started, figures.succeeded, figures.success_rate) == (3, 3, 1.0)
    assert 0 < figures.p50 <= figures.p95
    assert (analytics.by_type[held].cancelled, analytics.by_type[bad].failed) == (1, 1)
    assert retries.by_type[flaky].succeeded_after == {2: 1}
    assert retries.by_type[bad].given_up_after == {2: 1}
    assert retries.by_type[bad].errors == {"planning_failed": 2}
    assert sorted(severity for severity, _ in told) == ["CRITICAL", "WARNING"]
    numbers = {mission: [e["mission_sequence"] for e in events if e["mission_id"] == mission] for mission in mine}
    assert all(found == sorted(set(found)) for found in numbers.values())


async def test_rules_complain_of_missions_that_wait_run_long_and_retry(site: Site, feed: list[Event]) -> None:
    held, service = await recipe(site, lambda call: {"results": []}, maxConcurrent=1)
    service.hold.clear()
    storm, _ = await recipe(site, lambda call: {"status": "failed"}, options={"maxRetries": 2})
    rules = QueueDepth(most=1), Stall(seconds=60), OverTime(limit=30), RetryStorm(fewest=3)
    missions = [await submit(site, held)]
    await missions[0].until("calculating")
    missions += [await submit(site, held) for _ in range(2)]
    for waiting in missions[1:]:
        await waiting.until_waiting("slot")
    failing = [await submit(site, storm) for _ in range(3)]
    for mission in failing:
        await mission.until("failed")
        await until_heard(feed, mission, "task.failed", 2)
        await until_heard(feed, mission, "task.retrying")
    await until_heard(feed, missions[0], "task.started")
    for mission in missions[1:]:
        await until_heard(feed, mission, "work_process.waiting")
    mine = {str(mission.id) for mission in (*missions, *failing)}
    for event in feed:
        for rule in rules if event["mission_id"] in mine else ():
            rule.take(event)

    now = time.time()
    assert [list(rule.complaints(now)) for rule in rules] == [["queue depth"], [], [], ["retry storm"]]
    assert [list(rule.complaints(now + 100)) for rule in rules[1:3]] == [["stall"], [f"over time: {missions[0].id}"]]
    count = len(feed)
    service.hold.set()
    for mission in missions:
        await mission.until("succeeded")
        await until_heard(feed, mission, "task.completed")
    for event in feed[count:]:
        for rule in rules:
            rule.take(event)
    assert [list(rule.complaints(now + 100)) for rule in rules[:3]] == [[], [], []]
