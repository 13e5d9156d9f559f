"""A run that takes over a mission whose run was ended from outside, or is lost: the workflows alone."""

import pytest

from missions.contracts import (
    Activity,
    Continued,
    MissionStopped,
    Outcome,
    PauseWish,
    StopMission,
    TakesOver,
)
from missions.errors import FailureCode
from missions.mission_files.contracts import FileActivity
from missions.mission_files.platform_contracts import PlatformActivity
from tests.workflows.isolated import TERMINATED, Bench, assert_canceled, bench, client, end_assignment
from tests.workflows.isolated_files import FileBench, command, file_bench, timed
from tests.workflows.isolated_platforms import PlatformBench, platform_bench

FIXTURES = (bench, client, file_bench, platform_bench)
pytestmark = pytest.mark.stack

HALTED = TERMINATED.model_copy(update={"halted": True})
AWAITED = MissionStopped(outcome=Outcome.DONE, awaited=[1])


async def test_an_interrupted_mission_is_stopped_and_fails(bench: Bench) -> None:
    run = await bench.start(takes_over=TERMINATED, max_retries=3)
    assert await run.ended() == "FAILED"
    assert await run.failure_type() == FailureCode.TERMINATED
    assert run.fake.names() == [Activity.STOP_MISSION, Activity.FINISH_MISSION]
    assert [call.transition for _, call in run.fake.calls] == [1003, 1006]


async def test_an_interrupted_mission_awaits_its_agents(bench: Bench) -> None:
    bench.fake.scripts[Activity.STOP_MISSION] = lambda call: AWAITED
    run = await bench.start(takes_over=TERMINATED, cancel_resend_interval=60)
    await run.until_called(Activity.STOP_MISSION)
    await run.until_waiting()
    assert Activity.FINISH_MISSION not in run.fake.names()
    await end_assignment(run)
    assert await run.ended() == "FAILED"


async def test_an_interrupted_mission_that_was_halted_awaits_nobody(bench: Bench) -> None:
    bench.fake.canceling = True
    bench.fake.scripts[Activity.STOP_MISSION] = lambda call: AWAITED if call.failure is None else None
    run = await bench.start(takes_over=HALTED, cancel_resend_interval=60)
    await assert_canceled(run)


async def test_an_interrupted_mission_whose_row_is_canceling_ends_canceled(bench: Bench) -> None:
    bench.fake.canceling = True
    run = await bench.start(takes_over=TERMINATED)
    await assert_canceled(run)
    stops: list[StopMission] = run.fake.inputs(Activity.STOP_MISSION)
    assert [stop.failure is None for stop in stops] == [False, True]


async def test_a_mission_that_goes_on_looks_for_what_was_sent_before(bench: Bench) -> None:
    paused = Continued(pause=PauseWish(paused=True, number=4))
    run = await bench.start(takes_over=TakesOver(first_transition=1000), continued=paused, reserves=False)
    await run.until_called(Activity.NOTE_PAUSE)
    assert run.fake.names() == [Activity.NOTE_PAUSE]
    await run.signal("pause", PauseWish(paused=False, number=5))
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS)
    await end_assignment(run)
    assert await run.ended() == "COMPLETED"
    assert [call.again for call in run.fake.inputs(Activity.DISPATCH_ASSIGNMENTS)] == [True]
    assert all(call.transition > 1000 for name, call in run.fake.calls)


async def test_an_interrupted_mission_file_cancels_commands_before_its_instruments_go_inactive(
    file_bench: FileBench,
) -> None:
    run = await file_bench.run_file(timed(command("A")), timed(command("B"), number=1), takes_over=TERMINATED)
    assert await run.ended() == "FAILED"
    assert run.fake.sent() == []
    names = run.fake.names()
    assert names[:3] == [
        FileActivity.TAKE_OVER_THREADS,
        FileActivity.CANCEL_COMMAND,
        FileActivity.BRING_TO_INACTIVE,
    ]
    assert {call.run for call in run.fake.inputs(FileActivity.BRING_TO_INACTIVE)} == {1000}
    assert names[-2:] == [Activity.STOP_MISSION, Activity.FINISH_MISSION]


async def test_an_interrupted_command_of_a_platform_fails(platform_bench: PlatformBench) -> None:
    run = await platform_bench.give(takes_over=TERMINATED)
    assert await run.ended() == "FAILED"
    assert PlatformActivity.SEND_PLATFORM_COMMAND not in run.fake.names()
    assert run.fake.names() == [Activity.STOP_MISSION, Activity.FINISH_MISSION]
