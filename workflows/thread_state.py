"""What the parts of a mission thread's workflow share: what the thread was told, how it acts, waits and holds."""

import contextlib
from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel
from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from missions.contracts import PauseWish
    from missions.mission_files.contracts import Place, ThreadStart

from workflows.commanding import Commands

Call = TypeVar("Call", bound=BaseModel)


class Stopped(Exception):
    """The mission stops this thread."""


class Continues(Exception):
    """The history has got long: another run goes on from `place`."""


class Aborted(Exception):
    """A command failed, and its policy ends the thread, or the `mission`."""

    def __init__(self, error: str, *, mission: bool) -> None:
        super().__init__(error)
        self.mission = mission


class Thread:
    """One thread's state in its workflow. Signals only write to it; waits look at it."""

    def __init__(self, start: ThreadStart) -> None:
        self.start = start
        self.pre_done, self.loop, self.next = start.pre_done, start.loop, start.start
        """Whether its pre sequence has ended, how many mission sequences have begun, when the next one starts."""
        self.commands_sent = start.commands
        self.place = start.place
        """Where in a sequence it is to go on; none: at the beginning."""
        self.unconfirmed = list(start.unconfirmed)
        self.stopping, self.halted = False, start.halted
        self.pause = PauseWish(paused=start.paused, number=start.pause_number)
        self.raised = False
        """Whether something may have been raised for it since it looked."""
        self.commanding = False
        """Whether a device is, or may be, at work for it."""
        self.ended: dict[int, str] = {}
        self.cancels_wished: set[int] = set()
        self.commands = Commands(
            start.work_process_id,
            start.number,
            self.ended,
            lambda: self.halted,
            cancel_interval=start.cancel_resend_interval,
            cancel_attempts=start.cancel_attempts,
        )

    def call(self, kind: type[Call], **more: object) -> Call:
        """The input of one of its activities; `more`: what that has beside the thread's own."""
        return kind.model_validate({"work_process_id": self.start.work_process_id, "number": self.start.number, **more})

    def scaled(self, seconds: float) -> float:
        """So long in the mission's time, in real time."""
        return seconds / self.start.time_scale

    def check(self) -> None:
        """Raise Stopped if the mission stops this thread."""
        if self.stopping:
            raise Stopped

    def continue_if_long(self, place: Place) -> None:
        """Raise Continues if the history has got long; `place`: from where the other run goes on."""
        if workflow.info().is_continue_as_new_suggested():
            self.place = place
            raise Continues

    async def until(self, condition: Callable[[], bool], *, timeout: float | None = None, waiting: str) -> None:
        """Wait, for `timeout` seconds at most; raises Stopped as soon as the thread is stopped."""
        with contextlib.suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: self.stopping or condition(), timeout=timeout, timeout_summary=waiting[:200]
            )
        self.check()

    async def until_time(self, moment: float, waiting: str) -> None:
        """Wait until a moment: seconds since 1970."""
        if (left := moment - workflow.time()) > 0:
            await self.until(lambda: False, timeout=left, waiting=waiting)
        self.check()

    async def holding(self) -> None:
        """Hold while the mission is paused."""
        self.check()
        if self.pause.paused:
            await self.until(lambda: not self.pause.paused, waiting="somebody resumes the mission")

    async def until_stopped(self) -> None:
        """The mission's row says that it is being stopped: so will it say itself."""
        await self.until(lambda: False, waiting="the mission stops this thread")

    def continued(self) -> ThreadStart:
        """What another run needs to go on from here."""
        changes = {
            "pre_done": self.pre_done,
            "loop": self.loop,
            "start": self.next,
            "commands": self.commands_sent,
            "place": self.place,
            "unconfirmed": self.unconfirmed,
            "paused": self.pause.paused,
            "pause_number": self.pause.number,
            "halted": self.halted,
        }
        return self.start.model_copy(update=changes)
