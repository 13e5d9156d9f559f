"""Pause and resume, in the workflow alone."""

import asyncio

import pytest

from missions.contracts import (
    Activity,
    AgentsPaused,
    AgentTold,
    AssignmentsChecked,
    AssignmentsDispatched,
    DispatchAssignments,
    Outcome,
    PauseWish,
    Signal,
)
from tests.workflows.isolated import SUCCEEDED, UNKNOWN, Bench, Run, bench, client, driving, end_assignment

FIXTURES = (bench, client)
pytestmark = pytest.mark.stack


def two_groups(call: DispatchAssignments) -> AssignmentsDispatched:
    return AssignmentsDispatched(outcome=Outcome.DONE, groups=2, sent=[call.group + 1], agents="truck")


async def test_pause_takes_effect_at_the_next_group_and_resume_goes_on(bench: Bench) -> None:
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = two_groups
    run = await driving(bench)
    await run.signal(Signal.PAUSE, PauseWish(paused=True, number=1))
    await run.until_waiting()
    assert Activity.NOTE_PAUSE not in bench.fake.names(), "its agent still drives"
    await end_assignment(run)
    await run.until_called(Activity.NOTE_PAUSE)
    await run.until_waiting()
    assert bench.fake.names().count(Activity.DISPATCH_ASSIGNMENTS) == 1
    await run.signal(Signal.PAUSE, PauseWish(paused=False, number=2))
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS, 2)
    await run.signal(Signal.ASSIGNMENT_ENDED, SUCCEEDED.model_copy(update={"assignment_id": 2}))
    assert await run.ended() == "COMPLETED"


async def test_a_resume_that_overtakes_its_pause_wins(bench: Bench) -> None:
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = two_groups
    run = await driving(bench)
    await run.signal(Signal.PAUSE, PauseWish(paused=False, number=2))
    await run.signal(Signal.PAUSE, PauseWish(paused=True, number=1))
    await end_assignment(run)
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS, 2)
    await run.signal(Signal.ASSIGNMENT_ENDED, SUCCEEDED.model_copy(update={"assignment_id": 2}))
    assert await run.ended() == "COMPLETED"
    assert Activity.NOTE_PAUSE not in bench.fake.names()


async def test_a_paused_mission_can_be_cancelled(bench: Bench) -> None:
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = two_groups
    run = await driving(bench)
    await run.signal(Signal.PAUSE, PauseWish(paused=True, number=1))
    await end_assignment(run)
    await run.until_called(Activity.NOTE_PAUSE)
    await run.handle.cancel()
    assert await run.ended() == "CANCELED"


def now(number: int) -> PauseWish:
    return PauseWish(paused=True, number=number, immediate=True)


RESUME = PauseWish(paused=False, number=9)


async def told(run: Run, *, listening: bool = True) -> None:
    await run.signal(Signal.AGENT_TOLD, AgentTold(instant_action_id=5, listening=listening))


async def test_immediate_pause_holds_once_the_agents_are_told(bench: Bench) -> None:
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = two_groups
    run = await driving(bench)
    await run.signal(Signal.PAUSE, now(1))
    await run.until_called(Activity.PAUSE_AGENTS)
    await run.until_waiting()
    assert Activity.NOTE_PAUSE not in run.fake.names(), "the agent may not have heard it"
    await told(run)
    await run.until_called(Activity.NOTE_PAUSE)
    assert run.fake.inputs(Activity.NOTE_PAUSE)[0].agents_told
    await end_assignment(run)
    await run.until_waiting()
    assert run.fake.names().count(Activity.DISPATCH_ASSIGNMENTS) == 1
    await run.signal(Signal.PAUSE, RESUME)
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS, 2)
    await run.signal(Signal.ASSIGNMENT_ENDED, SUCCEEDED.model_copy(update={"assignment_id": 2}))
    assert await run.ended() == "COMPLETED"


async def test_agent_that_does_not_listen_raises_attention_instead(bench: Bench) -> None:
    run = await driving(bench)
    await run.signal(Signal.PAUSE, now(1))
    await told(run, listening=False)
    await run.until_called(Activity.RAISE_ATTENTION)
    await run.until_waiting()
    assert run.fake.inputs(Activity.RAISE_ATTENTION)[0].code == "pause_not_delivered"
    bench.fake.scripts[Activity.PAUSE_AGENTS] = lambda call: AgentsPaused(instant_action_ids=[6])
    await run.signal(Signal.PAUSE, PauseWish(paused=False, number=2))
    await run.signal(Signal.PAUSE, now(3))
    await run.signal(Signal.AGENT_TOLD, AgentTold(instant_action_id=6, listening=False))
    await run.until_called(Activity.RAISE_ATTENTION, 2)
    first, second = run.fake.inputs(Activity.RAISE_ATTENTION)
    assert first.code == second.code
    assert first.text != second.text, "the same words would be no news"
    assert Activity.NOTE_PAUSE not in run.fake.names()
    await run.handle.cancel()
    assert await run.ended() == "CANCELED"


async def test_limits_stand_still_in_an_immediate_pause(bench: Bench) -> None:
    run = await driving(bench, options={"assignment_timeout": 1.0, "mission_timeout": 1.6, "agent_silence": 0.8})
    await run.signal(Signal.PAUSE, now(1))
    await told(run)
    await run.until_called(Activity.NOTE_PAUSE)
    await run.until_waiting()
    await asyncio.sleep(1.8)  # nothing shall happen, for longer than each limit
    assert run.fake.names()[-1] == Activity.NOTE_PAUSE, "nothing timed out, nobody is called silent"
    await run.signal(Signal.PAUSE, RESUME)
    assert await run.ended() == "FAILED"
    # Both clocks go on; on a slow machine the mission's may be the first.
    assert await run.failure_type() in ("assignment_timeout", "mission_timeout")


async def test_agents_time_runs_on_in_a_deferred_pause(bench: Bench) -> None:
    run = await driving(bench, options={"assignment_timeout": 0.5})
    await run.signal(Signal.PAUSE, PauseWish(paused=True, number=1))
    assert await run.ended() == "FAILED"
    assert await run.failure_type() == "assignment_timeout"


async def test_nothing_is_sent_again_in_a_pause(bench: Bench) -> None:
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = lambda call: UNKNOWN
    bench.fake.scripts[Activity.CHECK_ASSIGNMENTS] = lambda call: AssignmentsChecked(statuses={"1": "to_dispatch"})
    run = await driving(bench, options={"assignment_start_timeout": 0.6, "unconfirmed_start": "resend"})
    await run.signal(Signal.PAUSE, now(1))
    await asyncio.sleep(0.8)  # nothing shall happen, for longer than the limit
    await run.until_waiting()
    assert Activity.RESEND_ASSIGNMENT not in run.fake.names()
    await run.signal(Signal.PAUSE, RESUME)
    await run.until_called(Activity.RESEND_ASSIGNMENT)
    await end_assignment(run)
    assert await run.ended() == "COMPLETED"
