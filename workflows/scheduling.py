"""A mission that is not to start before a certain time."""

from datetime import datetime

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from missions.statuses import WorkProcessStatus

from workflows.mission import Mission


async def wait_for_start(mission: Mission) -> None:
    """Return once the mission may start; raises Stop."""
    start_at = mission.start.start_at
    if start_at is None:
        return
    left = datetime.fromisoformat(start_at).timestamp() - workflow.time()
    if left <= 0:
        return
    why = f"scheduled to start at {start_at}"
    mission.board.status(WorkProcessStatus.DISPATCHED, why)
    await mission.until(lambda: False, timeout=left, waiting=why)
    mission.board.status(WorkProcessStatus.DISPATCHED)
