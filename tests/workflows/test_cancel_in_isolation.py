"""Cancel and the workflow's cache, in the orders of events that no site can be made to produce.

What ran is replayed task by task, and in the sandbox; some of it also runs without a cache.
"""

import asyncio
import gc
import re
from typing import Any

import pytest
from temporalio.client import Client

from missions.contracts import (
    Activity,
    AssignmentEnded,
    AssignmentsDispatched,
    CancelRequest,
    MissionStopped,
    Outcome,
    Reserved,
    StepRan,
)
from tests.support.site import until
from tests.workflows.isolated import (
    ALSO_WITHOUT_CACHE,
    BROKEN,
    STEP,
    UNKNOWN,
    WAITING,
    Bench,
    Deed,
    Run,
    assert_canceled,
    assert_quiet,
    bench,
    cancel_by_signal,
    cancel_natively,
    client,
    driving,
    end_assignment,
    polls,
    without_a_reason,
)

FIXTURES = (bench, client)
pytestmark = pytest.mark.stack

PHASES: list[Any] = [
    pytest.param(Activity.RESERVE_AGENTS, lambda call: WAITING, id="in line"),
    pytest.param(Activity.RESERVE_AGENTS, lambda call: Reserved(outcome=Outcome.DONE, round=1), id="asking agents"),
    pytest.param(STEP, polls, id="polling"),
    pytest.param(Activity.DISPATCH_ASSIGNMENTS, lambda call: None, id="driving"),
    pytest.param(Activity.DISPATCH_ASSIGNMENTS, lambda call: UNKNOWN, id="not knowing"),
]


REASONS: dict[Deed, str] = {cancel_natively: "by the ui", cancel_by_signal: "by signal", without_a_reason: ""}


@pytest.mark.parametrize("way", REASONS)
@pytest.mark.parametrize(("name", "script"), PHASES)
async def test_cancel_in_each_phase_stops_releases_and_ends_canceled(
    bench: Bench, name: str, script: Any, way: Deed
) -> None:
    bench.fake.scripts[name] = script
    run = await bench.start(ready_timeout=60, reserve_resend_interval=60)
    await run.until_called(name)
    await way(run)
    await assert_canceled(run)
    assert run.fake.names()[-3:].count("request_native_cancel") == (way is cancel_by_signal)
    asked = run.fake.inputs(Activity.STOP_MISSION)[0].cancel
    assert asked.reason == REASONS[way]


async def test_step_that_confirms_its_cancel_before_the_mission_has_ended_leaves_no_lost_error(bench: Bench) -> None:
    """Python logs such an error, if it clears away the task before the run leaves the cache."""

    async def confirmed() -> bool:
        events = (await run.handle.fetch_history()).events
        return any(event.HasField("activity_task_canceled_event_attributes") for event in events)

    async def stop_late(call: Any) -> None:
        await until(confirmed, 3)

    def finish(call: Any) -> None:
        tasks = [found for found in gc.get_objects() if isinstance(found, asyncio.Task) and found.done()]
        of_step.extend(task for task in tasks if {STEP, run.handle.id} <= set(re.split(r"[ ,]", task.get_name())))

    of_step: list[asyncio.Task[Any]] = []
    bench.fake.scripts |= {STEP: polls, Activity.STOP_MISSION: stop_late, Activity.FINISH_MISSION: finish}
    run = await bench.start()
    await run.until_called(STEP)
    await cancel_by_signal(run)
    assert await run.ended() == "CANCELED"
    assert [task._log_traceback for task in of_step] == [False]


@pytest.mark.parametrize("name", ["cancel", "halt"])
@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ([], ""),
        ([""], ""),
        (["wrong yard"], "wrong yard"),
        (["a\x00b"], "ab"),
        ([{"reason": 5}], "{'reason': 5}"),
        ([{"reason": "wrong yard"}, "twice"], "wrong yard"),
    ],
    ids=["nothing", "no words", "text", "a NUL", "another type", "two inputs"],
)
async def test_a_cancel_that_is_written_by_hand_counts_whatever_its_form(
    bench: Bench, name: str, said: list[Any], reason: str
) -> None:
    run = await driving(bench)
    await run.handle.signal(name, args=said)
    await assert_canceled(run)
    assert run.fake.inputs(Activity.STOP_MISSION)[0].cancel.reason == reason


@pytest.mark.parametrize("way", [cancel_natively, cancel_by_signal, without_a_reason])
async def test_cancel_before_the_first_task(bench: Bench, way: Deed) -> None:
    await bench.stop_workflows()
    run = await bench.start()
    await way(run)
    bench.start_workflows()
    await assert_canceled(run)
    assert STEP not in run.fake.names()


CANCEL_FIRST = pytest.mark.parametrize("cancel_first", [True, False], ids=["cancel first", "report first"])


async def both_in_one_activation(bench: Bench, run: Run, way: Deed, *, cancel_first: bool) -> None:
    await bench.stop_workflows()
    for deed in (way, end_assignment) if cancel_first else (end_assignment, way):
        await deed(run)
    bench.start_workflows()


@CANCEL_FIRST
async def test_cancel_signal_in_one_activation_with_the_last_report_wins(bench: Bench, cancel_first: bool) -> None:
    run = await driving(bench)
    await both_in_one_activation(bench, run, cancel_by_signal, cancel_first=cancel_first)
    await assert_canceled(run)


@ALSO_WITHOUT_CACHE
@CANCEL_FIRST
async def test_native_cancel_in_one_activation_with_the_last_report_is_decided_by_the_row(
    bench: Bench, cancel_first: bool
) -> None:
    """The SDK handles signals before a cancel. Where the API asked, the row says `canceling` and the cancel wins."""
    run = await driving(bench)
    await both_in_one_activation(bench, run, cancel_natively, cancel_first=cancel_first)
    assert (await run.ended(), run.fake.status) == ("COMPLETED", "succeeded")

    by_api = await driving(bench)
    bench.fake.canceling = True
    await both_in_one_activation(bench, by_api, cancel_natively, cancel_first=cancel_first)
    assert (await by_api.ended(), run.fake.status) == ("CANCELED", "canceled")
    assert Activity.REQUEST_NATIVE_CANCEL not in run.fake.names()


@CANCEL_FIRST
@pytest.mark.parametrize("way", [cancel_natively, cancel_by_signal])
async def test_cancel_in_one_activation_with_a_report_in_between_ends_canceled(
    bench: Bench, way: Deed, cancel_first: bool
) -> None:
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = lambda call: AssignmentsDispatched(
        outcome=Outcome.DONE, groups=2, sent=[1 + call.group], agents="truck"
    )
    run = await driving(bench)
    await both_in_one_activation(bench, run, way, cancel_first=cancel_first)
    await assert_canceled(run)


@pytest.mark.parametrize("way", [cancel_natively, cancel_by_signal])
async def test_cancel_in_one_activation_with_the_written_success_comes_too_late(bench: Bench, way: Deed) -> None:
    go_on = asyncio.Event()

    async def held(call: Any) -> None:
        await go_on.wait()

    bench.fake.scripts[Activity.FINISH_MISSION] = held
    run = await driving(bench)
    await end_assignment(run)
    await run.until_called(Activity.FINISH_MISSION)
    await bench.stop_workflows()
    go_on.set()
    await way(run)
    bench.start_workflows()
    assert await run.ended() == "COMPLETED", "the row says succeeded, so does the run"
    assert run.fake.status == "succeeded"


@ALSO_WITHOUT_CACHE
async def test_cancel_during_the_clean_up_of_a_failure_wins_without_cutting_it(bench: Bench) -> None:
    bench.fake.scripts[STEP] = lambda call: BROKEN
    bench.fake.scripts[Activity.STOP_MISSION] = lambda call: MissionStopped(outcome=Outcome.DONE, awaited=[1])
    run = await bench.start(cancel_resend_interval=60)
    await run.until_called(Activity.STOP_MISSION)
    await run.until_waiting()
    await cancel_natively(run)
    await cancel_by_signal(run)
    await run.until_waiting()
    assert Activity.FINISH_MISSION not in run.fake.names(), "the agent's confirmation is still awaited"
    await run.signal("assignment_ended", AssignmentEnded(assignment_id=1, status="canceled"))
    await assert_canceled(run)
    assert [call.status for call in run.fake.inputs(Activity.FINISH_MISSION)] == ["canceled"]


async def test_cancel_that_wins_the_row_during_the_clean_up_of_a_failure_ends_canceled(bench: Bench) -> None:
    bench.fake.scripts[STEP] = lambda call: BROKEN
    bench.fake.scripts[Activity.STOP_MISSION] = lambda call: MissionStopped(outcome=Outcome.DONE, awaited=[1])
    run = await bench.start(cancel_resend_interval=60)
    await run.until_called(Activity.STOP_MISSION)
    await run.until_waiting()
    bench.fake.canceling = True
    await run.signal("assignment_ended", AssignmentEnded(assignment_id=1, status="canceled"))
    await assert_canceled(run)
    assert [call.status for call in run.fake.inputs(Activity.FINISH_MISSION)] == ["failed", "canceled"]


@pytest.mark.parametrize(
    "name",
    [Activity.RESERVE_AGENTS, Activity.REQUEUE_RESERVATION, STEP, Activity.DISPATCH_ASSIGNMENTS,
     Activity.FINISH_MISSION, Activity.STOP_MISSION],
)  # fmt: skip
async def test_run_that_finds_its_row_canceling_ends_canceled(bench: Bench, name: str) -> None:
    """The API won the row, and its native cancel never comes."""

    def cancel_row(call: Any) -> Any:
        bench.fake.canceling = True
        superseded = {
            Activity.RESERVE_AGENTS: Reserved(outcome=Outcome.SUPERSEDED),
            Activity.REQUEUE_RESERVATION: Reserved(outcome=Outcome.SUPERSEDED),
            STEP: StepRan(outcome=Outcome.SUPERSEDED),
            Activity.DISPATCH_ASSIGNMENTS: AssignmentsDispatched(outcome=Outcome.SUPERSEDED),
        }
        if name == Activity.STOP_MISSION and call.failure is not None:
            return MissionStopped(outcome=Outcome.SUPERSEDED)
        return superseded.get(name)

    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = lambda call: AssignmentsDispatched(
        outcome=Outcome.DONE, groups=1, sent=[1], ended={"1": "succeeded"}, agents="truck"
    )
    if name == Activity.REQUEUE_RESERVATION:
        bench.fake.scripts[Activity.RESERVE_AGENTS] = lambda call: Reserved(outcome=Outcome.DONE, round=1)
    if name == Activity.STOP_MISSION:
        bench.fake.scripts[STEP] = lambda call: BROKEN
    bench.fake.scripts[name] = cancel_row
    run = await bench.start()
    await assert_canceled(run)
    assert run.fake.names()[-1] == Activity.REQUEST_NATIVE_CANCEL


async def test_agent_that_never_confirms_is_asked_again_and_named(bench: Bench) -> None:
    bench.fake.scripts[Activity.STOP_MISSION] = lambda call: MissionStopped(outcome=Outcome.DONE, awaited=[1])
    run = await driving(bench, cancel_resend_interval=0.1)
    await cancel_natively(run)
    await assert_canceled(run)
    assert run.fake.names().count(Activity.RESEND_CANCELS) == 2
    assert run.fake.inputs(Activity.FINISH_MISSION)[0].unconfirmed == [1]


async def test_second_cancel_changes_nothing(bench: Bench) -> None:
    bench.fake.scripts[Activity.STOP_MISSION] = lambda call: MissionStopped(outcome=Outcome.DONE, awaited=[1])
    run = await driving(bench, cancel_resend_interval=60)
    await bench.stop_workflows()
    await cancel_by_signal(run)
    await run.signal("cancel", CancelRequest(reason="second"))
    await cancel_natively(run)
    bench.start_workflows()
    await run.until_called(Activity.STOP_MISSION)
    await run.until_waiting()
    await run.signal("cancel", CancelRequest(reason="too late"))
    await run.signal("assignment_ended", AssignmentEnded(assignment_id=1, status="canceled"))
    await assert_canceled(run)
    assert run.fake.names().count(Activity.STOP_MISSION) == 1
    assert run.fake.inputs(Activity.STOP_MISSION)[0].cancel.reason == "by signal"


async def test_mission_time_out_during_a_cancel_changes_nothing(bench: Bench) -> None:
    bench.fake.scripts[Activity.STOP_MISSION] = lambda call: MissionStopped(outcome=Outcome.DONE, awaited=[1])
    run = await driving(bench, options={"mission_timeout": 1.5}, cancel_resend_interval=2, cancel_attempts=1)
    await cancel_natively(run)
    await assert_canceled(run)
    assert run.fake.inputs(Activity.FINISH_MISSION)[0].failure is None


# --- eviction


@pytest.mark.parametrize("stopping", [False, True], ids=["waiting", "being cancelled"])
@pytest.mark.parametrize(("name", "script"), PHASES)
async def test_runs_that_leave_the_cache_in_mid_wait_go_on_later(
    client: Client, caplog: pytest.LogCaptureFixture, name: str, script: Any, stopping: bool
) -> None:
    async with Bench(client, max_cached_workflows=1).running() as bench:
        bench.fake.scripts[name] = script
        if stopping:
            bench.fake.scripts[Activity.STOP_MISSION] = lambda call: MissionStopped(outcome=Outcome.DONE, awaited=[1])
        runs = [await bench.start(ready_timeout=60, reserve_resend_interval=60) for _ in range(3)]
        await runs[0].until_called(name, len(runs))
        bench.fake.canceling = False
        for run in runs:
            await cancel_natively(run)
        if stopping:
            await runs[0].until_called(Activity.STOP_MISSION, len(runs))
            for run in runs:
                await run.signal("assignment_ended", AssignmentEnded(assignment_id=1, status="canceled"))
        for run in runs:
            assert await run.ended() == "CANCELED"
    await bench.replay()
    assert_quiet(caplog)
