"""Give silent agents' assignments to others, if the recipe says so: each as soon as its substitute is ready."""

from dataclasses import dataclass, field

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from missions.contracts import (
        Activity,
        AssignmentReassigned,
        Outcome,
        ReassignAssignment,
        ReserveSubstitute,
        SubstituteReserved,
    )
    from missions.statuses import AssignmentStatus
    from missions.transitions import ASSIGNMENT_ENDED

from workflows.mission import Mission, Stop


@dataclass
class _Substitute:
    """A reserved agent; `until`: by when it has to answer. `refused`: those before it that did not."""

    agent_id: int
    round: int
    ready: bool
    until: float
    refused: list[int] = field(default_factory=list)


class Substitutes:
    """The agents that a step got reserved in place of silent ones, by assignment."""

    def __init__(self, mission: Mission) -> None:
        self._mission = mission
        self._held: dict[int, _Substitute] = {}

    def due_at(self, key: int) -> float | None:
        """When something is to be done for this assignment (0: now); None: once an agent that fits is free."""
        held = self._held.get(key)
        if held is None:
            return None if key in self._mission.attempt.searching else 0.0
        return 0.0 if self._ready(held) else held.until

    @property
    def unneeded(self) -> list[int]:
        """Assignments that have a substitute, and need none: the agent speaks, has ended it, or is to stop."""
        return [key for key in self._held if not self._is_needed(key)]

    async def deal_with(self, key: int) -> bool:
        """Look for a substitute, or let it take over if it is ready; True: an assignment is to be sent to it."""
        held = self._held.pop(key, None)
        if held is not None and (self._ready(held) or not self._is_needed(key)):
            return await self._give(key, held.agent_id)
        # The store takes a refused one none the less, if it has answered after all.
        await self._look(key, [] if held is None else [*held.refused, held.agent_id])
        return False

    def _ready(self, held: _Substitute) -> bool:
        return held.ready or held.round in self._mission.attempt.ready_rounds

    def _is_needed(self, key: int) -> bool:
        mission = self._mission
        return (
            key in mission.attempt.silent
            and key not in mission.attempt.ended
            and key not in mission.attempt.cancels_wished
        )

    async def _look(self, key: int, refused: list[int]) -> None:
        mission = self._mission
        mission.attempt.searching.add(key)  # first, for an agent may be freed while we look
        found = await mission.act(
            Activity.RESERVE_SUBSTITUTE,
            ReserveSubstitute(**mission.call(), assignment_id=key, refused=refused),
            SubstituteReserved,
            f"find an agent for assignment {key}",
        )
        if found.outcome is Outcome.SUPERSEDED:
            raise Stop
        if found.outcome is Outcome.DONE and found.agent_id is not None:
            mission.attempt.searching.discard(key)
            until = workflow.time() + mission.start.ready_timeout
            self._held[key] = _Substitute(found.agent_id, found.round, found.ready, until, refused)

    async def _give(self, key: int, agent_id: int) -> bool:
        mission = self._mission
        async with mission.settling():
            done = await mission.act(
                Activity.REASSIGN_ASSIGNMENT,
                ReassignAssignment(**mission.call(), assignment_id=key, agent_id=agent_id),
                AssignmentReassigned,
                f"give assignment {key} to agent {agent_id}",
            )
        if done.outcome is Outcome.SUPERSEDED:
            raise Stop
        if done.outcome is Outcome.FAILED:
            if done.status in ASSIGNMENT_ENDED:
                mission.attempt.ended.setdefault(key, done.status)
            return False
        mission.attempt.ended[key] = AssignmentStatus.FAILED
        mission.attempt.tolerated.add(key)
        if done.released is not None:
            mission.attempt.replace(done.released, agent_id)
        return True
