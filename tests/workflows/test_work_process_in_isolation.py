"""The mission's workflow alone, in the orders of events that no site can be made to produce.

Each test runs twice: as the worker runs it; and in the sandbox without a cache, so that every task replays the run.
"""

import asyncio
import itertools
import json
from typing import Any

import pytest
from temporalio import activity
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.exceptions import ApplicationError

from missions.contracts import (
    Activity,
    ActivityPreset,
    AgentListens,
    AgentsGranted,
    AgentsReady,
    AssignmentDoubted,
    AssignmentEnded,
    AssignmentsChecked,
    AssignmentsDispatched,
    AssignmentStarted,
    DispatchAssignments,
    MissionStopped,
    Outcome,
    PauseWish,
    Reserved,
    Signal,
    StepRan,
)
from missions.errors import FailureCode
from store.work_process_status import IllegalTransition
from tests.support.site import until
from tests.workflows.isolated import (
    BROKEN,
    STEP,
    UNKNOWN,
    WAITING,
    Bench,
    Run,
    assert_canceled,
    bench,
    cancel_by_signal,
    cancel_natively,
    client,
    driving,
    end_assignment,
    polls,
    step,
)

FIXTURES = (bench, client)
pytestmark = pytest.mark.stack


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


async def test_step_that_does_not_wait_for_assignments_starts_while_they_are_driven(bench: Bench) -> None:
    steps = [step("a", 1), step("b", 2, "a", wait_assignments=False), step("c", 3, "b")]
    run = await bench.start(steps=steps)
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS, 2)
    await run.until_waiting()
    assert [call.step for call in run.fake.inputs(STEP)] == ["a", "b"]
    for number in (2, 3):
        await run.until_called(Activity.DISPATCH_ASSIGNMENTS, number)
        await run.signal("assignment_ended", AssignmentEnded(assignment_id=number, status="succeeded"))
    await run.until_waiting()
    assert run.fake.status == "", "the mission's end waits for them"
    await end_assignment(run)
    assert await run.handle.result() == "succeeded"


async def test_skipped_steps_are_neither_run_nor_waited_for(bench: Bench) -> None:
    answers = iter([StepRan(outcome=Outcome.DONE, skipped=["b", "d"])])
    bench.fake.scripts[STEP] = lambda call: next(answers, None)
    steps = [step("a", 1), step("b", 2, "a"), step("c", 3, "a"), step("d", 4, "b", "c")]
    run = await bench.start(steps=steps)
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS)
    await run.signal("assignment_ended", AssignmentEnded(assignment_id=3, status="succeeded"))
    assert await run.handle.result() == "succeeded"
    assert [call.step for call in run.fake.inputs(STEP)] == ["a", "c"]


async def test_mission_ends_when_the_last_of_its_parallel_last_steps_has_ended(bench: Bench) -> None:
    bench.fake.scripts[STEP] = lambda call: StepRan(outcome=Outcome.DONE) if call.step == "quick" else None
    run = await bench.start(steps=[step("quick", 2), step("slow", 1)])
    await run.until_called(STEP, 2)
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS)
    await run.until_waiting()
    assert run.fake.status == ""
    await end_assignment(run)
    assert await run.handle.result() == "succeeded"


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


async def test_agents_that_do_not_say_ready_are_told_again_and_again(bench: Bench) -> None:
    answers = iter([Reserved(outcome=Outcome.DONE, round=1)] * 2)
    bench.fake.scripts[Activity.RESERVE_AGENTS] = lambda call: next(answers, None)
    run = await bench.start(ready_timeout=60, reserve_resend_interval=0.1)
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS)
    assert run.fake.names().count(Activity.RESERVE_AGENTS) == 3
    await end_assignment(run)
    assert await run.handle.result() == "succeeded"


async def test_agents_that_the_system_chose_are_shown_once_they_are_ready(bench: Bench) -> None:
    mute = Reserved(outcome=Outcome.DONE, round=1, chosen=["mute"])
    truck = Reserved(outcome=Outcome.DONE, ready=True, round=2, chosen=["truck"])
    bench.fake.scripts[Activity.RESERVE_AGENTS] = lambda call: mute
    bench.fake.scripts[Activity.REQUEUE_RESERVATION] = lambda call: truck
    run = await driving(bench, ready_timeout=0.05, reserve_resend_interval=5)
    assert await shown(run) == [["truck"]]
    bench.fake.scripts.clear()
    run = await driving(bench, agents=["named"])
    assert await shown(run) == [], "the run has known it from its start"


async def shown(run: Run) -> list[list[str]]:
    """What the run has told the engine of its agents, besides at its start."""
    events = [event async for event in run.handle.fetch_history_events()]
    upserts = [event.upsert_workflow_search_attributes_event_attributes.search_attributes for event in events]
    return [json.loads(upsert.indexed_fields["Agents"].data) for upsert in upserts if "Agents" in upsert.indexed_fields]


async def test_ready_of_an_earlier_round_does_not_count(bench: Bench) -> None:
    answers = iter([Reserved(outcome=Outcome.DONE, round=2)] * 4)
    bench.fake.scripts[Activity.RESERVE_AGENTS] = lambda call: next(answers, None)
    run = await bench.start(ready_timeout=0.2, reserve_resend_interval=5)
    await run.signal("agents_ready", AgentsReady(attempt=1, round=1))
    await run.until_called(Activity.REQUEUE_RESERVATION)
    assert run.fake.inputs(Activity.REQUEUE_RESERVATION)[0].round == 2
    await cancel_natively(run)
    await assert_canceled(run)


async def test_longest_wait_ends_the_mission_with_its_reason(bench: Bench) -> None:
    bench.fake.scripts[Activity.RESERVE_AGENTS] = lambda call: WAITING
    run = await bench.start(options={"max_wait": 0.5})
    await run.until_called(Activity.RESERVE_AGENTS)
    await run.signal("agents_granted", AgentsGranted(attempt=1))
    assert await run.ended() == "FAILED"
    assert await run.failure_type() == "reservation_timeout"
    assert "agent truck is busy" in run.fake.inputs(Activity.FINISH_MISSION)[0].failure.text
    assert run.fake.names().count(Activity.RESERVE_AGENTS) == 2, "the grant counts once"


async def test_longest_wait_counts_from_the_first_place_in_line(bench: Bench) -> None:
    async def granted_but_lost_again(call: Any) -> Reserved:
        await run.signal("agents_granted", AgentsGranted(attempt=1))
        await asyncio.sleep(0.1)
        return WAITING

    bench.fake.scripts[Activity.RESERVE_AGENTS] = granted_but_lost_again
    run = await bench.start(options={"max_wait": 0.5})
    assert await run.ended() == "FAILED"
    assert await run.failure_type() == "reservation_timeout"


# --- reports


async def test_report_that_comes_before_the_answer_of_dispatch_is_not_lost(bench: Bench) -> None:
    async def report_first(call: Any) -> None:
        await end_assignment(run)

    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = report_first
    run = await bench.start()
    assert await run.handle.result() == "succeeded"


async def test_first_of_two_last_words_counts_and_late_ones_do_nothing(bench: Bench) -> None:
    run = await driving(bench, steps=[step("a", 1), step("b", 2, "a")])
    await bench.stop_workflows()
    for status in ("succeeded", "failed"):
        await run.signal("assignment_ended", AssignmentEnded(assignment_id=1, status=status))
    bench.start_workflows()
    await run.until_called(STEP, 2)
    await run.signal("assignment_ended", AssignmentEnded(assignment_id=1, status="failed"))
    await run.signal("assignment_ended", AssignmentEnded(assignment_id=99, status="failed"))
    await run.signal("assignment_started", AssignmentStarted(assignment_id=99))
    await run.signal("agents_granted", AgentsGranted(attempt=1))
    await run.signal("agents_ready", AgentsReady(attempt=1, round=9))
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS, 2)
    await run.signal("assignment_ended", AssignmentEnded(assignment_id=2, status="completed"))
    assert await run.handle.result() == "succeeded"


@pytest.mark.parametrize("name", sorted(set(Signal) - {Signal.CANCEL, Signal.HALT}))
async def test_signal_without_its_input_does_nothing(bench: Bench, name: str) -> None:
    run = await driving(bench)
    await run.handle.signal(name)
    await end_assignment(run)
    assert await run.handle.result() == "succeeded"


async def test_unknown_signal_does_nothing_and_the_board_says_so(bench: Bench) -> None:
    run = await driving(bench)
    await run.signal("cancle", AssignmentEnded(assignment_id=1, status="failed"))

    async def told() -> bool:
        about = await run.handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
        return "`cancle` is not known" in about.current_details

    await until(told, 5)
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


async def test_agent_that_would_drive_twice_is_not_sent_it_again(bench: Bench) -> None:
    bench.fake.scripts[Activity.RESEND_ASSIGNMENT] = lambda call: AssignmentsDispatched(outcome=Outcome.WAITING)
    run = await unconfirmed(bench, "resend")
    await run.until_called(Activity.RAISE_ATTENTION)
    await end_assignment(run)
    assert await run.handle.result() == "succeeded"


async def test_report_of_the_start_settles_it(bench: Bench) -> None:
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = lambda call: UNKNOWN
    run = await bench.start(options={"unconfirmed_start": "fail", "assignment_start_timeout": 20})
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS)
    await run.signal("assignment_started", AssignmentStarted(assignment_id=1))
    await end_assignment(run)
    assert await run.handle.result() == "succeeded"


async def test_start_that_the_store_knows_of_settles_it(bench: Bench) -> None:
    run = await unconfirmed(bench, "fail", known="executing")
    await run.until_called(Activity.CHECK_ASSIGNMENTS)
    await end_assignment(run)
    assert await run.handle.result() == "succeeded"


async def test_start_that_is_doubted_later_is_treated_so_as_well(bench: Bench) -> None:
    bench.fake.scripts[Activity.CHECK_ASSIGNMENTS] = lambda call: AssignmentsChecked(statuses={"1": "to_dispatch"})
    run = await driving(bench, options={"assignment_start_timeout": 0.2, "unconfirmed_start": "resend"})
    for times in (1, 2):
        await run.signal("assignment_doubted", AssignmentDoubted(assignment_id=1))
        await run.until_called(Activity.RESEND_ASSIGNMENT, times)
    await end_assignment(run)
    assert await run.handle.result() == "succeeded"


async def test_others_of_the_group_are_heard_while_one_is_doubted(bench: Bench) -> None:
    both = AssignmentsDispatched(outcome=Outcome.DONE, groups=1, sent=[1, 2], unconfirmed=[1], agents="truck")
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = lambda call: both
    run = await bench.start(options={"assignment_start_timeout": 60})
    await run.until_called(Activity.CHECK_ASSIGNMENTS)
    await run.signal("assignment_ended", AssignmentEnded(assignment_id=2, status="failed"))
    assert await run.ended() == "FAILED"


# --- an assignment that came back, since its agent does not listen


def came_back(call: DispatchAssignments) -> AssignmentsDispatched | None:
    if call.last_try:
        return AssignmentsDispatched(outcome=Outcome.DONE, groups=1, sent=[1], ended={"1": "failed"})
    return AssignmentsDispatched(outcome=Outcome.DONE, groups=1, sent=[1], unheard=[1])


async def test_what_came_back_is_sent_as_soon_as_its_agent_may_listen(bench: Bench) -> None:
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = came_back
    run = await driving(bench, options={"assignment_start_timeout": 60})
    await run.signal("agent_listens", AgentListens(assignment_id=1))
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS, 2)  # and comes back again
    await run.until_waiting()
    del bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS]
    await run.signal("agent_listens", AgentListens(assignment_id=1))
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS, 3)
    await end_assignment(run)
    assert await run.handle.result() == "succeeded"
    assert [call.last_try for call in run.fake.inputs(Activity.DISPATCH_ASSIGNMENTS)] == [[], [], []]


async def test_what_came_back_is_tried_a_last_time_when_its_time_is_up(bench: Bench) -> None:
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = came_back
    # Its time-out runs from its dispatch, which never was.
    run = await bench.start(options={"assignment_start_timeout": 0.3, "assignment_timeout": 0.1})
    assert await run.ended() == "FAILED"
    assert await run.failure_type() == "assignment_failed"
    assert [call.last_try for call in run.fake.inputs(Activity.DISPATCH_ASSIGNMENTS)] == [[], [1]]


async def test_time_out_of_one_is_not_hidden_by_another_that_came_back(bench: Bench) -> None:
    one_back = AssignmentsDispatched(outcome=Outcome.DONE, groups=1, sent=[1, 2], unheard=[1], agents="truck")
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = lambda call: one_back
    run = await bench.start(options={"assignment_start_timeout": 60, "assignment_timeout": 0.2})
    assert await run.ended() == "FAILED"
    assert await run.failure_type() == "assignment_timeout"
    assert run.fake.inputs(Activity.FINISH_MISSION)[0].failure.assignment_id == 2


def second_came_back(call: DispatchAssignments) -> AssignmentsDispatched:
    """Both are sent; the second comes back, unless its agent was said to listen."""
    unheard = [] if call.again else [2]
    return AssignmentsDispatched(outcome=Outcome.DONE, groups=1, sent=[1, 2], unheard=unheard, agents="truck")


async def test_end_that_is_only_looked_up_leaves_what_came_back_to_wait(bench: Bench) -> None:
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = second_came_back
    bench.fake.scripts[Activity.CHECK_ASSIGNMENTS] = lambda call: AssignmentsChecked(statuses={"1": "succeeded"})
    run = await driving(bench, options={"assignment_start_timeout": 60, "assignment_timeout": 0.2})
    await run.until_called(Activity.CHECK_ASSIGNMENTS)
    await run.until_waiting()
    await run.signal("agent_listens", AgentListens(assignment_id=2))
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS, 2)
    await end_assignment(run, 2)
    assert await run.handle.result() == "succeeded"


async def test_time_out_of_what_came_back_runs_from_its_own_sending(bench: Bench) -> None:
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = second_came_back
    bench.fake.scripts[Activity.CHECK_ASSIGNMENTS] = lambda call: AssignmentsChecked(statuses={"1": "succeeded"})
    run = await driving(bench, options={"assignment_start_timeout": 60, "assignment_timeout": 2})
    await asyncio.sleep(1)  # half of the first one's time
    await run.signal("agent_listens", AgentListens(assignment_id=2))
    await run.until_called(Activity.CHECK_ASSIGNMENTS)
    await run.until_waiting()
    await end_assignment(run, 2)
    assert await run.handle.result() == "succeeded"
    assert Activity.SETTLE_FAILED_ASSIGNMENT not in run.fake.names()


async def test_failure_is_settled_in_a_pause_in_which_something_came_back(bench: Bench) -> None:
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = second_came_back
    run = await driving(bench, options={"assignment_start_timeout": 0.5})
    await run.signal("pause", PauseWish(paused=True, number=1))
    await run.signal("agent_listens", AgentListens(assignment_id=2))
    await run.until_waiting()
    await run.signal("assignment_ended", AssignmentEnded(assignment_id=1, status="failed"))
    assert await run.ended() == "FAILED"
    assert run.fake.names().count(Activity.DISPATCH_ASSIGNMENTS) == 1


async def test_what_came_back_in_a_pause_is_sent_after_it(bench: Bench) -> None:
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = second_came_back
    run = await driving(bench, options={"assignment_start_timeout": 60})
    await run.signal("pause", PauseWish(paused=True, number=1))
    await run.signal("agent_listens", AgentListens(assignment_id=2))
    await end_assignment(run)
    await run.until_waiting()
    assert run.fake.names().count(Activity.DISPATCH_ASSIGNMENTS) == 1
    await run.signal("pause", PauseWish(paused=False, number=2))
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS, 2)
    await end_assignment(run, 2)
    assert await run.handle.result() == "succeeded"


# --- time-out of the mission


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


@pytest.mark.parametrize("name", [Activity.FINISH_MISSION, Activity.DISPATCH_ASSIGNMENTS, STEP])
async def test_a_change_of_status_that_is_never_allowed_fails_the_mission(bench: Bench, name: str) -> None:
    def forbidden(call: Any) -> None:
        if getattr(call, "failure", None) is None:
            raise IllegalTransition("work process 7 is 'preparing resources': 'assignments_completed' may not follow")

    bench.fake.scripts[name] = forbidden
    run = await bench.start(steps=None if name != Activity.FINISH_MISSION else [])
    assert await run.ended() == "FAILED"
    assert await run.failure_type() == FailureCode.INTERNAL
    assert run.fake.names()[-2:] == [Activity.STOP_MISSION, Activity.FINISH_MISSION]
    finish = run.fake.inputs(Activity.FINISH_MISSION)[-1]
    assert (finish.status, finish.failure.code) == ("failed", FailureCode.INTERNAL)
    assert "may not follow" in finish.failure.text


@pytest.mark.parametrize("cancel", [False, True], ids=["failing", "cancelled"])
async def test_a_change_of_status_that_is_not_allowed_while_the_mission_ends_is_tried_on(
    bench: Bench, cancel: bool
) -> None:
    def forbidden(call: Any) -> MissionStopped | None:
        info = activity.info()
        if info.attempt == 1:
            raise IllegalTransition("may not follow")
        stops = info.activity_type == Activity.STOP_MISSION
        return MissionStopped(outcome=Outcome.DONE, awaited=[1]) if stops else None

    bench.fake.scripts |= dict.fromkeys(
        (Activity.STOP_MISSION, Activity.RESEND_CANCELS, Activity.FINISH_MISSION), forbidden
    )
    bench.fake.scripts[STEP] = polls if cancel else lambda call: BROKEN
    run = await bench.start(cancel_resend_interval=0.1, cancel_attempts=2)
    if cancel:
        await run.until_called(STEP)
        await cancel_by_signal(run)
    assert await run.ended() == ("CANCELED" if cancel else "FAILED")
    assert run.fake.status == ("canceled" if cancel else "failed")
    assert run.fake.inputs(Activity.RESEND_CANCELS)


async def test_times_that_no_timer_holds_are_shortened(bench: Bench) -> None:
    answers = iter([WAITING, None])
    bench.fake.scripts[Activity.RESERVE_AGENTS] = lambda call: next(answers)
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = lambda call: UNKNOWN
    names = ("max_wait", "mission_timeout", "assignment_timeout", "agent_silence", "assignment_start_timeout")
    preset = ActivityPreset(start_to_close=1e30, schedule_to_close=1e30, maximum_interval=1e30)
    run = await bench.start(steps=[step("plan", 1, preset=preset)], options=dict.fromkeys(names, 1e30))
    await run.until_waiting()
    await run.signal("agents_granted", AgentsGranted(attempt=1))
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS)
    await run.until_waiting()
    await end_assignment(run)
    assert await run.ended() == "COMPLETED"
