"""The workflow of platforms' commands alone, with activities that answer as a test says: see isolated.py."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import Client

from missions.contracts import Outcome, TaskQueues
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
from tests.workflows.isolated import Bench, FakeActivities, Run, assert_quiet

SEND, SETTLE = PlatformActivity.SEND_PLATFORM_COMMAND, PlatformActivity.SETTLE_PLATFORM_COMMAND
TWO = PlatformCommandSent(
    outcome=Outcome.DONE,
    commands=[CommandSentTo(outcome=Outcome.DONE, assignment_id=number, agent=f"ctd-{number}") for number in (1, 2)],
)


class FakePlatformActivities(FakeActivities):
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


class PlatformBench(Bench):
    """With a command's run, of which two instruments are told."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.fake = FakePlatformActivities(client)

    async def give(self, **fields: Any) -> Run:
        """Start a command's run."""
        queues = TaskQueues(missions=self.queue, steps=self.queue)
        given = {"work_process_id": 7, "steps": [], "task_queues": queues, "platform": "LJ01D", "command": "GO_ACTIVE"}
        return await self.run(PLATFORM_COMMAND_RUN, PlatformCommandStart.model_validate(given | fields))

    async def both_told(self, **fields: Any) -> Run:
        """The same, once both have the command."""
        run = await self.give(**fields)
        await run.until_called(SEND)
        await run.until_waiting()
        return run


@pytest.fixture
async def platform_bench(client: Client, caplog: pytest.LogCaptureFixture) -> AsyncIterator[PlatformBench]:
    """A bench; what ran on it is replayed afterwards."""
    bench = PlatformBench(client)
    async with bench.running():
        yield bench
    await bench.replay()
    assert_quiet(caplog)
