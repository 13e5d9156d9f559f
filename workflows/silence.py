"""What becomes of assignments whose agents are silent for too long: wait, fail, or another agent.

The store says who is silent, and who speaks again; attention is raised there.
"""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from missions.statuses import OnAgentSilent

from workflows.attention import raise_attention
from workflows.mission import Mission
from workflows.reassigning import reassign

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
"""Seconds between two looks for a free agent that fits; twice as many each time."""


class Silence:
    """The silent agents of one group."""

    def __init__(self, mission: Mission, ids: list[int]) -> None:
        self._mission, self._ids = mission, ids
        self._pause: dict[int, float] = {}
        self._again: dict[int, float] = {}
        self.given_up: tuple[int, str] | None = None
        """An assignment that counts as failed, and why."""
        self.reassigned = False
        """Whether another agent is to be sent an assignment in place of one that was given up."""

    @property
    def due(self) -> list[int]:
        """Those to deal with now. Not what a client cancelled: its agent is being asked, and a person looks."""
        return [key for key in self._open() if self._when(key) <= workflow.time()]

    @property
    def look_in(self) -> float | None:
        """Seconds until the next is due, unless somebody falls silent before."""
        return min((self._when(key) - workflow.time() for key in self._open()), default=None)

    def _open(self) -> list[int]:
        mission = self._mission
        if mission.start.options.on_agent_silent is OnAgentSilent.WAIT:
            return []
        settled = mission.ended.keys() | mission.cancels_wished
        return [key for key in self._ids if key in mission.silent and key not in settled]

    def _when(self, key: int) -> float:
        """After a pause its agent has time to speak."""
        resumed, silence = self._mission.agents_clock.resumed_at, self._mission.start.options.agent_silence
        after_pause = 0.0 if resumed is None else resumed + (silence or 0.0)
        return max(self._again.get(key, 0.0), after_pause)

    async def deal_with_due(self) -> bool:
        """Do what the recipe says; True: that changes the group."""
        mission = self._mission
        for key in self.due:
            text = mission.silent.get(key)
            if text is None or key in mission.ended:  # it spoke while another one was dealt with
                continue
            if mission.start.options.on_agent_silent is OnAgentSilent.FAIL:
                self.given_up = key, f"{text}; it had assignment {key}"
                return True
            why = await reassign(mission, key)
            if why is None:
                self.reassigned = True
                return True
            if why and key not in self._again:
                words = f"assignment {key} of a silent agent waits for another one: {why}"
                await raise_attention(mission, "no_substitute", words, key)
            pause = self._pause[key] = min(2 * self._pause.get(key, _FIRST_PAUSE / 2), _LONGEST_PAUSE)
            self._again[key] = workflow.time() + pause
        return False
