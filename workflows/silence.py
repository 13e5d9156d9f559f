"""What becomes of assignments whose agents are silent for too long: wait, fail, or another agent."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from missions.statuses import OnAgentSilent

from workflows.attention import raise_attention
from workflows.mission import Mission
from workflows.reassigning import reassign


class Silence:
    """The silent agents of one group."""

    def __init__(self, mission: Mission) -> None:
        self._mission = mission
        self._warned: set[int] = set()
        self.given_up: tuple[int, str] | None = None
        """An assignment that counts as failed, and why."""
        self.reassigned = False
        """Whether another agent is to be sent an assignment in place of one that was given up."""

    async def deal_with(self, silent: dict[int, str]) -> bool:
        """Raise attention once for each assignment, and do what the recipe says; True: that changes the group."""
        mission = self._mission
        for key, text in silent.items():
            if key not in self._warned:
                self._warned.add(key)
                await raise_attention(mission, "agent_silent", f"{text}; it has assignment {key}", key)
        policy = mission.start.options.on_agent_silent
        for key, text in silent.items():
            if key in mission.ended or key in mission.cancels_wished:
                continue  # a client's cancel decides on it
            if policy is OnAgentSilent.FAIL:
                self.given_up = key, f"{text}; it had assignment {key}"
                return True
            if policy is OnAgentSilent.REASSIGN:
                why = await reassign(mission, key)
                if why is None:
                    self.reassigned = True
                    return True
                if why:
                    words = f"assignment {key} of a silent agent waits for another one: {why}"
                    await raise_attention(mission, "no_substitute", words, key)
        return False
