"""Give a silent agent's assignment to another one, if its recipe says so."""

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


async def reassign(mission: Mission, key: int) -> str | None:
    """None: its step has a new assignment to send, and this one is given up. Else why not; empty: it needs none."""
    refused: list[int] = []
    while True:
        found = await mission.act(
            Activity.RESERVE_SUBSTITUTE,
            ReserveSubstitute(**mission.call(), assignment_id=key, refused=refused),
            SubstituteReserved,
            f"find an agent for assignment {key}",
        )
        if found.outcome is Outcome.SUPERSEDED:
            raise Stop
        if found.outcome is not Outcome.DONE or found.agent_id is None:
            return found.why
        if found.ready or await _ready(mission, found.round, key):
            break
        # The next look takes it none the less, if it has answered: others of the mission may still owe their answer.
        refused.append(found.agent_id)
    async with mission.settling():
        done = await mission.act(
            Activity.REASSIGN_ASSIGNMENT,
            ReassignAssignment(**mission.call(), assignment_id=key, agent_id=found.agent_id),
            AssignmentReassigned,
            f"give assignment {key} to agent {found.agent_id}",
        )
    if done.outcome is Outcome.SUPERSEDED:
        raise Stop
    if done.outcome is Outcome.FAILED:
        if done.status in ASSIGNMENT_ENDED:
            mission.ended.setdefault(key, done.status)
        return ""
    mission.ended[key] = AssignmentStatus.FAILED
    mission.tolerated.add(key)
    if done.released is not None:
        mission.replace(done.released, found.agent_id)
    return None


async def _ready(mission: Mission, round_: int, key: int) -> bool:
    return await mission.until(
        lambda: mission.ready_round >= round_ or key in mission.ended,
        timeout=mission.start.ready_timeout,
        waiting="the substitute's `ready`",
    )
