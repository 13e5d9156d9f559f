"""An agent that is silent for too long, in the workflow alone."""

import asyncio

import pytest
from temporalio import activity

from missions.contracts import (
    Activity,
    AgentFreed,
    AgentSilence,
    AgentsReady,
    AssignmentCancelWish,
    AssignmentEnded,
    AssignmentReassigned,
    AssignmentsDispatched,
    AssignmentSettled,
    DispatchAssignments,
    Outcome,
    PauseWish,
    ReserveSubstitute,
    Signal,
    SubstituteReserved,
)
from tests.workflows.isolated import ALSO_WITHOUT_CACHE, Bench, Run, assert_canceled, bench, client, driving, step

FIXTURES = (bench, client)
pytestmark = pytest.mark.stack

SILENT = AgentSilence(assignment_id=1, text="agent truck has said nothing since noon")


async def silent(bench: Bench, policy: str) -> Run:
    run = await driving(bench, options={"agent_silence": 0.1, "on_agent_silent": policy})
    await run.signal(Signal.AGENT_SILENT, SILENT)
    return run


def second_time(call: DispatchAssignments) -> AssignmentsDispatched:
    return AssignmentsDispatched(
        outcome=Outcome.DONE,
        groups=1,
        sent=[1, 2] if call.again else [1],
        ended={"1": "failed"} if call.again else {},
        agents="truck",
    )


async def end(run: Run, assignment_id: int) -> None:
    await run.signal(Signal.ASSIGNMENT_ENDED, AssignmentEnded(assignment_id=assignment_id, status="succeeded"))


def attention(run: Run) -> set[str]:
    return {call.code for call in run.fake.inputs(Activity.RAISE_ATTENTION)}


async def test_it_fails_like_any_assignment_if_the_recipe_says_so(bench: Bench) -> None:
    run = await silent(bench, "fail")
    assert await run.ended() == "FAILED"
    assert await run.failure_type() == "agent_silent"
    assert attention(run) == set(), "the store raised it"
    assert "said nothing" in run.fake.inputs(Activity.SETTLE_FAILED_ASSIGNMENT)[0].given_up


async def test_its_failure_may_be_tolerated(bench: Bench) -> None:
    bench.fake.scripts[Activity.SETTLE_FAILED_ASSIGNMENT] = lambda call: AssignmentSettled(
        outcome=Outcome.DONE, status="failed"
    )
    assert await (await silent(bench, "fail")).ended() == "COMPLETED"


@ALSO_WITHOUT_CACHE
async def test_another_agent_gets_its_assignment_anew(bench: Bench) -> None:
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = second_time
    run = await silent(bench, "reassign")
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS, 2)
    await end(run, 2)
    assert await run.ended() == "COMPLETED"
    again = run.fake.inputs(Activity.DISPATCH_ASSIGNMENTS)[1]
    assert (again.again, again.released, again.replaced) == (True, [], {7: 8})
    assert Activity.SETTLE_FAILED_ASSIGNMENT not in run.fake.names()


async def test_without_an_agent_that_fits_it_waits_until_one_is_free_or_the_silent_one_speaks(bench: Bench) -> None:
    bench.fake.scripts[Activity.RESERVE_SUBSTITUTE] = lambda call: SubstituteReserved(outcome=Outcome.WAITING)
    run = await silent(bench, "reassign")
    for looks, news in enumerate((AgentFreed(assignment_id=1), SILENT), start=1):
        await run.until_called(Activity.RESERVE_SUBSTITUTE, looks)
        await run.until_waiting()
        await run.signal(Signal.AGENT_FREED if looks == 1 else Signal.AGENT_SILENT, news)
    await run.until_called(Activity.RESERVE_SUBSTITUTE, 3)
    await run.until_waiting()
    await run.signal(Signal.AGENT_SILENT, SILENT.model_copy(update={"silent": False}))
    await run.signal(Signal.AGENT_FREED, AgentFreed(assignment_id=1))
    await run.until_waiting()
    await end(run, 1)
    assert await run.ended() == "COMPLETED"
    assert run.fake.names().count(Activity.RESERVE_SUBSTITUTE) == 3
    timers = [e async for e in run.handle.fetch_history_events() if e.HasField("timer_started_event_attributes")]
    assert not timers, "it looks when it is woken, not by the clock"


async def test_agent_that_is_freed_during_the_look_is_not_missed(bench: Bench) -> None:
    async def freed_meanwhile(call: ReserveSubstitute) -> SubstituteReserved | None:
        if bench.fake.names().count(Activity.RESERVE_SUBSTITUTE) > 1:
            return None
        await bench.client.get_workflow_handle(activity.info().workflow_id or "").signal(
            Signal.AGENT_FREED, AgentFreed(assignment_id=1)
        )
        return SubstituteReserved(outcome=Outcome.WAITING)

    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = second_time
    bench.fake.scripts[Activity.RESERVE_SUBSTITUTE] = freed_meanwhile
    run = await silent(bench, "reassign")
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS, 2)
    await end(run, 2)
    assert await run.ended() == "COMPLETED"


async def test_substitute_that_is_ready_does_not_wait_for_the_one_of_another_silent_agent(bench: Bench) -> None:
    def groups(call: DispatchAssignments) -> AssignmentsDispatched:
        given = len(bench.fake.inputs(Activity.REASSIGN_ASSIGNMENT))
        sent, ended = ([[1, 2], [1, 2, 4], [1, 2, 4, 3]][given], [{}, {"2": "failed"}, {"1": "failed"}][given])
        return AssignmentsDispatched(outcome=Outcome.DONE, groups=1, sent=sent, ended=ended, agents="truck")

    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = groups
    bench.fake.scripts[Activity.RESERVE_SUBSTITUTE] = lambda call: SubstituteReserved(
        outcome=Outcome.DONE, agent_id=10 + call.assignment_id, round=1 + call.assignment_id
    )
    bench.fake.scripts[Activity.REASSIGN_ASSIGNMENT] = lambda call: AssignmentReassigned(
        outcome=Outcome.DONE, assignment_id=2 + call.assignment_id, released=call.assignment_id
    )
    options = {"agent_silence": 0.1, "on_agent_silent": "reassign"}
    run = await driving(bench, options=options, ready_timeout=60)
    for key in (1, 2):
        await run.signal(Signal.AGENT_SILENT, SILENT.model_copy(update={"assignment_id": key}))
    await run.until_called(Activity.RESERVE_SUBSTITUTE, 2)
    await run.signal(Signal.AGENTS_READY, AgentsReady(attempt=1, round=3))
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS, 2)
    await run.signal(Signal.AGENTS_READY, AgentsReady(attempt=1, round=2))
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS, 3)
    for key in (3, 4):
        await end(run, key)
    assert await run.ended() == "COMPLETED"
    assert [call.agent_id for call in run.fake.inputs(Activity.REASSIGN_ASSIGNMENT)] == [12, 11]
    assert run.fake.names().count(Activity.RESERVE_SUBSTITUTE) == 2, "nobody was asked twice"


async def test_substitute_of_an_agent_that_speaks_is_sent_away_at_once(bench: Bench) -> None:
    bench.fake.scripts[Activity.RESERVE_SUBSTITUTE] = lambda call: SubstituteReserved(
        outcome=Outcome.DONE, agent_id=8, round=5
    )
    bench.fake.scripts[Activity.REASSIGN_ASSIGNMENT] = lambda call: AssignmentReassigned(
        outcome=Outcome.FAILED, status="executing"
    )
    run = await driving(bench, options={"agent_silence": 0.1, "on_agent_silent": "reassign"}, ready_timeout=60)
    await run.signal(Signal.AGENT_SILENT, SILENT)
    await run.until_called(Activity.RESERVE_SUBSTITUTE)
    await run.signal(Signal.AGENT_SILENT, SILENT.model_copy(update={"silent": False}))
    await run.until_called(Activity.REASSIGN_ASSIGNMENT)
    await end(run, 1)
    assert await run.ended() == "COMPLETED"
    assert run.fake.names().count(Activity.RESERVE_SUBSTITUTE) == 1


async def test_substitute_that_does_not_answer_is_sent_away(bench: Bench) -> None:
    def asked(call: ReserveSubstitute) -> SubstituteReserved:
        return SubstituteReserved(outcome=Outcome.DONE, agent_id=8 + len(call.refused), round=2 + len(call.refused))

    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = second_time
    bench.fake.scripts[Activity.RESERVE_SUBSTITUTE] = asked
    run = await silent(bench, "reassign")
    await run.until_called(Activity.RESERVE_SUBSTITUTE, 2)
    await run.signal(Signal.AGENTS_READY, AgentsReady(attempt=1, round=9))
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS, 2)
    assert run.fake.inputs(Activity.RESERVE_SUBSTITUTE)[1].refused == [8]
    await end(run, 2)
    assert await run.ended() == "COMPLETED"


async def test_silent_agent_that_speaks_at_last_keeps_its_assignment(bench: Bench) -> None:
    bench.fake.scripts[Activity.RESERVE_SUBSTITUTE] = lambda call: SubstituteReserved(
        outcome=Outcome.DONE, agent_id=8, round=5
    )
    run = await silent(bench, "reassign")
    await run.until_called(Activity.RESERVE_SUBSTITUTE)
    await end(run, 1)
    assert await run.ended() == "COMPLETED"


async def test_cancel_of_the_assignment_while_a_substitute_is_got_ready_wins(bench: Bench) -> None:
    bench.fake.scripts[Activity.REASSIGN_ASSIGNMENT] = lambda call: AssignmentReassigned(
        outcome=Outcome.FAILED, status="canceling"
    )
    run = await silent(bench, "reassign")
    await run.until_called(Activity.REASSIGN_ASSIGNMENT)
    await end(run, 1)
    assert await run.ended() == "COMPLETED"
    assert len(run.fake.inputs(Activity.DISPATCH_ASSIGNMENTS)) == 1


async def test_other_assignments_of_the_group_keep_their_deadline(bench: Bench) -> None:
    limit, search = 3.0, 0.5  # seconds

    def group(call: DispatchAssignments) -> AssignmentsDispatched:
        sent, ended = ([1, 3, 2], {"1": "failed"}) if call.again else ([1, 3], {})
        return AssignmentsDispatched(outcome=Outcome.DONE, groups=1, sent=sent, ended=ended, agents="truck")

    async def takes_its_time(call: ReserveSubstitute) -> None:
        await asyncio.sleep(search)

    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = group
    bench.fake.scripts[Activity.RESERVE_SUBSTITUTE] = takes_its_time
    options = {"agent_silence": 0.5, "on_agent_silent": "reassign", "assignment_timeout": limit}
    run = await driving(bench, options=options)
    await run.signal(Signal.AGENT_SILENT, SILENT)
    assert await run.ended() == "FAILED"
    ((late),) = run.fake.inputs(Activity.SETTLE_FAILED_ASSIGNMENT)
    assert late.assignment_id == 3
    timers = [
        event.timer_started_event_attributes.start_to_fire_timeout.ToMilliseconds() / 1000
        async for event in run.handle.fetch_history_events()
        if event.HasField("timer_started_event_attributes")
    ]
    # However slow the machine is: at least the search has gone by when it waits anew.
    assert timers[0] == limit
    assert all(timer <= limit - search for timer in timers[1:])


async def test_substitute_that_had_been_released_before_is_one_of_the_missions_again(bench: Bench) -> None:
    # Agent 8 failed the first step and was released; it then stands in for agent 7, in the second.
    def sent(call: DispatchAssignments) -> AssignmentsDispatched:
        if call.service_request_id == 1:
            return AssignmentsDispatched(outcome=Outcome.DONE, groups=1, sent=[9], ended={"9": "failed"}, agents="t")
        return second_time(call)

    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = sent
    bench.fake.scripts[Activity.SETTLE_FAILED_ASSIGNMENT] = lambda call: AssignmentSettled(
        outcome=Outcome.DONE, status="failed", released=8
    )
    run = await bench.start(
        steps=[step("plan", 1), step("then", 2, "plan")],
        options={"agent_silence": 0.1, "on_agent_silent": "reassign"},
    )
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS, 2)
    await run.signal(Signal.AGENT_SILENT, SILENT)
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS, 3)
    await end(run, 2)
    assert await run.ended() == "COMPLETED"
    told = [(call.released, call.replaced) for call in run.fake.inputs(Activity.DISPATCH_ASSIGNMENTS)]
    assert told == [([], {}), ([8], {}), ([], {7: 8})]


async def test_cancel_meanwhile_wins(bench: Bench) -> None:
    bench.fake.scripts[Activity.RESERVE_SUBSTITUTE] = lambda call: SubstituteReserved(
        outcome=Outcome.DONE, agent_id=8, round=5
    )
    run = await silent(bench, "reassign")
    await run.until_called(Activity.RESERVE_SUBSTITUTE)
    await run.handle.cancel()
    await assert_canceled(run)


@pytest.mark.parametrize("policy", ["fail", "reassign"])
async def test_what_a_client_cancelled_is_left_to_its_agent(bench: Bench, policy: str) -> None:
    run = await driving(bench, options={"agent_silence": 0.1, "on_agent_silent": policy})
    await run.signal(Signal.CANCEL_ASSIGNMENT, AssignmentCancelWish(assignment_id=1))
    await run.signal(Signal.AGENT_SILENT, SILENT)
    await run.until_called(Activity.RESEND_CANCELS)
    await run.until_waiting()
    assert not {Activity.SETTLE_FAILED_ASSIGNMENT, Activity.RESERVE_SUBSTITUTE} & set(run.fake.names())
    await end(run, 1)
    assert await run.ended() == "COMPLETED"


async def test_after_a_pause_the_agent_has_time_to_speak(bench: Bench) -> None:
    run = await driving(bench, options={"agent_silence": 60, "on_agent_silent": "fail"})
    await run.signal(Signal.PAUSE, PauseWish(paused=True, number=1, immediate=True))
    await run.signal(Signal.PAUSE, PauseWish(paused=False, number=2))
    await run.signal(Signal.AGENT_SILENT, SILENT)
    await run.until_waiting()
    assert Activity.SETTLE_FAILED_ASSIGNMENT not in run.fake.names()
    await end(run, 1)
    assert await run.ended() == "COMPLETED"
