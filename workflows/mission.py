"""What the parts of a mission's workflow share: what the mission was told, and how it acts and waits."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import StrEnum

from pydantic import BaseModel
from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from missions import retries
    from missions.contracts import (
        Activity,
        AttemptEnded,
        CancelRequest,
        Continued,
        NotePause,
        PauseWish,
        WorkProcessStart,
    )
    from missions.errors import ILLEGAL_TRANSITION, Failure, FailureCode
    from missions.statuses import WorkProcessStatus

from workflows.acting import Result, act
from workflows.attempt import Attempt
from workflows.board import Board
from workflows.clock import Clock
from workflows.options import SHORT, ActivityOptions
from workflows.search_attributes import MISSION_STATUS

# An activity may write up to three status changes; each has a number of its own, for idempotency.
_TRANSITIONS_PER_ACTIVITY = 3


class Stop(Exception):
    """The mission is being stopped: leave what you do."""


class Failed(Exception):
    """The mission fails."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self.failure = failure


def fault_of_ours(error: ActivityError) -> Failure | None:
    """Why the mission fails, if an activity met a fault that another try would meet again."""
    cause = error.cause
    if not isinstance(cause, ApplicationError) or cause.type != ILLEGAL_TRANSITION:
        return None
    return Failure(code=FailureCode.INTERNAL, text=f"{error.activity_type}: {cause.message}")


class Mission:
    """One mission's state in its workflow, for its whole life; `attempt` has what is new with each attempt."""

    def __init__(self, start: WorkProcessStart) -> None:
        self.start = start
        before = start.continued
        self.attempt = Attempt(start.attempt, start.steps, start.start_at, "" if before is None else before.waits)
        self.board = Board([step.step for step in start.steps])
        self.cancel: CancelRequest | None = None
        self.native_cancel = False
        self.halted = False
        """Whether nobody waits for the agents to confirm."""
        self.timed_out: Failure | None = None
        """The mission's own time-out is over."""
        self.pause = PauseWish(paused=False, number=0)
        self.clock, self.agents_clock = Clock(), Clock()
        """They stand still: with any pause; with one that its agents are told of."""
        self.deadline: float | None = None
        """Of the mission's time-out, by `clock`, once that runs."""
        self._activities_called = 0
        self._first_transition = 0
        self._interrupted: Failure | None = None
        if start.takes_over is not None:
            self._first_transition = start.takes_over.first_transition
            self._interrupted = start.takes_over.interrupted
            self.attempt.executing = start.takes_over.executing
            self.halted = start.takes_over.halted
        if before is not None:
            if before.seconds_left is not None:
                self.deadline = self.clock.now() + before.seconds_left
            self.wish_pause(before.pause)

    def begin_next(self, ended: AttemptEnded) -> None:
        """The attempt has failed; the mission begins another one."""
        self.attempt = Attempt(ended.number, ended.steps, ended.start_at, ended.waits)

    def continued(self) -> WorkProcessStart:
        """What another run needs to go on from here, where an attempt has not begun yet."""
        left = None if self.deadline is None else self.deadline - self.clock.now()
        changes = {
            "attempt": self.attempt.number,
            "steps": self.attempt.steps,
            "start_at": self.attempt.start_at,
            "continued": Continued(pause=self.pause, seconds_left=left, waits=self.attempt.waits),
            "takes_over": None,
        }
        return self.start.model_copy(update=changes)

    def begin(self) -> None:
        """Raise Failed if the run before this one was ended from outside: nothing begins, all is brought to an end."""
        if self._interrupted is not None:
            raise Failed(self._interrupted)

    @property
    def sent_before(self) -> bool:
        """Whether another run may have sent assignments in this attempt."""
        return self.start.takes_over is not None and self.attempt.number == self.start.attempt

    def will_retry(self, failure: Failure) -> bool:
        """Whether another attempt follows this failure."""
        return self.timed_out is None and retries.will_retry(
            failure.code,
            self.attempt.number,
            self.start.max_retries,
            executed=self.attempt.executing,
            execution_failures=self.start.options.retry_execution_failures,
        )

    async def act(
        self,
        name: StrEnum,
        call: BaseModel,
        result: type[Result] | None,
        summary: str,
        options: ActivityOptions = SHORT,
    ) -> Result:
        """Call one of the mission's own activities; raises Failed where another try would not help."""
        try:
            return await act(name, call, result, summary, options)
        except ActivityError as error:
            failure = fault_of_ours(error)
            if failure is None:
                raise
            raise Failed(failure) from error

    @property
    def failure(self) -> Failure | None:
        """Why it fails."""
        return self.attempt.failure or self.timed_out

    def fails(self, failure: Failure) -> None:
        """The first failure counts."""
        self.attempt.failure = self.failure or failure

    @property
    def stopping(self) -> bool:
        """Whether everything that runs shall come to its end."""
        return self.cancel is not None or self.failure is not None

    @property
    def sends(self) -> bool:
        """Whether assignments are being sent."""
        return self.attempt.sending > 0

    def wish_pause(self, wish: PauseWish) -> None:
        """Take a client's wish; two of them may arrive the other way round."""
        if wish.number > self.pause.number:
            self.pause = wish
            self.clock.stand(wish.paused)
            self.agents_clock.stand(wish.paused and wish.immediate)

    def check(self) -> None:
        """Raise Stop if the mission is being stopped."""
        if self.stopping:
            raise Stop

    async def until(self, condition: Callable[[], bool], *, timeout: float | None = None, waiting: str = "") -> bool:
        """Wait; False when `timeout` seconds are over. Raises Stop as soon as the mission is being stopped."""
        try:
            await workflow.wait_condition(
                lambda: self.stopping or condition(), timeout=timeout, timeout_summary=waiting[:200] or None
            )
        except TimeoutError:
            return False
        self.check()
        return True

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Send assignments while nobody settles a failed one: its agent may just be given to others; nor in a pause."""
        await self.while_paused()
        while self.attempt.settling:
            await self.until(lambda: not self.attempt.settling)
            await self.while_paused()
        self.check()
        self.attempt.sending += 1
        try:
            yield
        finally:
            self.attempt.sending -= 1

    @asynccontextmanager
    async def settling(self) -> AsyncIterator[None]:
        """Settle one failed assignment at a time, while none is being sent."""
        while self.attempt.settling:  # several may have waited for the same end
            await self.until(lambda: not self.attempt.settling)
        self.attempt.settling = True
        try:
            await self.until(lambda: not self.attempt.sending)
            yield
        finally:
            self.attempt.settling = False

    async def while_paused(self) -> None:
        """Wait as long as a pause is wished. Raises Stop as soon as the mission is being stopped."""
        while self.pause.paused:
            if not self.pause.immediate:
                await self.act(Activity.NOTE_PAUSE, NotePause(**self.call()), None, "pause")
            self.board.pause("paused, until somebody resumes it")
            try:
                await self.until(lambda: not self.pause.paused, waiting="somebody resumes the mission")
            finally:
                self.board.pause("")

    def call(self) -> dict[str, int]:
        """The fields that every activity of the mission gets, with fresh numbers for its status changes."""
        self._activities_called += 1
        return {
            "work_process_id": self.start.work_process_id,
            "attempt": self.attempt.number,
            "transition": self._first_transition + self._activities_called * _TRANSITIONS_PER_ACTIVITY,
        }

    def show_calculating(self) -> None:
        """Steps are asked; unless agents are at work already."""
        if not self.attempt.executing:
            self.board.status(WorkProcessStatus.CALCULATING)

    def show_executing(self) -> None:
        """Agents are at work."""
        self.board.status(WorkProcessStatus.EXECUTING)
        self.attempt.executing = True

    def show_end(self, status: WorkProcessStatus) -> None:
        """The mission has its last status. That it succeeded, Temporal's own status says as well."""
        self.board.status(status)
        if status is not WorkProcessStatus.SUCCEEDED:
            workflow.upsert_search_attributes([MISSION_STATUS.value_set(status)])
