"""Pause and resume, in the workflow alone."""

import pytest

from missions.contracts import Activity, AssignmentsDispatched, DispatchAssignments, Outcome, PauseWish, Signal
from tests.workflows.isolated import SUCCEEDED, Bench, bench, client, driving, end_assignment

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
