"""A platform's command in the workflow alone: what is awaited, and every way to end."""

from typing import Any

import pytest

from missions.contracts import Activity, Outcome
from missions.errors import Failure, FailureCode
from missions.mission_files.platform_contracts import PlatformActivity, PlatformCommandSent, PlatformCommandSettled
from tests.workflows.isolated import assert_canceled, cancel_natively, client, end_assignment
from tests.workflows.isolated_platforms import SEND, SETTLE, PlatformBench, platform_bench

FIXTURES = (client, platform_bench)
pytestmark = pytest.mark.stack


async def test_the_platform_moves_when_both_have_said_their_last_word(platform_bench: PlatformBench) -> None:
    run = await platform_bench.both_told()
    await end_assignment(run, 1)
    await run.until_waiting()
    assert SETTLE not in run.fake.names()
    await end_assignment(run, 2)
    assert await run.ended() == "COMPLETED"
    assert run.fake.names() == [Activity.RESERVE_AGENTS, SEND, SETTLE, Activity.FINISH_MISSION]


async def test_the_platform_itself_is_told_without_being_reserved(platform_bench: PlatformBench) -> None:
    run = await platform_bench.both_told(reserves=False, command="EXECUTE_RESOURCE", name="TURN_ON_PORT", values=[1])
    assert Activity.RESERVE_AGENTS not in run.fake.names()
    (sent,) = run.fake.inputs(SEND)
    assert (sent.command, sent.name, sent.values) == ("EXECUTE_RESOURCE", "TURN_ON_PORT", [1])
    await end_assignment(run, 1)
    await end_assignment(run, 2)
    assert await run.ended() == "COMPLETED"


async def test_reports_that_nobody_told_of_are_found_at_the_time_limit(platform_bench: PlatformBench) -> None:
    run = await platform_bench.give(command_timeout=0.2)
    assert await run.ended() == "COMPLETED"


async def test_who_does_not_end_in_time_is_stopped_and_named(platform_bench: PlatformBench) -> None:
    platform_bench.fake.scripts[SETTLE] = lambda call: PlatformCommandSettled(
        outcome=Outcome.WAITING, waiting=["ctd-2"]
    )
    run = await platform_bench.give(command_timeout=0.2)
    assert await run.ended() == "FAILED"
    assert await run.failure_type() == FailureCode.ASSIGNMENT_TIMEOUT
    (stop,) = run.fake.inputs(Activity.STOP_MISSION)
    assert stop.failure.text == "ctd-2 did not end GO_ACTIVE within 0.2 s"
    assert run.fake.status == "failed"


async def test_an_instrument_that_refuses_fails_the_command(platform_bench: PlatformBench) -> None:
    failure = Failure(code=FailureCode.ASSIGNMENT_FAILED, text="ctd-1 did not do GO_ACTIVE: no", agent_id=1)
    platform_bench.fake.scripts[SETTLE] = lambda call: PlatformCommandSettled(outcome=Outcome.FAILED, failure=failure)
    run = await platform_bench.both_told()
    await end_assignment(run, 1)
    await end_assignment(run, 2)
    assert await run.ended() == "FAILED"
    assert run.fake.inputs(Activity.FINISH_MISSION)[-1].failure == failure


async def test_a_cancel_while_they_are_at_it_stops_them(platform_bench: PlatformBench) -> None:
    run = await platform_bench.both_told()
    await cancel_natively(run)
    await assert_canceled(run)
    assert SETTLE not in run.fake.names()


@pytest.mark.parametrize("step", [SEND, SETTLE])
async def test_a_cancel_that_the_row_says_first_is_obeyed(platform_bench: PlatformBench, step: str) -> None:
    answers = {SEND: PlatformCommandSent, SETTLE: PlatformCommandSettled}

    def superseded(call: Any) -> Any:
        platform_bench.fake.canceling = True
        return answers[PlatformActivity(step)](outcome=Outcome.SUPERSEDED)

    platform_bench.fake.scripts[step] = superseded
    run = await platform_bench.give(command_timeout=0.2)
    await assert_canceled(run)
