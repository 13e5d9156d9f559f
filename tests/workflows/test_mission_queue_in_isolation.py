"""The queue's workflow alone: it looks whenever it may have to, ends as it should, and never misses a change."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from missions.contracts import Activity, QueueActivity, QueueAdvanced, QueueChanged, QueueSignal
from tests.support.site import until
from tests.workflows.isolated import ALSO_WITHOUT_CACHE, Bench, Run, bench, client

FIXTURES = (bench, client)
pytestmark = pytest.mark.stack

ADVANCE = QueueActivity.ADVANCE_MISSION_QUEUE
STOPPED, CANCELED = (QueueAdvanced(status=status, over=True) for status in ("stopped", "canceled"))


async def change(run: Run) -> None:
    await run.signal(QueueSignal.QUEUE_CHANGED, QueueChanged(why="a mission ended"))


async def first_run(bench: Bench, run: Run) -> str:
    """How the run ended that was started first."""
    first = run.handle.first_execution_run_id
    described = await bench.client.get_workflow_handle(run.handle.id, run_id=first).describe()
    assert described.status is not None
    return described.status.name


async def test_idle_queue_ends_at_once(bench: Bench) -> None:
    bench.fake.queue = STOPPED
    run = await bench.start_queue()
    assert await run.ended() == "COMPLETED"
    assert bench.fake.names() == [ADVANCE]


async def test_waits_for_changes_without_looking(bench: Bench) -> None:
    run = await bench.start_queue()
    await run.until_called(ADVANCE)
    await run.until_waiting()
    await change(run)
    await run.until_called(ADVANCE, 2)
    await run.until_waiting()
    bench.fake.queue = STOPPED
    await change(run)
    assert await run.ended() == "COMPLETED"
    assert bench.fake.names() == [ADVANCE] * 3


async def test_change_while_it_looks_is_not_missed(bench: Bench) -> None:
    """The row was run again after the look that found it idle, and so nobody else starts a run."""

    started: list[Run] = []

    async def is_started() -> bool:
        return bool(started)

    async def told_meanwhile(call: Any) -> QueueAdvanced | None:
        if bench.fake.names().count(ADVANCE) > 1:
            return None
        await until(is_started, 5)
        await change(started[0])
        return STOPPED

    bench.fake.scripts[ADVANCE] = told_meanwhile
    run = await bench.start_queue()
    started.append(run)
    await run.until_called(ADVANCE, 2)
    await run.until_waiting()
    bench.fake.queue = STOPPED
    await change(run)
    assert await run.ended() == "COMPLETED"
    assert bench.fake.names() == [ADVANCE] * 3


@ALSO_WITHOUT_CACHE
async def test_native_cancel_cancels_the_queue_and_waits_for_its_end(bench: Bench) -> None:
    run = await bench.start_queue()
    await run.until_called(ADVANCE)
    await run.until_waiting()
    await run.handle.cancel(reason="rain")
    await run.until_called(ADVANCE, 2)
    await run.until_waiting()
    assert [call.reason for call in bench.fake.inputs(QueueActivity.CANCEL_MISSION_QUEUE)] == ["rain"]
    bench.fake.queue = CANCELED
    await change(run)
    assert await run.ended() == "CANCELED"
    assert bench.fake.names() == [ADVANCE, QueueActivity.CANCEL_MISSION_QUEUE, ADVANCE, ADVANCE]


async def test_queue_that_the_api_canceled_ends_canceled_too(bench: Bench) -> None:
    bench.fake.queue = CANCELED
    run = await bench.start_queue()
    assert await run.ended() == "CANCELED"
    assert bench.fake.names() == [ADVANCE, Activity.REQUEST_NATIVE_CANCEL]


async def test_run_again_while_a_canceled_run_ends_is_another_run(bench: Bench) -> None:
    run = await bench.start_queue()
    await run.until_called(ADVANCE)
    await run.until_waiting()

    async def run_again(call: Any) -> QueueAdvanced:
        if bench.fake.names().count(ADVANCE) > 2:
            return STOPPED
        await change(run)
        return CANCELED

    bench.fake.scripts[ADVANCE] = run_again
    await run.handle.cancel(reason="rain")
    assert await run.ended() == "COMPLETED"
    assert await first_run(bench, run) == "CONTINUED_AS_NEW"


async def test_begins_when_its_time_has_come(bench: Bench) -> None:
    at = datetime.now(UTC) + timedelta(seconds=1)
    bench.fake.queue = QueueAdvanced(status="run", start_at=at.isoformat(), waiting="scheduled")
    run = await bench.start_queue()
    await run.until_called(ADVANCE)
    bench.fake.queue = STOPPED
    assert await run.ended() == "COMPLETED"
    assert bench.fake.names() == [ADVANCE] * 2
    assert datetime.now(UTC) >= at


@ALSO_WITHOUT_CACHE
async def test_long_history_goes_on_in_another_run(bench: Bench) -> None:
    run = await bench.start_queue()
    for times in range(1, 12):
        await run.until_called(ADVANCE, times)
        await run.until_waiting()
        await change(run)
    await run.until_called(ADVANCE, 12)
    bench.fake.queue = STOPPED
    await change(run)
    assert await run.ended() == "COMPLETED"
    assert await first_run(bench, run) == "CONTINUED_AS_NEW"
    assert len([history async for history in bench.runs(run.handle)]) > 2, "each of them is replayed"


async def test_clock_that_is_behind_does_not_make_it_look_without_end(bench: Bench) -> None:
    past = (datetime.now(UTC) - timedelta(seconds=9)).isoformat()
    bench.fake.queue = QueueAdvanced(status="run", start_at=past, waiting="scheduled")
    run = await bench.start_queue()
    await run.until_called(ADVANCE)
    await run.until_waiting()
    assert bench.fake.names() == [ADVANCE]
    bench.fake.queue = STOPPED
    assert await run.ended() == "COMPLETED"
