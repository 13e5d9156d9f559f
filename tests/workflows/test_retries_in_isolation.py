"""Attempts of a mission, in the workflow alone: what ends between two of them, and what a run hands to the next one."""

import asyncio
from typing import Any

import pytest

from missions.contracts import (
    Activity,
    AgentsGranted,
    AgentsReady,
    AgentTold,
    Outcome,
    PauseWish,
    Reserved,
    Signal,
)
from missions.errors import FailureCode
from missions.statuses import WorkProcessStatus
from tests.support.site import until
from tests.workflows.isolated import (
    ALSO_WITHOUT_CACHE,
    BROKEN,
    PATIENCE,
    STEP,
    WAITING,
    Bench,
    Deed,
    Run,
    assert_canceled,
    bench,
    cancel_by_signal,
    cancel_natively,
    client,
    end_assignment,
    step,
)

FIXTURES = (bench, client)
pytestmark = pytest.mark.stack


def fails(times: int) -> Any:
    """A step that fails so often before it succeeds."""
    return lambda call: BROKEN if call.attempt <= times else None


async def between_attempts(bench: Bench, **fields: Any) -> Run:
    """A mission that waits for its second attempt, for an hour."""
    bench.fake.scripts[STEP] = fails(1)
    bench.fake.retry_delay = 3600
    run = await bench.start(**{"max_retries": 3, **fields})
    await run.until_called(Activity.END_ATTEMPT)
    await run.until_waiting()
    return run


async def let_history_grow(run: Run) -> None:
    """Make the engine suggest another run."""
    told = [AgentTold(instant_action_id=number) for number in range(60)]
    await asyncio.gather(*(run.signal(Signal.AGENT_TOLD, one) for one in told))


@ALSO_WITHOUT_CACHE
async def test_each_attempt_reserves_and_plans_anew(bench: Bench) -> None:
    bench.fake.scripts[STEP] = fails(2)
    run = await bench.start(max_retries=3)
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS)
    await end_assignment(run, 3)
    assert await run.ended() == "COMPLETED"
    failed = [Activity.RESERVE_AGENTS, STEP, Activity.STOP_MISSION, Activity.END_ATTEMPT]
    last = [Activity.RESERVE_AGENTS, STEP, Activity.DISPATCH_ASSIGNMENTS, Activity.FINISH_MISSION]
    assert bench.fake.names() == [*failed, *failed, *last]
    assert [call.attempt for _, call in bench.fake.calls] == [1] * 4 + [2] * 4 + [3] * 4
    assert [call.service_request_id for call in bench.fake.inputs(STEP)] == [1, 2, 3]
    assert bench.fake.inputs(Activity.FINISH_MISSION)[-1].status == WorkProcessStatus.SUCCEEDED


@pytest.mark.parametrize("attempts", [0, 1, 2])
async def test_run_fails_once_when_its_attempts_are_used_up(bench: Bench, attempts: int) -> None:
    bench.fake.scripts[STEP] = fails(9)
    run = await bench.start(max_retries=attempts)
    assert await run.ended() == "FAILED"
    assert await run.failure_type() == FailureCode.PLANNING_FAILED
    assert len(bench.fake.inputs(STEP)) == max(1, attempts)
    assert len(bench.fake.inputs(Activity.FINISH_MISSION)) == 1


async def test_next_attempt_waits_for_its_time(bench: Bench) -> None:
    run = await between_attempts(bench)
    assert Activity.RESERVE_AGENTS not in bench.fake.names()[1:]
    details = (await run.handle.describe()).static_details, await run.handle.query("__temporal_workflow_metadata")
    assert "attempt 2 of 3" in str(details)
    await run.handle.terminate()


@ALSO_WITHOUT_CACHE
@pytest.mark.parametrize("way", [cancel_natively, cancel_by_signal])
async def test_cancel_between_attempts_ends_at_once(bench: Bench, way: Deed) -> None:
    run = await between_attempts(bench)
    await way(run)
    await assert_canceled(run)
    assert len(bench.fake.inputs(STEP)) == 1


async def test_cancel_that_the_end_of_an_attempt_finds_in_the_row_wins(bench: Bench) -> None:
    def cancel_row(call: Any) -> None:
        bench.fake.canceling = True

    bench.fake.scripts |= {STEP: fails(1), Activity.END_ATTEMPT: cancel_row}
    run = await bench.start(max_retries=3)
    await assert_canceled(run)


async def test_failure_of_an_execution_is_tried_again_if_the_recipe_says_so(bench: Bench) -> None:
    run = await bench.start(max_retries=2, options={"assignment_timeout": 0.2, "retry_execution_failures": True})
    assert await run.ended() == "FAILED"
    assert len(bench.fake.inputs(Activity.END_ATTEMPT)) == 1
    bench.fake.calls.clear()
    run = await bench.start(max_retries=2, options={"assignment_timeout": 0.2})
    assert await run.ended() == "FAILED"
    assert bench.fake.inputs(Activity.END_ATTEMPT) == []


@pytest.mark.parametrize("again", [False, True])
async def test_step_that_fails_after_agents_worked_is_a_failure_of_the_execution(bench: Bench, again: bool) -> None:
    bench.fake.scripts[STEP] = lambda call: BROKEN if call.step == "then" else None
    steps = [step("plan", 1), step("then", 2, "plan", wait_assignments=True)]
    run = await bench.start(steps=steps, max_retries=2, options={"retry_execution_failures": again})
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS)
    await end_assignment(run, 1)
    if again:
        await run.until_called(Activity.DISPATCH_ASSIGNMENTS, 2)
        await end_assignment(run, 2)
    assert await run.ended() == ("COMPLETED" if again else "FAILED")
    assert len(bench.fake.inputs(Activity.DISPATCH_ASSIGNMENTS)) == (2 if again else 1)
    assert [call.will_retry for call in bench.fake.inputs(Activity.STOP_MISSION)] == [again]


async def test_pause_between_attempts_holds_before_the_next_one(bench: Bench) -> None:
    run = await between_attempts(bench)
    await run.signal(Signal.PAUSE, PauseWish(paused=True, number=1))
    await run.until_called(Activity.NOTE_PAUSE)
    await run.until_waiting()
    await cancel_natively(run)
    await assert_canceled(run)


async def test_paused_mission_begins_its_next_attempt_when_it_is_resumed(bench: Bench) -> None:
    bench.fake.scripts[STEP] = fails(1)
    bench.fake.retry_delay = 0.5
    run = await bench.start(max_retries=2)
    await run.until_called(Activity.END_ATTEMPT)
    await run.signal(Signal.PAUSE, PauseWish(paused=True, number=1, immediate=True))
    await run.until_called(Activity.PAUSE_AGENTS)
    await asyncio.sleep(0.6)  # its time comes in the pause, in which no timer runs that could be waited for
    await run.until_waiting()
    assert len(bench.fake.inputs(STEP)) == 1
    await run.signal(Signal.PAUSE, PauseWish(paused=False, number=2))
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS)
    await end_assignment(run, 2)
    assert await run.ended() == "COMPLETED"


async def test_signals_of_an_earlier_attempt_change_nothing(bench: Bench) -> None:
    asked = Reserved(outcome=Outcome.DONE, round=1)
    bench.fake.scripts |= {STEP: fails(1), Activity.RESERVE_AGENTS: lambda c: asked if c.attempt == 2 else None}
    run = await bench.start(max_retries=2, ready_timeout=60, reserve_resend_interval=60)
    await run.until_called(Activity.RESERVE_AGENTS, 2)
    await run.signal(Signal.AGENTS_READY, AgentsReady(attempt=1, round=1))
    await run.until_waiting()
    assert len(bench.fake.inputs(STEP)) == 1
    await run.signal(Signal.AGENTS_READY, AgentsReady(attempt=2, round=1))
    await run.until_called(STEP, 2)
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS)
    await end_assignment(run, 2)
    assert await run.ended() == "COMPLETED"


async def test_grant_of_an_earlier_attempt_does_not_end_the_wait(bench: Bench) -> None:
    bench.fake.scripts |= {STEP: fails(1), Activity.RESERVE_AGENTS: lambda c: WAITING if c.attempt == 2 else None}
    run = await bench.start(max_retries=2)
    await run.until_called(Activity.RESERVE_AGENTS, 2)
    await run.until_waiting()
    await run.signal(Signal.AGENTS_GRANTED, AgentsGranted(attempt=1))
    await run.until_waiting()
    assert len(bench.fake.inputs(Activity.RESERVE_AGENTS)) == 2
    await run.signal(Signal.AGENTS_GRANTED, AgentsGranted(attempt=2))
    await run.until_called(Activity.RESERVE_AGENTS, 3)
    await cancel_natively(run)
    await assert_canceled(run)


async def test_mission_time_out_counts_over_all_attempts_and_is_not_tried_again(bench: Bench) -> None:
    run = await between_attempts(bench, options={"mission_timeout": 1.0})
    assert await run.ended() == "FAILED"
    assert await run.failure_type() == FailureCode.MISSION_TIMEOUT
    assert len(bench.fake.inputs(Activity.END_ATTEMPT)) == 1


# --- One run hands over to the next --------------------------------------------------------------------------------


async def runs(bench: Bench, run: Run) -> int:
    return len([history async for history in bench.runs(run.handle)])


async def test_long_history_goes_on_in_another_run_at_the_next_attempt(bench: Bench) -> None:
    bench.fake.scripts[STEP] = fails(4)
    run = await bench.start(max_retries=5)
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS)
    await end_assignment(run, 5)
    assert await run.ended() == "COMPLETED"
    assert await runs(bench, run) > 1
    assert [call.attempt for call in bench.fake.inputs(STEP)] == [1, 2, 3, 4, 5]


async def held_at_its_end(bench: Bench, **fields: Any) -> tuple[Run, asyncio.Event]:
    """A mission whose first attempt's end has begun, after which another run takes over; let it go by the event."""
    go = asyncio.Event()

    async def wait(call: Any) -> None:
        await go.wait()

    bench.fake.scripts |= {STEP: fails(1), Activity.END_ATTEMPT: wait}
    run = await bench.start(**{"max_retries": 2, **fields})
    await run.until_called(Activity.END_ATTEMPT)
    await let_history_grow(run)
    return run, go


async def in_one_task(bench: Bench, run: Run, go: asyncio.Event, deed: Deed) -> None:
    """Let the workflow hear at once that its attempt has ended, and of the deed."""
    await bench.stop_workflows()
    go.set()

    async def ended() -> bool:
        return not (await run.handle.describe()).raw_description.pending_activities

    await until(ended, PATIENCE)
    await deed(run)
    bench.start_workflows()


@pytest.mark.parametrize("way", [cancel_natively, cancel_by_signal])
async def test_cancel_at_the_moment_of_the_hand_over_is_not_lost(bench: Bench, way: Deed) -> None:
    bench.fake.retry_delay = 3600
    run, go = await held_at_its_end(bench)
    await in_one_task(bench, run, go, way)
    await assert_canceled(run)


@pytest.mark.parametrize("way", [cancel_natively, cancel_by_signal])
async def test_cancel_after_the_hand_over_ends_at_once(bench: Bench, way: Deed) -> None:
    bench.fake.retry_delay = 3600
    run, go = await held_at_its_end(bench)
    go.set()
    await run.until_waiting()
    assert await runs(bench, run) == 2
    await way(run)
    await assert_canceled(run)


async def pause(run: Run) -> None:
    await run.signal(Signal.PAUSE, PauseWish(paused=True, number=5))


@pytest.mark.parametrize("moment", ["before", "in the same task"])
async def test_pause_is_handed_over(bench: Bench, moment: str) -> None:
    run, go = await held_at_its_end(bench)
    if moment == "before":
        await pause(run)
        go.set()
    else:
        await in_one_task(bench, run, go, pause)
    await run.until_called(Activity.NOTE_PAUSE)
    await run.until_waiting()
    assert await runs(bench, run) == 2
    assert len(bench.fake.inputs(STEP)) == 1
    await run.signal(Signal.PAUSE, PauseWish(paused=True, number=4))
    await run.signal(Signal.PAUSE, PauseWish(paused=False, number=6))
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS)
    await end_assignment(run, 2)
    assert await run.ended() == "COMPLETED"


async def test_rest_of_the_missions_time_is_handed_over(bench: Bench) -> None:
    bench.fake.retry_delay = 3600
    run, go = await held_at_its_end(bench, options={"mission_timeout": 4.0})
    go.set()
    await run.until_waiting()
    assert await runs(bench, run) == 2
    last = [history async for history in bench.runs(run.handle)][-1]
    handed = last.events[0].workflow_execution_started_event_attributes.input.payloads[0].data.decode()
    assert 0 < float(handed.split('"seconds_left":')[1].split(",")[0]) < 4.0
    assert await run.ended() == "FAILED"
    assert await run.failure_type() == FailureCode.MISSION_TIMEOUT
