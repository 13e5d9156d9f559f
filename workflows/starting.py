"""Assignments that may not have begun: they came back, or nobody knows whether their agents have them.

The recipe's `assignmentStartTimeout` bounds both waits: for an agent that may listen again, and for an agent's report.
"""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from missions.contracts import AssignmentsDispatched
    from missions.statuses import AssignmentStatus

from workflows.looking_up import look_up
from workflows.mission import Mission


class Starts:
    """Those of one step. Times are of the agents' clock: in a pause that stops the agents nobody is late."""

    def __init__(self, mission: Mission) -> None:
        self._mission = mission
        self._limit = mission.start.options.assignment_start_timeout
        self._ids: list[int] = []
        self._unheard: dict[int, float] = {}  # until when they are tried again
        self._taken: set[int] = set()

    async def watch(self, sent: AssignmentsDispatched) -> None:
        """The assignments of a group that was sent, or came back."""
        mission, now = self._mission, self._mission.agents_clock.now()
        self._ids = sent.sent
        self._unheard = {key: self._unheard.get(key, now + self._limit) for key in sent.unheard}
        unconfirmed = [key for key in sent.unconfirmed if key not in self._taken]
        for key in unconfirmed:
            mission.attempt.doubted.setdefault(key, now)
        if unconfirmed:
            # The agent's first report may have come before anybody waited for it.
            checked, unsent = await look_up(mission, unconfirmed), AssignmentStatus.TO_DISPATCH
            mission.attempt.reported.update(
                key for key in unconfirmed if checked.statuses.get(str(key), unsent) != unsent
            )

    def try_again(self) -> list[int]:
        """They are sent again now; returns those that are not tried once more."""
        self._mission.attempt.listening -= self._unheard.keys()
        return [key for key, until in self._unheard.items() if until <= self._mission.agents_clock.now()]

    @property
    def to_send(self) -> bool:
        """Whether one that came back is to be sent again: its agent may listen now, or the time is up."""
        return any(key in self._mission.attempt.listening or left <= 0 for key, left in self._waiting())

    @property
    def doubted(self) -> list[int]:
        """Those of unknown outcome, until their agents say something of them. Not what a client cancelled."""
        mission = self._mission
        known = mission.attempt.ended.keys() | mission.attempt.reported | mission.attempt.cancels_wished
        return [key for key in self._ids if key in mission.attempt.doubted and key not in known]

    @property
    def overdue(self) -> list[int]:
        """Those of them whose agents should have said something by now."""
        return [key for key in self.doubted if self._left(key) <= 0]

    def take_overdue(self) -> list[int]:
        """They are dealt with now, once; unless they are doubted anew."""
        overdue = self.overdue
        self._taken.update(overdue)
        for key in overdue:
            del self._mission.attempt.doubted[key]
        return overdue

    @property
    def look_in(self) -> float | None:
        """Seconds until the next of these times is up."""
        left = [*(left for _, left in self._waiting()), *(self._left(key) for key in self.doubted)]
        return None if not left else max(0.0, min(left))

    def _left(self, key: int) -> float:
        return self._mission.attempt.doubted[key] + self._limit - self._mission.agents_clock.now()

    def _waiting(self) -> list[tuple[int, float]]:
        """What came back and nobody has ended since, and for how long its agent may still come. Nothing in a pause."""
        mission = self._mission
        if mission.pause.paused:
            return []
        over = mission.attempt.ended.keys() | mission.attempt.cancels_wished
        now = mission.agents_clock.now()
        return [(key, until - now) for key, until in self._unheard.items() if key not in over]
