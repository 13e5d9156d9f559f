"""The ways in which a mission ends: it succeeds, it fails, it is canceled. Release never overtakes cancel."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from missions.contracts import (
        Activity,
        AttemptEnded,
        CancelRequest,
        EndAttempt,
        FinishMission,
        MissionFinished,
        MissionStopped,
        Outcome,
        RequestNativeCancel,
        ResendCancels,
        StopMission,
    )
    from missions.errors import Failure
    from missions.statuses import WorkProcessStatus

from workflows.acting import act
from workflows.mission import Mission, Stop
from workflows.options import ENDING
from workflows.search_attributes import MISSION_STATUS

CancelPath = Callable[[], Awaitable[WorkProcessStatus]]


async def succeed(mission: Mission, unconfirmed: Sequence[int] = ()) -> WorkProcessStatus:
    """Release the agents; raises Stop if a cancel came first. `unconfirmed`: assignments never confirmed as stopped."""
    mission.check()
    finished = await mission.act(
        Activity.FINISH_MISSION,
        FinishMission(**mission.call(), status=WorkProcessStatus.SUCCEEDED, unconfirmed=list(unconfirmed)),
        MissionFinished,
        "release agents, succeed",
    )
    if finished.outcome is Outcome.SUPERSEDED:
        raise Stop
    mission.show_end(WorkProcessStatus.SUCCEEDED)
    return WorkProcessStatus.SUCCEEDED


async def fail(mission: Mission, failure: Failure, canceled: CancelPath | None = None) -> WorkProcessStatus:
    """Stop what runs, release the agents; a cancel that came first wins. DISPATCHED: another attempt follows.

    `canceled`: how this mission ends then.
    """
    canceled = canceled or (lambda: stop_canceled(mission))
    mission.attempt.failure = failure
    if mission.cancel is not None:
        return await canceled()
    stopped = await mission.act(
        Activity.STOP_MISSION,
        StopMission(**mission.call(), failure=failure, will_retry=mission.will_retry(failure)),
        MissionStopped,
        "stop what runs",
        ENDING,
    )
    if stopped.outcome is Outcome.SUPERSEDED:
        return await canceled()
    unconfirmed = await _await_confirmations(mission, stopped.awaited)
    if mission.cancel is not None:  # asked for while the agents were stopping
        return await canceled()
    if mission.will_retry(failure):
        return await _end_attempt(mission, failure, unconfirmed)
    finished = await mission.act(
        Activity.FINISH_MISSION,
        FinishMission(**mission.call(), status=WorkProcessStatus.FAILED, failure=failure, unconfirmed=unconfirmed),
        MissionFinished,
        "release agents, fail",
        ENDING,
    )
    if finished.outcome is Outcome.SUPERSEDED:
        return await canceled()
    mission.show_end(WorkProcessStatus.FAILED)
    return WorkProcessStatus.FAILED


async def _end_attempt(mission: Mission, failure: Failure, unconfirmed: list[int]) -> WorkProcessStatus:
    ended = await mission.act(
        Activity.END_ATTEMPT,
        EndAttempt(**mission.call(), failure=failure, options=mission.start.options, unconfirmed=unconfirmed),
        AttemptEnded,
        f"release agents, end attempt {mission.attempt.number} of {mission.start.max_retries}",
        ENDING,
    )
    if ended.outcome is Outcome.SUPERSEDED:
        return await stop_canceled(mission)
    mission.begin_next(ended)
    return WorkProcessStatus.DISPATCHED


async def stop_canceled(mission: Mission) -> WorkProcessStatus:
    """The cancel path. Without a request of its own it found the mission's row `canceling`."""
    mission.cancel = mission.cancel or CancelRequest()
    mission.board.status(WorkProcessStatus.CANCELING)
    workflow.upsert_search_attributes([MISSION_STATUS.value_set(WorkProcessStatus.CANCELING)])
    stopped = await mission.act(
        Activity.STOP_MISSION,
        StopMission(**mission.call(), cancel=mission.cancel, halt=mission.halted),
        MissionStopped,
        "stop what runs",
        ENDING,
    )
    unconfirmed = await _await_confirmations(mission, stopped.awaited)
    await mission.act(
        Activity.FINISH_MISSION,
        FinishMission(
            **mission.call(), status=WorkProcessStatus.CANCELED, unconfirmed=unconfirmed, halted=mission.halted
        ),
        MissionFinished,
        "release agents, end canceled",
        ENDING,
    )
    mission.show_end(WorkProcessStatus.CANCELED)
    return WorkProcessStatus.CANCELED


async def _await_confirmations(mission: Mission, awaited: list[int]) -> list[int]:
    """Wait for the agents to confirm that they stopped, asking again; returns what was never confirmed.

    A halt ends the wait.
    """

    def unconfirmed() -> list[int]:
        return [key for key in awaited if key not in mission.attempt.ended]

    for attempt in range(1, mission.start.cancel_attempts + 1):
        try:
            await workflow.wait_condition(
                lambda: mission.halted or not unconfirmed(),
                timeout=mission.start.cancel_resend_interval,
                timeout_summary=f"until {len(unconfirmed())} agents confirm the cancel",
            )
            break
        except TimeoutError:
            if attempt < mission.start.cancel_attempts:
                stopped = await mission.act(
                    Activity.RESEND_CANCELS,
                    ResendCancels(work_process_id=mission.start.work_process_id, assignment_ids=unconfirmed()),
                    MissionStopped,
                    "ask the agents again to cancel",
                    ENDING,
                )
                awaited = stopped.awaited
    return unconfirmed()


async def end_run(mission: Mission, status: WorkProcessStatus) -> str:
    """End the mission's run as the mission ended: a failed one FAILED, a cancelled one CANCELED."""
    if status is WorkProcessStatus.CANCELED:
        await cancel_this_run(mission.cancel.reason if mission.cancel else "", already=mission.native_cancel)
    if status is WorkProcessStatus.FAILED and mission.failure is not None:
        raise ApplicationError(mission.failure.text, type=mission.failure.code, non_retryable=True)
    return status


async def cancel_this_run(reason: str, *, already: bool) -> None:
    """End this run CANCELED, which only a native cancel can: ask for one unless it came `already`."""
    if not already:
        try:
            await act(
                Activity.REQUEST_NATIVE_CANCEL, RequestNativeCancel(reason=reason), None, "end this run as canceled"
            )
            await workflow.wait_condition(lambda: False)
        except (asyncio.CancelledError, ActivityError):
            pass
    raise asyncio.CancelledError(reason)
