"""The mission's workflow alone, in the orders of events that no site can be made to produce.

Each test runs twice: with a cache, and without one, so that every task replays the run from its beginning.
"""

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from engine.client import DATA_CONVERTER
from missions.contracts import (
    Activity,
    AgentsGranted,
    AgentsReady,
    AssignmentEnded,
    AssignmentsChecked,
    AssignmentsDispatched,
    AssignmentStarted,
    CancelRequest,
    MissionStopped,
    Outcome,
    Reserved,
    StepRan,
)
from missions.errors import Failure, FailureCode
from tests.workflows.isolated import STEP, Bench, Run, assert_quiet, step
from workflows.search_attributes import ALL_KEYS

SUCCEEDED = AssignmentEnded(assignment_id=1, status="succeeded")
WAITING = Reserved(outcome=Outcome.WAITING, waiting="agent truck is busy")
BROKEN = StepRan(outcome=Outcome.FAILED, failure=Failure(code=FailureCode.PLANNING_FAILED, text="broken", step="plan"))
UNKNOWN = AssignmentsDispatched(outcome=Outcome.DONE, groups=1, sent=[1], unconfirmed=[1], agents="truck")
pytestmark = pytest.mark.stack

DYNAMIC = ('history.timerProcessorMaxTimeShift="10ms"', "history.transferProcessorMaxPollRPS=2000")


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[Client]:
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(Path(sys.executable).with_name("temporal")),
        data_converter=DATA_CONVERTER,
        search_attributes=ALL_KEYS,
        dev_server_extra_args=[part for value in DYNAMIC for part in ("--dynamic-config-value", value)],
    )
    async with environment:
        yield environment.client


@pytest.fixture(params=[1000, 0], ids=["cached", "replayed"])
async def bench(
    request: pytest.FixtureRequest, client: Client, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[Bench]:
    async with Bench(client, request.param).running() as running:
        yield running
    assert_quiet(caplog)


async def driving(bench: Bench, **fields: Any) -> Run:
    """A mission whose agent has its assignment."""
    before = bench.fake.names().count(Activity.DISPATCH_ASSIGNMENTS)
    run = await bench.start(**fields)
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS, before + 1)
    await run.until_waiting()
    return run


async def end_assignment(run: Run) -> None:
    await run.signal("assignment_ended", SUCCEEDED)


async def cancel_natively(run: Run) -> None:
    await run.cancel(reason="by the ui")


async def cancel_by_signal(run: Run) -> None:
    await run.signal("cancel", CancelRequest(reason="by signal", requested_by="tester"))


Deed = Callable[[Run], Awaitable[None]]


async def assert_canceled(run: Run) -> None:
    assert await run.ended() == "CANCELED"
    assert run.fake.status == "canceled"
    names = run.fake.names()
    assert (
        names.count(Activity.FINISH_MISSION) == 1 or run.fake.inputs(Activity.FINISH_MISSION)[-1].status == "canceled"
    )
    stopped, finished = names.index(Activity.STOP_MISSION), len(names) - names[::-1].index(Activity.FINISH_MISSION)
    assert stopped < finished


# --- the plain ways


async def test_mission_goes_through_four_activities(bench: Bench) -> None:
    run = await driving(bench)
    await end_assignment(run)
    assert await run.handle.result() == "succeeded"
    assert run.fake.names() == ["reserve_agents", STEP, "dispatch_assignments", "finish_mission"]


async def test_status_changes_have_numbers_of_their_own(bench: Bench) -> None:
    run = await driving(bench)
    await end_assignment(run)
    await run.handle.result()
    numbers = [call.transition for _, call in run.fake.calls]
    assert numbers == sorted(numbers)
    assert min(b - a for a, b in itertools.pairwise(numbers)) >= 3


async def test_mission_without_steps_and_agents_succeeds(bench: Bench) -> None:
    run = await bench.start(steps=[], reserves=False)
    assert await run.handle.result() == "succeeded"
    assert run.fake.names() == ["finish_mission"]


async def test_diamond_of_steps(bench: Bench) -> None:
    steps = [step("a", 1), step("b", 2, "a"), step("c", 3, "a", apply_result=False), step("d", 4, "b", "c")]
    run = await bench.start(steps=steps)
    for number in (1, 2, 4):
        await run.until_called(Activity.DISPATCH_ASSIGNMENTS, {1: 1, 2: 2, 4: 3}[number])
        await run.signal("assignment_ended", AssignmentEnded(assignment_id=number, status="succeeded"))
    assert await run.handle.result() == "succeeded"
    assert [call.step for call in run.fake.inputs(STEP)] in (["a", "b", "c", "d"], ["a", "c", "b", "d"])


async def test_long_words_of_any_script_fit_into_the_engines_summaries(bench: Bench) -> None:
    words = "🚜" * 200
    sent = AssignmentsDispatched(outcome=Outcome.DONE, groups=1, sent=[1], agents=words)
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = lambda call: sent
    waiting = iter([Reserved(outcome=Outcome.WAITING, waiting=words)])
    bench.fake.scripts[Activity.RESERVE_AGENTS] = lambda call: next(waiting, None)
    options = {"mission_timeout": 20, "assignment_timeout": 20, "max_wait": 20}
    run = await bench.start(steps=[step(words, 1)], agents=[words] * 40, options=options)
    await run.until_called(Activity.RESERVE_AGENTS)
    await run.signal("agents_granted", AgentsGranted(attempt=1))
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS)
    await end_assignment(run)
    assert await run.ended() == "COMPLETED"


# --- agents


async def test_grant_that_comes_before_the_answer_of_reserve_is_not_lost(bench: Bench) -> None:
    answers = iter([WAITING])

    async def grant_first(call: Any) -> Reserved | None:
        waiting = next(answers, None)
        if waiting is not None:
            await run.signal("agents_granted", AgentsGranted(attempt=1))
        return waiting

    bench.fake.scripts[Activity.RESERVE_AGENTS] = grant_first
    run = await bench.start()
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS)
    await end_assignment(run)
    assert await run.handle.result() == "succeeded"
    assert run.fake.names().count(Activity.RESERVE_AGENTS) == 2


async def test_ready_that_comes_before_the_answer_of_reserve_is_not_lost(bench: Bench) -> None:
    async def ready_first(call: Any) -> Reserved:
        await run.signal("agents_ready", AgentsReady(attempt=1, round=1))
        return Reserved(outcome=Outcome.DONE, round=1)

    bench.fake.scripts[Activity.RESERVE_AGENTS] = ready_first
    run = await bench.start()
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS)
    await end_assignment(run)
    assert await run.handle.result() == "succeeded"
    assert run.fake.names().count(Activity.RESERVE_AGENTS) == 1


async def test_ready_of_an_earlier_round_does_not_count(bench: Bench) -> None:
    answers = iter([Reserved(outcome=Outcome.DONE, round=2)] * 4)
    bench.fake.scripts[Activity.RESERVE_AGENTS] = lambda call: next(answers, None)
    run = await bench.start(ready_timeout=0.2, reserve_resend_interval=5)
    await run.signal("agents_ready", AgentsReady(attempt=1, round=1))
    await run.until_called(Activity.REQUEUE_RESERVATION)
    assert run.fake.inputs(Activity.REQUEUE_RESERVATION)[0].round == 2
    await cancel_natively(run)
    await assert_canceled(run)


async def test_longest_wait_counts_from_the_first_place_in_line(bench: Bench) -> None:
    bench.fake.scripts[Activity.RESERVE_AGENTS] = lambda call: WAITING
    run = await bench.start(options={"max_wait": 0.5})
    await run.until_called(Activity.RESERVE_AGENTS)
    await run.signal("agents_granted", AgentsGranted(attempt=1))
    assert await run.ended() == "FAILED"
    assert await run.failure_type() == "reservation_timeout"
    assert "agent truck is busy" in run.fake.inputs(Activity.FINISH_MISSION)[0].failure.text


# --- reports


async def test_report_that_comes_before_the_answer_of_dispatch_is_not_lost(bench: Bench) -> None:
    async def report_first(call: Any) -> None:
        await end_assignment(run)

    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = report_first
    run = await bench.start()
    assert await run.handle.result() == "succeeded"


async def test_first_of_two_last_words_counts_and_late_ones_do_nothing(bench: Bench) -> None:
    run = await driving(bench, steps=[step("a", 1), step("b", 2, "a")])
    for status in ("succeeded", "failed", "succeeded"):
        await run.signal("assignment_ended", AssignmentEnded(assignment_id=1, status=status))
    await run.signal("assignment_ended", AssignmentEnded(assignment_id=99, status="failed"))
    await run.signal("assignment_started", AssignmentStarted(assignment_id=99))
    await run.signal("agents_granted", AgentsGranted(attempt=1))
    await run.signal("agents_ready", AgentsReady(attempt=1, round=9))
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS, 2)
    await run.signal("assignment_ended", AssignmentEnded(assignment_id=2, status="completed"))
    assert await run.handle.result() == "succeeded"


async def test_unknown_signal_does_nothing(bench: Bench) -> None:
    run = await driving(bench)
    await run.signal("no_such_signal", SUCCEEDED)
    await end_assignment(run)
    assert await run.handle.result() == "succeeded"


async def test_report_missed_by_signal_is_found_at_the_time_out(bench: Bench) -> None:
    found = AssignmentsChecked(statuses={"1": "succeeded"})
    bench.fake.scripts[Activity.CHECK_ASSIGNMENTS] = lambda call: found
    run = await bench.start(options={"assignment_timeout": 0.2})
    assert await run.handle.result() == "succeeded"


async def test_assignment_that_never_ends_fails_the_mission(bench: Bench) -> None:
    run = await bench.start(options={"assignment_timeout": 0.2})
    assert await run.ended() == "FAILED"
    assert await run.failure_type() == "assignment_timeout"
    assert run.fake.inputs(Activity.FINISH_MISSION)[0].failure.assignment_id == 1


# --- an assignment that may not have reached its agent


async def unconfirmed(bench: Bench, policy: str, known: str = "to_dispatch") -> Run:
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = lambda call: UNKNOWN
    bench.fake.scripts[Activity.CHECK_ASSIGNMENTS] = lambda call: AssignmentsChecked(statuses={"1": known})
    return await bench.start(options={"assignment_start_timeout": 0.2, "unconfirmed_start": policy})


async def test_unconfirmed_start_is_held_with_attention(bench: Bench) -> None:
    run = await unconfirmed(bench, "hold")
    await run.until_called(Activity.RAISE_ATTENTION)
    assert run.fake.inputs(Activity.RAISE_ATTENTION)[0].code == "assignment_unconfirmed"
    await end_assignment(run)
    assert await run.handle.result() == "succeeded"
    assert Activity.RESEND_ASSIGNMENT not in run.fake.names()


async def test_unconfirmed_start_fails_the_mission_if_so_wished(bench: Bench) -> None:
    run = await unconfirmed(bench, "fail")
    assert await run.ended() == "FAILED"
    assert await run.failure_type() == "assignment_not_started"
    assert Activity.RESEND_ASSIGNMENT not in run.fake.names()


async def test_unconfirmed_start_is_sent_again_once_if_so_wished(bench: Bench) -> None:
    run = await unconfirmed(bench, "resend")
    await run.until_called(Activity.RESEND_ASSIGNMENT)
    await end_assignment(run)
    assert await run.handle.result() == "succeeded"
    assert [call.assignment_id for call in run.fake.inputs(Activity.RESEND_ASSIGNMENT)] == [1]
    assert Activity.RAISE_ATTENTION not in run.fake.names()


async def test_report_of_the_start_settles_it(bench: Bench) -> None:
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = lambda call: UNKNOWN
    run = await bench.start(options={"unconfirmed_start": "fail", "assignment_start_timeout": 20})
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS)
    await run.signal("assignment_started", AssignmentStarted(assignment_id=1))
    await end_assignment(run)
    assert await run.handle.result() == "succeeded"
    assert Activity.CHECK_ASSIGNMENTS not in run.fake.names()


async def test_start_that_the_store_knows_of_settles_it(bench: Bench) -> None:
    run = await unconfirmed(bench, "fail", known="executing")
    await run.until_called(Activity.CHECK_ASSIGNMENTS)
    await end_assignment(run)
    assert await run.handle.result() == "succeeded"


# --- time-out of the mission


async def polls(call: Any) -> None:
    """A planner that never has an answer."""
    while True:
        activity.heartbeat()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("name", "script"),
    [
        (Activity.RESERVE_AGENTS, lambda call: WAITING),
        (Activity.RESERVE_AGENTS, lambda call: Reserved(outcome=Outcome.DONE, round=1)),
        (STEP, polls),
        (Activity.DISPATCH_ASSIGNMENTS, lambda call: None),
        (Activity.DISPATCH_ASSIGNMENTS, lambda call: UNKNOWN),
    ],
    ids=["in line", "asking agents", "polling", "driving", "not knowing"],
)
async def test_mission_time_out_fails_it_wherever_it_waits(bench: Bench, name: str, script: Any) -> None:
    bench.fake.scripts[name] = script
    run = await bench.start(options={"mission_timeout": 0.7}, ready_timeout=60, reserve_resend_interval=60)
    assert await run.ended() == "FAILED"
    assert await run.failure_type() == "mission_timeout"
    assert run.fake.status == "failed"
    assert run.fake.names()[-2:] == ["stop_mission", "finish_mission"]


# --- failures


async def test_failure_stops_the_other_steps(bench: Bench) -> None:
    both = asyncio.Event()

    async def first_fails(call: Any) -> StepRan | None:
        if call.step == "a":
            await both.wait()
            return BROKEN
        both.set()
        await polls(call)
        return None

    bench.fake.scripts[STEP] = first_fails
    run = await bench.start(steps=[step("a", 1), step("b", 2), step("c", 3, "a")])
    assert await run.ended() == "FAILED"
    assert await run.failure_type() == "planning_failed"
    assert {call.step for call in run.fake.inputs(STEP)} == {"a", "b"}


async def test_step_that_cannot_be_run_fails_the_mission_with_its_cause(bench: Bench) -> None:
    def bug(call: Any) -> None:
        raise ApplicationError("no way", type="Bug", non_retryable=True)

    bench.fake.scripts[STEP] = bug
    run = await bench.start()
    assert await run.ended() == "FAILED"
    assert "no way" in run.fake.inputs(Activity.FINISH_MISSION)[0].failure.text


# --- cancel

PHASES: list[Any] = [
    pytest.param(Activity.RESERVE_AGENTS, lambda call: WAITING, id="in line"),
    pytest.param(Activity.RESERVE_AGENTS, lambda call: Reserved(outcome=Outcome.DONE, round=1), id="asking agents"),
    pytest.param(STEP, polls, id="polling"),
    pytest.param(Activity.DISPATCH_ASSIGNMENTS, lambda call: None, id="driving"),
    pytest.param(Activity.DISPATCH_ASSIGNMENTS, lambda call: UNKNOWN, id="not knowing"),
]


async def without_a_reason(run: Run) -> None:
    """What `temporal workflow cancel` does."""
    await run.handle.cancel()


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


async def test_cancel_during_the_clean_up_of_a_failure_does_not_cut_it(bench: Bench) -> None:
    """The row has not been won by the cancel, so the failure stands."""
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
    assert await run.ended() == "FAILED"
    assert run.fake.status == "failed"


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
    for way in (cancel_by_signal, cancel_natively, cancel_by_signal, cancel_natively):
        await way(run)
    await run.until_called(Activity.STOP_MISSION)
    await run.until_waiting()
    await cancel_by_signal(run)
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
        runs = [await bench.start(ready_timeout=60, reserve_resend_interval=60) for _ in range(4)]
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
    assert_quiet(caplog)
