"""An agent that is silent for too long, in the workflow alone."""

import asyncio

import pytest
from temporalio.client import Client

from missions.contracts import (
    Activity,
    AgentSilence,
    AgentsReady,
    AssignmentCancelWish,
    AssignmentEnded,
    AssignmentsDispatched,
    AssignmentSettled,
    DispatchAssignments,
    Outcome,
    PauseWish,
    ReserveSubstitute,
    Signal,
    SubstituteReserved,
)
from tests.workflows.isolated import Bench, Run, assert_canceled, bench, client, driving

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


async def test_another_agent_gets_its_assignment_anew(bench: Bench) -> None:
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = second_time
    run = await silent(bench, "reassign")
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS, 2)
    await end(run, 2)
    assert await run.ended() == "COMPLETED"
    again = run.fake.inputs(Activity.DISPATCH_ASSIGNMENTS)[1]
    assert (again.again, again.released) == (True, [7])
    assert Activity.SETTLE_FAILED_ASSIGNMENT not in run.fake.names()


async def test_without_an_agent_that_fits_it_waits_and_says_so(bench: Bench) -> None:
    bench.fake.scripts[Activity.RESERVE_SUBSTITUTE] = lambda call: SubstituteReserved(
        outcome=Outcome.WAITING, why="no free agent fits"
    )
    run = await silent(bench, "reassign")
    await run.until_called(Activity.RAISE_ATTENTION)
    await run.until_waiting()
    assert attention(run) == {"no_substitute"}
    await end(run, 1)
    assert await run.ended() == "COMPLETED"


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


async def test_cancel_meanwhile_wins(bench: Bench) -> None:
    bench.fake.scripts[Activity.RESERVE_SUBSTITUTE] = lambda call: SubstituteReserved(
        outcome=Outcome.DONE, agent_id=8, round=5
    )
    run = await silent(bench, "reassign")
    await run.until_called(Activity.RESERVE_SUBSTITUTE)
    await run.handle.cancel()
    await assert_canceled(run)


async def test_it_looks_again_for_another_agent_until_the_silent_one_speaks(client: Client) -> None:
    bench = Bench(client)  # once: it takes its time
    bench.fake.scripts[Activity.RESERVE_SUBSTITUTE] = lambda call: SubstituteReserved(
        outcome=Outcome.WAITING, why="no free agent fits"
    )
    async with bench.running():
        run = await silent(bench, "reassign")
        await run.until_called(Activity.RESERVE_SUBSTITUTE, 2)
        await run.signal(Signal.AGENT_SILENT, SILENT.model_copy(update={"silent": False}))
        await run.until_waiting()
        looked = run.fake.names().count(Activity.RESERVE_SUBSTITUTE)
        await asyncio.sleep(1.2)  # longer than to the next look
        assert run.fake.names().count(Activity.RESERVE_SUBSTITUTE) == looked
        await end(run, 1)
        assert await run.ended() == "COMPLETED"
        assert run.fake.names().count(Activity.RAISE_ATTENTION) == 1


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
