"""Missions and queues whose histories got long, and the runs that go on: their workflows alone."""

# ruff: noqa: D103 -- the recorders' names are what they record

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from missions.contracts import Activity, AgentTold, QueueActivity, QueueAdvanced, QueueChanged
from scripts.histories.cancel_phases import ends
from tests.support.site import until
from tests.workflows.isolated import BROKEN, STEP, Bench, Run

_STOPPED = QueueAdvanced(status="stopped", over=True)


async def _grows(run: Run) -> None:
    """Make the engine suggest another run."""
    told = [AgentTold(instant_action_id=number) for number in range(60)]
    await asyncio.gather(*(run.signal("agent_told", one) for one in told))


async def first_of(run: Run) -> Run:
    """The first of the runs as which it was continued."""
    await run.ended()
    return Run(run.fake.client.get_workflow_handle(run.handle.id, run_id=run.handle.first_execution_run_id), run.fake)


async def _goes_on(bench: Bench, then: str, **fields: Any) -> Run:
    go = asyncio.Event()

    async def wait(call: Any) -> None:
        await go.wait()

    def fails(call: Any) -> Any:
        return BROKEN if call.attempt == 1 else None

    bench.fake.scripts |= {STEP: fails, Activity.END_ATTEMPT: wait}
    run = await bench.start(max_retries=2, **fields)
    await run.until_called(Activity.END_ATTEMPT)
    await _grows(run)
    go.set()
    await run.until_called(then)
    return run


async def continued_mission(bench: Bench) -> Run:
    run = await _goes_on(bench, Activity.DISPATCH_ASSIGNMENTS)
    return await first_of(await ends(run, 2))


async def succeeded_as_another_run(bench: Bench) -> Run:
    run = await _goes_on(bench, Activity.DISPATCH_ASSIGNMENTS, options={"mission_timeout": 60.0})
    return await ends(run, 2)


async def canceled_as_another_run(bench: Bench) -> Run:
    bench.fake.retry_delay = 3600
    run = await _goes_on(bench, Activity.END_ATTEMPT)
    first = run.handle.first_execution_run_id

    async def another() -> bool:
        return (await run.handle.describe()).run_id != first

    await until(another, 30)
    await run.until_waiting()
    await run.handle.cancel()
    return run


async def continued_queue(bench: Bench) -> Run:
    run = await bench.start_queue()
    for times in range(1, 12):
        await run.until_called(QueueActivity.ADVANCE_MISSION_QUEUE, times)
        await run.until_waiting()
        await run.signal("queue_changed", QueueChanged())
    bench.fake.queue = _STOPPED
    await run.signal("queue_changed", QueueChanged())
    return await first_of(run)


async def continued_queue_that_was_run_again(bench: Bench) -> Run:
    """Somebody ran it again while its canceled run came to its end."""
    run = await bench.start_queue()
    await run.until_called(QueueActivity.ADVANCE_MISSION_QUEUE)
    await run.until_waiting()

    async def run_again(call: Any) -> QueueAdvanced:
        if bench.fake.names().count(QueueActivity.ADVANCE_MISSION_QUEUE) > 2:
            return _STOPPED
        await run.signal("queue_changed", QueueChanged())
        return QueueAdvanced(status="canceled", over=True)

    bench.fake.scripts[QueueActivity.ADVANCE_MISSION_QUEUE] = run_again
    await run.handle.cancel(reason="rain")
    return await first_of(run)


async def succeeded_queue_at_its_time(bench: Bench) -> Run:
    at = datetime.now(UTC) + timedelta(seconds=1)
    bench.fake.queue = QueueAdvanced(status="run", start_at=at.isoformat(), waiting="scheduled")
    run = await bench.start_queue()
    await run.until_called(QueueActivity.ADVANCE_MISSION_QUEUE)
    bench.fake.queue = _STOPPED
    return run


RECORDERS: list[Callable[[Bench], Awaitable[Run]]] = [
    continued_mission, succeeded_as_another_run, canceled_as_another_run, continued_queue,
    continued_queue_that_was_run_again, succeeded_queue_at_its_time,
]  # fmt: skip
