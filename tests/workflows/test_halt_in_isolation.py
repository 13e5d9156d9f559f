"""Halt: a cancel that waits for nobody, in the workflow alone."""

from typing import Any

import pytest

from missions.contracts import (
    Activity,
    AssignmentsDispatched,
    CancelRequest,
    MissionStopped,
    Outcome,
    Signal,
    StopMission,
)
from tests.workflows.isolated import (
    Bench,
    Run,
    assert_canceled,
    bench,
    client,
    driving,
    end_assignment,
)
from tests.workflows.test_cancel_in_isolation import PHASES

FIXTURES = (bench, client)
pytestmark = pytest.mark.stack

HALT = CancelRequest(reason="fire", requested_by="ann")


async def halt(run: Run) -> None:
    await run.signal(Signal.HALT, HALT)


def never_confirmed(call: StopMission) -> MissionStopped:
    return MissionStopped(outcome=Outcome.DONE, awaited=[1])


def assert_nobody_was_awaited(run: Run) -> None:
    assert Activity.RESEND_CANCELS not in run.fake.names()
    finish = run.fake.inputs(Activity.FINISH_MISSION)[-1]
    assert (finish.halted, finish.unconfirmed) == (True, [1])


@pytest.mark.parametrize(("name", "script"), PHASES)
async def test_halt_in_each_phase_ends_canceled(bench: Bench, name: str, script: Any) -> None:
    bench.fake.scripts[name] = script
    bench.fake.scripts[Activity.STOP_MISSION] = never_confirmed
    # No time to resend would ever come: only the halt can end the wait.
    run = await bench.start(cancel_resend_interval=1000.0, ready_timeout=1000.0)
    await run.until_called(name)
    await halt(run)
    await assert_canceled(run)
    assert run.fake.inputs(Activity.STOP_MISSION)[0].halt
    assert_nobody_was_awaited(run)


async def test_halt_of_a_cancel_under_way_ends_its_wait(bench: Bench) -> None:
    bench.fake.scripts[Activity.STOP_MISSION] = never_confirmed
    run = await driving(bench, cancel_resend_interval=1000.0)
    await run.handle.cancel()
    await run.until_called(Activity.STOP_MISSION)
    await run.until_waiting()
    await halt(run)
    await assert_canceled(run)
    assert_nobody_was_awaited(run)


async def test_halt_of_a_failing_mission_cancels_it(bench: Bench) -> None:
    bench.fake.scripts[Activity.STOP_MISSION] = never_confirmed
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = lambda call: AssignmentsDispatched(
        outcome=Outcome.DONE, groups=1, sent=[1, 2]
    )
    run = await driving(bench, cancel_resend_interval=1000.0, options={"assignment_timeout": 0.2})
    await run.until_called(Activity.STOP_MISSION)
    await run.until_waiting()
    await halt(run)
    await assert_canceled(run)
    assert_nobody_was_awaited(run)


async def test_halt_racing_with_the_last_report_ends_one_way(bench: Bench) -> None:
    run = await driving(bench)
    await end_assignment(run)
    await halt(run)
    assert await run.ended() in ("CANCELED", "COMPLETED")
    assert run.fake.status in ("canceled", "succeeded")
