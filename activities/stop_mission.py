"""Stop what a mission has running, because it is cancelled or has failed; and ask again where nobody confirms."""

import asyncio
from collections.abc import Sequence
from typing import Any

from temporalio import activity

from activities.cancel_messages import cancel_and_note
from activities.microservice import cancel_job
from activities.parts import Parts
from missions.contracts import Activity, CancelRequest, MissionStopped, Outcome, ResendCancels, StopMission
from missions.errors import Failure, FailureCode
from missions.events import EventSource, utc_now
from missions.principals import ENGINE_OPERATOR, MUSTER
from missions.statuses import Severity, WorkProcessStatus
from missions.transitions import may_follow
from store import assignment_cancels, slots, step_requests
from store.connection import Connection
from store.reservations import end_request, find_request, lock_agents
from store.waiting_line import refresh_lines
from store.work_process_status import LockedWorkProcess, change, lock

# What the mission's status says between the fault and the end, by the failure's code.
_ASSIGNMENT_CODES = frozenset(
    {
        FailureCode.ASSIGNMENT_FAILED,
        FailureCode.ASSIGNMENT_TIMEOUT,
        FailureCode.ASSIGNMENT_NOT_STARTED,
        FailureCode.AGENT_SILENT,
    }
)
_PLANNING_CODES = frozenset(
    {
        FailureCode.PLANNING_FAILED,
        FailureCode.PLANNER_TIMEOUT,
        FailureCode.STEP_INPUT_INVALID,
        FailureCode.AGENT_UNKNOWN,
    }
)


class Stopper:
    """The activities `stop_mission` and `resend_cancels`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @activity.defn(name=Activity.STOP_MISSION)
    async def stop_mission(self, call: StopMission) -> MissionStopped:
        """Cancel the mission's service requests and assignments; returns whose confirmation is awaited.

        SUPERSEDED: the mission failed, but a cancel or its next attempt came first. Idempotent: what stands stays so.
        """
        async with self._parts.database.transaction() as connection:
            # A cancel stops whatever attempt it finds.
            attempt = None if call.failure is None else call.attempt
            work_process = await lock(connection, call.work_process_id, attempt=attempt)
            if call.failure is not None and work_process.superseded:
                return MissionStopped(outcome=Outcome.SUPERSEDED)
            if work_process.ended:
                return MissionStopped(outcome=Outcome.DONE)
            await self._write_status(connection, work_process, call)
            jobs = await step_requests.cancel_open(connection, work_process)
            await assignment_cancels.stop_open(connection, call.work_process_id)
            to_cancel = await assignment_cancels.canceling_of(connection, work_process)
            left_line = await self._leave_line(connection, work_process)
        await self._parts.waker.send(await refresh_lines(self._parts.database, left_line))
        _, awaited = await asyncio.gather(
            self._cancel_jobs(jobs), cancel_and_note(self._parts, call.work_process_id, to_cancel)
        )
        return MissionStopped(outcome=Outcome.DONE, awaited=awaited)

    async def _write_status(self, connection: Connection, work_process: LockedWorkProcess, call: StopMission) -> None:
        if call.failure is not None:
            await self._write_failure(connection, work_process, call, call.failure)
        elif not work_process.superseded:
            # Cancelled by the UI, the CLI or the workflow's own signal: the API writes this before it asks us.
            asked = call.cancel or CancelRequest()
            by = ENGINE_OPERATOR.model_copy(update={"id": asked.requested_by})
            await change(
                connection,
                work_process,
                WorkProcessStatus.CANCELING,
                principal=by,
                source=EventSource.MISSION_WORKER,
                transition=call.transition,
                values={
                    "cancel_requested_at": utc_now(),
                    "cancel_reason": asked.reason,
                    "cancel_requested_by": by.model_dump(mode="json"),
                    "halt": call.halt,
                },
            )

    async def _write_failure(
        self, connection: Connection, work_process: LockedWorkProcess, call: StopMission, failure: Failure
    ) -> None:
        status = None
        if failure.code in _ASSIGNMENT_CODES:
            status = WorkProcessStatus.ASSIGNMENT_FAILED
        elif failure.code in _PLANNING_CODES:
            status = WorkProcessStatus.PLANNING_FAILED
        if status is None or not may_follow(work_process.status, status):
            return  # goes to `failed` at the end, straight from where it is
        await change(
            connection,
            work_process,
            status,
            principal=MUSTER,
            source=EventSource.MISSION_WORKER,
            transition=call.transition,
            severity=Severity.INFO if call.will_retry else Severity.ERROR,
        )

    async def _leave_line(self, connection: Connection, work_process: LockedWorkProcess) -> list[int]:
        """A waiting request must not hold up others while this mission is being stopped."""
        if work_process.without_agents:
            await slots.leave_line(connection, work_process.id)
            return []
        request = await find_request(connection, work_process.id, work_process.attempt)
        if request is None or request.status != "waiting":
            return []
        await lock_agents(connection, work_process.agent_ids)
        return await end_request(connection, work_process.id, work_process.attempt)

    async def _cancel_jobs(self, jobs: Sequence[Any]) -> None:
        await asyncio.gather(
            *(cancel_job(self._parts.http, job["service_url"], job["licence_key"], job["request_uid"]) for job in jobs)
        )

    @activity.defn(name=Activity.RESEND_CANCELS)
    async def resend_cancels(self, call: ResendCancels) -> MissionStopped:
        """Send `assignment_cancel` again to agents that have not confirmed."""
        async with self._parts.database.transaction() as connection:
            rows = await assignment_cancels.canceling(connection, call.assignment_ids)
        awaited = await cancel_and_note(self._parts, call.work_process_id, rows)
        return MissionStopped(outcome=Outcome.DONE, awaited=awaited)
