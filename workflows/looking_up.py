"""Read what the store knows of assignments: a net below the signals."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from missions.contracts import Activity, AssignmentsChecked, CheckAssignments
    from missions.transitions import ASSIGNMENT_ENDED

from workflows.mission import Mission


async def look_up(mission: Mission, ids: list[int]) -> AssignmentsChecked:
    """Their statuses; the mission takes note of those that ended."""
    checked = await mission.act(
        Activity.CHECK_ASSIGNMENTS,
        CheckAssignments(assignment_ids=ids),
        AssignmentsChecked,
        f"look for reports on {len(ids)} assignments",
    )
    for key, status in checked.statuses.items():
        if status in ASSIGNMENT_ENDED:
            mission.attempt.ended.setdefault(int(key), status)
    return checked
