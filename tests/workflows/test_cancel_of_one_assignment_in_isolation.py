"""Cancel of one assignment, in the workflow alone."""

import asyncio

import pytest

from missions.contracts import (
    Activity,
    AssignmentCancelWish,
    AssignmentEnded,
    AssignmentsChecked,
    AssignmentSettled,
    DispatchAssignments,
    MissionStopped,
    Outcome,
    Signal,
)
from tests.workflows.isolated import UNKNOWN, Bench, Run, assert_canceled, bench, client, driving

FIXTURES = (bench, client)
pytestmark = pytest.mark.stack


async def cancel(run: Run) -> None:
    await run.signal(Signal.CANCEL_ASSIGNMENT, AssignmentCancelWish(assignment_id=1))


async def confirm(run: Run) -> None:
    await run.signal(Signal.ASSIGNMENT_ENDED, AssignmentEnded(assignment_id=1, status="canceled"))


async def test_agent_is_told_and_its_confirmation_is_settled_like_a_failure(bench: Bench) -> None:
    run = await driving(bench, cancel_resend_interval=1000.0)
    await cancel(run)
    await run.until_called(Activity.RESEND_CANCELS)
    await run.until_waiting()
    assert Activity.SETTLE_FAILED_ASSIGNMENT not in run.fake.names(), "the agent may still drive"
    await confirm(run)
    assert await run.ended() == "FAILED"
    assert run.fake.inputs(Activity.SETTLE_FAILED_ASSIGNMENT)[0].given_up == ""


async def test_policy_may_let_the_mission_go_on(bench: Bench) -> None:
    bench.fake.scripts[Activity.SETTLE_FAILED_ASSIGNMENT] = lambda call: AssignmentSettled(
        outcome=Outcome.DONE, status="canceled"
    )
    run = await driving(bench)
    await cancel(run)
    await run.until_called(Activity.RESEND_CANCELS)
    await confirm(run)
    assert await run.ended() == "COMPLETED"


async def test_confirmation_that_came_with_the_cancel_is_looked_up(bench: Bench) -> None:
    bench.fake.scripts[Activity.RESEND_CANCELS] = lambda call: MissionStopped(outcome=Outcome.DONE)
    bench.fake.scripts[Activity.CHECK_ASSIGNMENTS] = lambda call: AssignmentsChecked(statuses={"1": "canceled"})
    run = await driving(bench)
    await cancel(run)
    assert await run.ended() == "FAILED"


async def test_agent_that_never_confirms_is_asked_again_then_raises_attention(bench: Bench) -> None:
    run = await driving(bench, cancel_resend_interval=0.1)
    await cancel(run)
    await run.until_called(Activity.RAISE_ATTENTION)
    await run.until_waiting()
    assert run.fake.names().count(Activity.RESEND_CANCELS) == 3
    assert run.fake.inputs(Activity.RAISE_ATTENTION)[0].code == "assignment_cancel_unconfirmed"
    await confirm(run)
    assert await run.ended() == "FAILED"


async def test_assignment_of_unknown_outcome_is_cancelled_without_waiting_for_a_sign(bench: Bench) -> None:
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = lambda call: UNKNOWN
    run = await driving(bench, options={"assignment_start_timeout": 1000.0})
    await cancel(run)
    await run.until_called(Activity.RESEND_CANCELS)
    await confirm(run)
    assert await run.ended() == "FAILED"


async def test_cancel_of_the_mission_takes_over(bench: Bench) -> None:
    run = await driving(bench, cancel_resend_interval=1000.0)
    await cancel(run)
    await run.until_called(Activity.RESEND_CANCELS)
    await run.handle.cancel()
    await assert_canceled(run)


async def test_cancel_does_not_overtake_the_assignment(bench: Bench) -> None:
    goes_out = asyncio.Event()

    async def send(call: DispatchAssignments) -> None:
        await goes_out.wait()

    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = send
    run = await bench.start(cancel_resend_interval=1000.0)
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS)
    await cancel(run)
    await run.handle.query("__stack_trace")  # it has taken the signal
    pending = (await run.handle.describe()).raw_description.pending_activities
    assert [one.activity_type.name for one in pending] == [Activity.DISPATCH_ASSIGNMENTS]
    goes_out.set()
    await run.until_called(Activity.RESEND_CANCELS)
    await confirm(run)
    assert await run.ended() == "FAILED"
