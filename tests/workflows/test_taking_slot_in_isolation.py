"""A mission without agents takes its slot: the workflow alone, with activities that answer as a test says."""

import asyncio
from typing import Any

import pytest

from missions.contracts import Activity, Outcome, SlotGranted, SlotTaken, StepRan
from missions.errors import FailureCode
from tests.workflows.isolated import (
    ALSO_WITHOUT_CACHE,
    STEP,
    Bench,
    Run,
    assert_canceled,
    bench,
    cancel_natively,
    client,
)

FIXTURES = (bench, client)
pytestmark = pytest.mark.stack

WAITS = SlotTaken(outcome=Outcome.WAITING, waiting="1 runs, and the limit is 1")
GRANT = SlotGranted(attempt=1)
WITHOUT_AGENTS: dict[str, Any] = {"reserves": False, "takes_slot": True}


async def waiting(bench: Bench, **fields: Any) -> Run:
    bench.fake.scripts = {Activity.TAKE_SLOT: lambda call: WAITS, STEP: lambda call: StepRan(outcome=Outcome.DONE)}
    run = await bench.start(**WITHOUT_AGENTS, **fields)
    await run.until_called(Activity.TAKE_SLOT)
    await run.until_waiting()
    return run


async def test_it_runs_at_once_where_there_is_a_slot(bench: Bench) -> None:
    bench.fake.scripts = {STEP: lambda call: StepRan(outcome=Outcome.DONE)}
    run = await bench.start(**WITHOUT_AGENTS)
    assert await run.ended() == "COMPLETED"
    assert run.fake.names() == [Activity.TAKE_SLOT, STEP, Activity.FINISH_MISSION]


async def test_a_mission_with_agents_takes_none(bench: Bench) -> None:
    bench.fake.scripts = {STEP: lambda call: StepRan(outcome=Outcome.DONE)}
    run = await bench.start()
    assert await run.ended() == "COMPLETED"
    assert Activity.TAKE_SLOT not in run.fake.names()


@ALSO_WITHOUT_CACHE
async def test_it_waits_for_the_grant(bench: Bench) -> None:
    run = await waiting(bench)
    assert run.fake.names() == [Activity.TAKE_SLOT]
    await run.signal("slot_granted", GRANT)
    assert await run.ended() == "COMPLETED"
    assert run.fake.names() == [Activity.TAKE_SLOT, STEP, Activity.FINISH_MISSION]


async def test_a_grant_that_comes_before_the_answer_counts(bench: Bench) -> None:
    granted = asyncio.Event()

    async def slow(call: Any) -> SlotTaken:
        await granted.wait()
        return WAITS

    bench.fake.scripts = {Activity.TAKE_SLOT: slow, STEP: lambda call: StepRan(outcome=Outcome.DONE)}
    run = await bench.start(**WITHOUT_AGENTS)
    await run.until_called(Activity.TAKE_SLOT)
    await run.signal("slot_granted", GRANT)
    granted.set()
    assert await run.ended() == "COMPLETED"


async def test_a_grant_of_another_attempt_does_not(bench: Bench) -> None:
    run = await waiting(bench, attempt=2)
    await run.signal("slot_granted", GRANT)
    await run.until_waiting()
    assert run.fake.names() == [Activity.TAKE_SLOT]
    await run.signal("slot_granted", SlotGranted(attempt=2))
    assert await run.ended() == "COMPLETED"


async def test_a_cancel_ends_the_wait(bench: Bench) -> None:
    run = await waiting(bench)
    await cancel_natively(run)
    await assert_canceled(run)
    assert STEP not in run.fake.names()


async def test_a_row_that_is_canceling_already_is_canceled(bench: Bench) -> None:
    bench.fake.canceling = True
    run = await bench.start(**WITHOUT_AGENTS)
    await assert_canceled(run)


async def test_the_wait_has_a_limit(bench: Bench) -> None:
    run = await waiting(bench, options={"maxWait": 0.2})
    assert await run.ended() == "FAILED"
    assert await run.failure_type() == FailureCode.RESERVATION_TIMEOUT
    assert run.fake.names() == [Activity.TAKE_SLOT, Activity.STOP_MISSION, Activity.FINISH_MISSION]
