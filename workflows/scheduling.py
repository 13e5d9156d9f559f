"""A mission that is not to start before a certain time, and its further attempts."""

from datetime import datetime

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from missions.statuses import WorkProcessStatus

from workflows.mission import Mission


async def wait_for_start(mission: Mission) -> None:
    """Return once the mission may start; raises Stop."""
    start_at = mission.attempt.start_at
    if start_at is None:
        return
    if mission.attempt.number > 1:
        await _wait_between_attempts(mission, datetime.fromisoformat(start_at).timestamp())
        return
    left = datetime.fromisoformat(start_at).timestamp() - workflow.time()
    if left <= 0:
        return
    why = f"scheduled to start at {start_at}"
    mission.board.status(WorkProcessStatus.DISPATCHED, why)
    await mission.until(lambda: False, timeout=left, waiting=why)
    mission.board.status(WorkProcessStatus.DISPATCHED)


async def _wait_between_attempts(mission: Mission, start_at: float) -> None:
    """Here the mission also holds in a pause: no step or group is under way."""
    attempt, most = mission.attempt, mission.start.max_retries
    mission.board.begin_attempt(f"attempt {attempt.number} of {most}", [step.step for step in attempt.steps])
    mission.check()
    while True:
        await mission.while_paused()
        left = start_at - workflow.time()
        if left <= 0:
            break
        mission.board.status(WorkProcessStatus.DISPATCHED, mission.attempt.waits)
        await mission.until(lambda: mission.pause.paused, timeout=left, waiting=mission.attempt.waits)
    mission.board.status(WorkProcessStatus.DISPATCHED)
