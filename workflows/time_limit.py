"""The mission's time-out: it counts over all attempts, from the start of the first, and stands still in a pause."""

import asyncio
from contextlib import suppress

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from missions.errors import Failure, FailureCode

from workflows.mission import Mission


class TimeLimit:
    """Watches over it in a task of its own, from `start` on."""

    def __init__(self, mission: Mission) -> None:
        self._mission = mission
        self._task: asyncio.Task[None] | None = None
        if mission.deadline is not None:  # of an earlier run
            self.start()

    def start(self) -> None:
        """The mission begins; its later attempts change nothing."""
        mission, limit = self._mission, self._mission.start.options.mission_timeout
        if limit is None or self._task is not None:
            return
        if mission.deadline is None:
            mission.deadline = mission.clock.now() + limit
        self._task = asyncio.create_task(self._watch(mission.deadline, limit))

    def end(self) -> None:
        """The mission needs it no more."""
        if self._task is not None:
            self._task.cancel()

    async def _watch(self, deadline: float, limit: float) -> None:
        clock = self._mission.clock
        while clock.now() < deadline:
            if clock.stopped:
                await workflow.wait_condition(lambda: not clock.stopped)
                continue
            with suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: clock.stopped, timeout=deadline - clock.now(), timeout_summary="mission time-out"
                )
        self._mission.timed_out = Failure(
            code=FailureCode.MISSION_TIMEOUT, text=f"the mission did not end within {limit:g} s"
        )
