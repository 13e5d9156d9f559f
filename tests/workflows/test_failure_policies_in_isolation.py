"""What the workflow does after an assignment failed and its policy lets the mission go on."""

import asyncio

import pytest

from missions.contracts import (
    Activity,
    AssignmentEnded,
    AssignmentsChecked,
    AssignmentsDispatched,
    AssignmentSettled,
    Outcome,
    SettleFailedAssignment,
)
from tests.workflows.isolated import UNKNOWN, Bench, Run, assert_canceled, bench, client, driving, step

FIXTURES = (bench, client)
pytestmark = pytest.mark.stack


def goes_on(call: SettleFailedAssignment) -> AssignmentSettled:
    return AssignmentSettled(outcome=Outcome.DONE, status="failed")


async def end(run: Run, assignment_id: int, status: str) -> None:
    await run.signal("assignment_ended", AssignmentEnded(assignment_id=assignment_id, status=status))


async def test_policy_that_fails_the_mission_does(bench: Bench) -> None:
    run = await driving(bench)
    await end(run, 1, "aborted")
    assert await run.ended() == "FAILED"
    assert await run.failure_type() == "assignment_failed"
    assert run.fake.names()[-3:] == ["settle_failed_assignment", "stop_mission", "finish_mission"]


async def test_next_group_follows_a_failed_one(bench: Bench) -> None:
    bench.fake.scripts[Activity.SETTLE_FAILED_ASSIGNMENT] = goes_on
    groups = [[1, 2], [3]]
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = lambda call: AssignmentsDispatched(
        outcome=Outcome.DONE, groups=2, sent=groups[call.group]
    )
    run = await driving(bench)
    for assignment_id, status in ((1, "failed"), (2, "rejected")):
        await end(run, assignment_id, status)
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS, 2)
    await end(run, 3, "succeeded")
    assert await run.handle.result() == "succeeded"
    settled = [call.assignment_id for call in run.fake.inputs(Activity.SETTLE_FAILED_ASSIGNMENT)]
    assert sorted(settled) == [1, 2]


async def test_the_rest_of_a_group_is_awaited(bench: Bench) -> None:
    bench.fake.scripts[Activity.SETTLE_FAILED_ASSIGNMENT] = goes_on
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = lambda call: AssignmentsDispatched(
        outcome=Outcome.DONE, groups=1, sent=[1, 2]
    )
    run = await driving(bench)
    await end(run, 1, "failed")
    await run.until_called(Activity.SETTLE_FAILED_ASSIGNMENT)
    await run.until_waiting()
    assert Activity.FINISH_MISSION not in run.fake.names()
    await end(run, 2, "succeeded")
    assert await run.handle.result() == "succeeded"


async def test_what_was_canceled_with_a_release_is_not_awaited(bench: Bench) -> None:
    bench.fake.scripts[Activity.SETTLE_FAILED_ASSIGNMENT] = lambda call: AssignmentSettled(
        outcome=Outcome.DONE, status="failed", canceled=[2], released=5
    )
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = lambda call: AssignmentsDispatched(
        outcome=Outcome.DONE, groups=1, sent=[1, 2] if call.step == "a" else []
    )
    run = await driving(bench, steps=[step("a", 1), step("b", 2, "a")])
    await end(run, 1, "failed")
    assert await run.handle.result() == "succeeded"
    assert [call.released for call in run.fake.inputs(Activity.DISPATCH_ASSIGNMENTS)] == [[], [5]]


async def test_time_out_follows_the_policy(bench: Bench) -> None:
    bench.fake.scripts[Activity.SETTLE_FAILED_ASSIGNMENT] = goes_on
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = lambda call: AssignmentsDispatched(
        outcome=Outcome.DONE, groups=1, sent=[1, 2]
    )
    run = await bench.start(options={"assignment_timeout": 0.2})
    assert await run.handle.result() == "succeeded"
    calls = run.fake.inputs(Activity.SETTLE_FAILED_ASSIGNMENT)
    assert [call.given_up for call in calls] == [f"assignment {n} did not end within 0.2 s" for n in (1, 2)]


async def test_unconfirmed_start_follows_the_policy(bench: Bench) -> None:
    bench.fake.scripts[Activity.SETTLE_FAILED_ASSIGNMENT] = goes_on
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = lambda call: UNKNOWN
    bench.fake.scripts[Activity.CHECK_ASSIGNMENTS] = lambda call: AssignmentsChecked(statuses={"1": "to_dispatch"})
    run = await bench.start(options={"assignment_start_timeout": 0.2, "unconfirmed_start": "fail"})
    assert await run.handle.result() == "succeeded"
    assert "may not have reached" in run.fake.inputs(Activity.SETTLE_FAILED_ASSIGNMENT)[0].given_up


async def test_cancel_that_the_row_knows_of_wins(bench: Bench) -> None:
    run = await driving(bench)
    bench.fake.canceling = True
    await end(run, 1, "failed")
    await assert_canceled(run)


async def test_failures_at_once_are_settled_one_by_one(bench: Bench) -> None:
    at_once: list[int] = []
    most: set[int] = set()

    async def settle(call: SettleFailedAssignment) -> AssignmentSettled:
        at_once.append(call.assignment_id)
        most.add(len(at_once))
        await asyncio.sleep(0.1)
        at_once.remove(call.assignment_id)
        return goes_on(call)

    bench.fake.scripts[Activity.SETTLE_FAILED_ASSIGNMENT] = settle
    run = await bench.start(steps=[step(name, number) for number, name in enumerate("abc", start=1)])
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS, 3)
    for number in (1, 2, 3):
        await end(run, number, "failed")
    assert await run.handle.result() == "succeeded"
    assert most == {1}
