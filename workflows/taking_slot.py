"""Wait until one more mission without agents may run."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from missions.contracts import Activity, Outcome, SlotTaken, TakeSlot
    from missions.errors import Failure, FailureCode
    from missions.statuses import WorkProcessStatus

from workflows.mission import Failed, Mission, Stop


async def take_slot(mission: Mission) -> None:
    """Return once this attempt of the mission holds a slot; raises Failed, Stop."""
    since = workflow.time()
    call = TakeSlot(**mission.call())
    taken = await mission.act(Activity.TAKE_SLOT, call, SlotTaken, "take a slot")
    if taken.outcome is Outcome.SUPERSEDED:
        raise Stop
    if taken.outcome is not Outcome.WAITING:
        return
    mission.board.status(WorkProcessStatus.DISPATCHED, taken.waiting)
    limit = mission.start.options.max_wait
    left = None if limit is None else max(0.0, since + limit - workflow.time())
    if not await mission.until(lambda: mission.attempt.granted, timeout=left, waiting=taken.waiting or "a slot"):
        raise Failed(
            Failure(code=FailureCode.RESERVATION_TIMEOUT, text=f"no slot was free within {limit:g} s: {taken.waiting}")
        )
