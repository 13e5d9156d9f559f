"""A platform's command in the workflow alone: what is awaited, and every way to end."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import Client

from missions.contracts import Activity, Outcome, TaskQueues
from missions.errors import Failure, FailureCode
from missions.mission_files.platform_contracts import (
    PLATFORM_COMMAND_RUN,
    CommandSentTo,
    PlatformActivity,
    PlatformCommandSent,
    PlatformCommandSettled,
    PlatformCommandStart,
    SendPlatformCommand,
    SettlePlatformCommand,
)
from tests.workflows.isolated import (
    Bench,
    FakeActivities,
    Run,
    assert_canceled,
    assert_quiet,
    cancel_natively,
    client,
    end_assignment,
)

FIXTURES = (client,)
pytestmark = pytest.mark.stack

SEND, SETTLE = PlatformActivity.SEND_PLATFORM_COMMAND, PlatformActivity.SETTLE_PLATFORM_COMMAND
TWO = PlatformCommandSent(
    outcome=Outcome.DONE,
    commands=[CommandSentTo(outcome=Outcome.DONE, assignment_id=number, agent=f"ctd-{number}") for number in (1, 2)],
)


class Fakes(FakeActivities):
    """With the two of platforms' commands."""

    @activity.defn(name=SEND)
    async def send(self, call: SendPlatformCommand) -> PlatformCommandSent:
        superseded = PlatformCommandSent(outcome=Outcome.SUPERSEDED)
        return await self._act(call, lambda: superseded if self.canceling else TWO)

    @activity.defn(name=SETTLE)
    async def settle(self, call: SettlePlatformCommand) -> PlatformCommandSettled:
        return await self._act(call, lambda: PlatformCommandSettled(outcome=Outcome.DONE))

    def all(self) -> list[Callable[..., Any]]:
        return [*super().all(), self.send, self.settle]


@pytest.fixture
async def bench(client: Client, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Bench]:
    bench = Bench(client)
    bench.fake = Fakes(client)
    async with bench.running():
        yield bench
    await bench.replay()
    assert_quiet(caplog)


async def start(bench: Bench, **fields: Any) -> Run:
    queues = TaskQueues(missions=bench.queue, steps=bench.queue)
    given = {"work_process_id": 7, "steps": [], "task_queues": queues, "platform": "LJ01D", "command": "GO_ACTIVE"}
    return await bench.run(PLATFORM_COMMAND_RUN, PlatformCommandStart.model_validate(given | fields))


async def both_told(bench: Bench, **fields: Any) -> Run:
    run = await start(bench, **fields)
    await run.until_called(SEND)
    await run.until_waiting()
    return run


async def test_the_platform_moves_when_both_have_said_their_last_word(bench: Bench) -> None:
    run = await both_told(bench)
    await end_assignment(run, 1)
    await run.until_waiting()
    assert SETTLE not in run.fake.names()
    await end_assignment(run, 2)
    assert await run.ended() == "COMPLETED"
    assert run.fake.names() == [Activity.RESERVE_AGENTS, SEND, SETTLE, Activity.FINISH_MISSION]


async def test_the_platform_itself_is_told_without_being_reserved(bench: Bench) -> None:
    run = await both_told(bench, reserves=False, command="EXECUTE_RESOURCE", name="TURN_ON_PORT", values=[1])
    assert Activity.RESERVE_AGENTS not in run.fake.names()
    (sent,) = run.fake.inputs(SEND)
    assert (sent.command, sent.name, sent.values) == ("EXECUTE_RESOURCE", "TURN_ON_PORT", [1])
    await end_assignment(run, 1)
    await end_assignment(run, 2)
    assert await run.ended() == "COMPLETED"


async def test_reports_that_nobody_told_of_are_found_at_the_time_limit(bench: Bench) -> None:
    run = await start(bench, command_timeout=0.2)
    assert await run.ended() == "COMPLETED"


async def test_who_does_not_end_in_time_is_stopped_and_named(bench: Bench) -> None:
    bench.fake.scripts[SETTLE] = lambda call: PlatformCommandSettled(outcome=Outcome.WAITING, waiting=["ctd-2"])
    run = await start(bench, command_timeout=0.2)
    assert await run.ended() == "FAILED"
    assert await run.failure_type() == FailureCode.ASSIGNMENT_TIMEOUT
    (stop,) = run.fake.inputs(Activity.STOP_MISSION)
    assert stop.failure.text == "ctd-2 did not end GO_ACTIVE within 0.2 s"
    assert run.fake.status == "failed"


async def test_an_instrument_that_refuses_fails_the_command(bench: Bench) -> None:
    failure = Failure(code=FailureCode.ASSIGNMENT_FAILED, text="ctd-1 did not do GO_ACTIVE: no", agent_id=1)
    bench.fake.scripts[SETTLE] = lambda call: PlatformCommandSettled(outcome=Outcome.FAILED, failure=failure)
    run = await both_told(bench)
    await end_assignment(run, 1)
    await end_assignment(run, 2)
    assert await run.ended() == "FAILED"
    assert run.fake.inputs(Activity.FINISH_MISSION)[-1].failure == failure


async def test_a_cancel_while_they_are_at_it_stops_them(bench: Bench) -> None:
    run = await both_told(bench)
    await cancel_natively(run)
    await assert_canceled(run)
    assert SETTLE not in run.fake.names()


@pytest.mark.parametrize("step", [SEND, SETTLE])
async def test_a_cancel_that_the_row_says_first_is_obeyed(bench: Bench, step: str) -> None:
    answers = {SEND: PlatformCommandSent, SETTLE: PlatformCommandSettled}

    def superseded(call: Any) -> Any:
        bench.fake.canceling = True
        return answers[PlatformActivity(step)](outcome=Outcome.SUPERSEDED)

    bench.fake.scripts[step] = superseded
    run = await start(bench, command_timeout=0.2)
    await assert_canceled(run)
