"""The signals that every mission takes, whatever kind of workflow runs it."""

from collections.abc import Sequence
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue

with workflow.unsafe.imports_passed_through():
    from missions.contracts import (
        AgentsGranted,
        AgentsReady,
        AssignmentEnded,
        CancelRequest,
        PauseWish,
        Signal,
        WorkProcessStart,
    )

from workflows.mission import Mission


class MissionSignals:
    """Base of the workflows of missions. Handlers only change the mission's state; waits look at it."""

    def __init__(self, start: WorkProcessStart) -> None:
        self._mission = Mission(start)

    @workflow.signal(name=Signal.AGENTS_GRANTED)
    def agents_granted(self, grant: AgentsGranted) -> None:
        """The waiting request got its agents."""
        self._mission.attempt.granted |= grant.attempt == self._mission.attempt.number

    @workflow.signal(name=Signal.AGENTS_READY)
    def agents_ready(self, ready: AgentsReady) -> None:
        """Every agent of a reservation answered `ready`."""
        if ready.attempt == self._mission.attempt.number:
            self._mission.attempt.ready_rounds.add(ready.round)

    @workflow.signal(name=Signal.ASSIGNMENT_ENDED)
    def assignment_ended(self, report: AssignmentEnded) -> None:
        """An agent's last word on an assignment."""
        self._mission.attempt.ended.setdefault(report.assignment_id, report.status)

    @workflow.signal(name=Signal.PAUSE)
    def pause(self, wish: PauseWish) -> None:
        """Pause the mission at its next group or step, at once if it is so wished; or let it go on."""
        self._mission.wish_pause(wish)

    # People send these two by hand: an input that does not fit would be dropped, or fail the task for ever.
    @workflow.signal(name=Signal.CANCEL)
    def cancel(self, *said: Any) -> None:
        """Cancel the mission, as an alternative to the API and to the engine's own cancel."""
        self._mission.cancel = self._mission.cancel or CancelRequest.of_signal(said)

    @workflow.signal(name=Signal.HALT)
    def halt(self, *said: Any) -> None:
        """Cancel the mission without waiting for its agents; also one that is being cancelled."""
        self._mission.halted = True
        self._mission.cancel = self._mission.cancel or CancelRequest.of_signal(said)

    @workflow.signal(dynamic=True)
    def unknown(self, name: str, _: Sequence[RawValue]) -> None:
        """Take a signal that no mission knows, such as a misspelt `cancel`: whoever sent it is told on the board."""
        self._mission.board.unknown_signal(name)

    def _natively_cancelled(self, reason: str) -> None:
        self._mission.native_cancel = True
        self._mission.cancel = self._mission.cancel or CancelRequest(reason=reason)
