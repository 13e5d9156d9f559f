"""What becomes of assignments whose agents are silent for too long: wait, fail, or another agent.

The store says who is silent, and who speaks again; attention is raised there.
"""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from missions.statuses import OnAgentSilent

from workflows.mission import Mission
from workflows.reassigning import Substitutes


class Silence:
    """The silent agents of one step."""

    def __init__(self, mission: Mission) -> None:
        self._mission = mission
        self._ids: list[int] = []
        self._substitutes = Substitutes(mission)
        self.given_up: tuple[int, str] | None = None
        """An assignment that counts as failed, and why."""
        self.reassigned = False
        """Whether another agent is to be sent an assignment in place of one that was given up."""

    def watch(self, ids: list[int]) -> None:
        """The assignments of a group that was sent."""
        self._ids, self.reassigned = ids, False

    @property
    def due(self) -> list[int]:
        """Those to deal with now."""
        return [key for key, when in self._open() if when <= workflow.time()]

    @property
    def look_in(self) -> float | None:
        """Seconds until the next is due, unless somebody falls silent, or an agent is freed, before."""
        return min((when - workflow.time() for _, when in self._open()), default=None)

    def _open(self) -> list[tuple[int, float]]:
        """Assignments and when to deal with them. Not what a client cancelled: its agent is being asked."""
        mission, policy = self._mission, self._mission.start.options.on_agent_silent
        if policy is OnAgentSilent.WAIT:
            return []
        # After a pause its agent has time to speak.
        resumed, silence = mission.agents_clock.resumed_at, mission.start.options.agent_silence
        after_pause = 0.0 if resumed is None else resumed + (silence or 0.0)
        settled = mission.attempt.ended.keys() | mission.attempt.cancels_wished
        silent = [key for key in self._ids if key in mission.attempt.silent and key not in settled]
        due = [(key, 0.0 if policy is OnAgentSilent.FAIL else self._substitutes.due_at(key)) for key in silent]
        return [(key, max(when, after_pause)) for key, when in due if when is not None]

    async def deal_with_due(self) -> bool:
        """Do what the recipe says; True: that changes the group."""
        mission = self._mission
        for key in self.due:
            text = mission.attempt.silent.get(key)
            if text is None or key in mission.attempt.ended:  # it spoke while another one was dealt with
                continue
            if mission.start.options.on_agent_silent is OnAgentSilent.FAIL:
                self.given_up = key, f"{text}; it had assignment {key}"
                return True
            self.reassigned |= await self._substitutes.deal_with(key)
        return self.reassigned

    @property
    def unneeded(self) -> list[int]:
        """Assignments whose substitutes are not needed any more."""
        return self._substitutes.unneeded

    async def dismiss_unneeded(self) -> bool:
        """Send these away; True: one of them was needed after all, which changes the group."""
        for key in self.unneeded:
            self.reassigned |= await self._substitutes.deal_with(key)
        return self.reassigned
