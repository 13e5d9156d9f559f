"""What the parts of a mission's workflow share: what the mission was told, and how it acts and waits."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import StrEnum

from pydantic import BaseModel
from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from missions.contracts import Activity, CancelRequest, NotePause, PauseWish, WorkProcessStart
    from missions.errors import ILLEGAL_TRANSITION, Failure, FailureCode
    from missions.statuses import WorkProcessStatus

from workflows.acting import Result, act
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
    """One mission's state in its workflow. Signals only write to it; waits look at it."""

    def __init__(self, start: WorkProcessStart) -> None:
        self.start = start
        self.board = Board([step.step for step in start.steps])
        self.granted = False
        self.slots: set[int] = set()
        """Attempts that were granted a slot while they waited for one."""
        self.ready_rounds: set[int] = set()
        """Reservations (also of single substitutes) whose agents are ready."""
        self.ended: dict[int, str] = {}
        """The agents' last word, by assignment."""
        self.reported: set[int] = set()
        """Assignments of unknown outcome that their agents do have."""
        self.doubted: dict[int, float] = {}
        """Assignments of unknown outcome, and since when (by the agents' clock)."""
        self.listening: set[int] = set()
        """Assignments that came back, and whose agents may listen now."""
        self.tolerated: set[int] = set()
        """Assignments that failed, or were canceled with one that did, and let the mission go on."""
        self.released: list[int] = []
        """Agents that get nothing more of this mission: what is planned for them is canceled."""
        self.replaced: dict[int, int] = {}
        """Silent agents, and who gets what is planned for them."""
        self.failure: Failure | None = None
        self.cancel: CancelRequest | None = None
        self.native_cancel = False
        self.halted = False
        """Whether nobody waits for the agents to confirm."""
        self.pause = PauseWish(paused=False, number=0)
        self.told: dict[int, bool] = {}
        """Instant actions that went out (True) or came back (False)."""
        self.cancels_wished: set[int] = set()
        """Assignments that a client cancelled alone."""
        self.silent: dict[int, str] = {}
        """Assignments whose agents are silent for too long now, and what to say of them."""
        self.searching: set[int] = set()
        """Those of them for which no other agent was free, until one is."""
        self.clock, self.agents_clock = Clock(), Clock()
        """They stand still: with any pause; with one that its agents are told of."""
        self._executing = False
        self._sending = 0
        self._settling = False
        self._activities_called = 0

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
    def stopping(self) -> bool:
        """Whether everything that runs shall come to its end."""
        return self.cancel is not None or self.failure is not None

    @property
    def sends(self) -> bool:
        """Whether assignments are being sent."""
        return self._sending > 0

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
        while self._settling:
            await self.until(lambda: not self._settling)
            await self.while_paused()
        self.check()
        self._sending += 1
        try:
            yield
        finally:
            self._sending -= 1

    @asynccontextmanager
    async def settling(self) -> AsyncIterator[None]:
        """Settle one failed assignment at a time, while none is being sent."""
        while self._settling:  # several may have waited for the same end
            await self.until(lambda: not self._settling)
        self._settling = True
        try:
            await self.until(lambda: not self._sending)
            yield
        finally:
            self._settling = False

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

    def replace(self, silent: int, substitute: int) -> None:
        """Let `substitute` get what is planned for the silent agent, and for those in whose place that one stood."""
        self.replaced = {one: substitute if by == silent else by for one, by in self.replaced.items()}
        self.replaced[silent] = substitute
        # It may have been one of the mission's agents before.
        self.replaced.pop(substitute, None)
        if substitute in self.released:
            self.released.remove(substitute)

    def call(self) -> dict[str, int]:
        """The fields that every activity of the mission gets, with fresh numbers for its status changes."""
        self._activities_called += 1
        return {
            "work_process_id": self.start.work_process_id,
            "attempt": self.start.attempt,
            "transition": self._activities_called * _TRANSITIONS_PER_ACTIVITY,
        }

    def show_calculating(self) -> None:
        """Steps are asked; unless agents are at work already."""
        if not self._executing:
            self.board.status(WorkProcessStatus.CALCULATING)

    def show_executing(self) -> None:
        """Agents are at work."""
        self.board.status(WorkProcessStatus.EXECUTING)
        self._executing = True

    def show_end(self, status: WorkProcessStatus) -> None:
        """The mission has its last status. That it succeeded, Temporal's own status says as well."""
        self.board.status(status)
        if status is not WorkProcessStatus.SUCCEEDED:
            workflow.upsert_search_attributes([MISSION_STATUS.value_set(status)])
