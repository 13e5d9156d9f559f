"""End a mission: release its agents, then write its last status."""

from typing import Any

from temporalio import activity

from activities.parts import Parts
from activities.release_agents import quarantine_unconfirmed, release_agents
from missions import task_events
from missions.contracts import Activity, FinishMission, MissionFinished, Outcome
from missions.errors import Failure
from missions.events import EventSource, NewEvent, utc_now
from missions.principals import MUSTER, Principal
from missions.statuses import Pause, Severity, WorkProcessStatus
from store import (
    assignment_cancels,
    assignments,
    attempts,
    attention,
    instant_actions,
    mission_agents,
    mission_files,
    pauses,
    queue_places,
    slots,
)
from store.connection import Connection
from store.mission_agents import ToRelease
from store.notifications import notify
from store.reservations import leave
from store.waiting_line import refresh_lines
from store.work_process_status import LockedWorkProcess, change, change_from, lock


class Finisher:
    """The activity `finish_mission`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @activity.defn(name=Activity.FINISH_MISSION)
    async def finish_mission(self, call: FinishMission) -> MissionFinished:
        """Release and end. SUPERSEDED: a cancel came first; its own finish releases once more and writes the end."""
        status = WorkProcessStatus(call.status)
        to_release = await self._completed(call) if status is WorkProcessStatus.SUCCEEDED else None
        if to_release is None:
            begun = await self._begin(call, status)
            if isinstance(begun, MissionFinished):
                return begun
            to_release = begun
        await release_agents(self._parts, call.work_process_id, call.attempt, to_release)
        async with self._parts.database.transaction() as connection:
            work_process = await lock(connection, call.work_process_id)
            if work_process.superseded and status is not WorkProcessStatus.CANCELED:
                return MissionFinished(outcome=Outcome.SUPERSEDED)
            freed = await self._end(connection, work_process, call, status)
            # Who has not confirmed its stop might go on with what was cancelled: a person decides.
            may_drive = [row.agent_id for row in await assignment_cancels.unconfirmed(connection, call.unconfirmed)]
            let_go = await pauses.let_go(connection, work_process, but=may_drive)
            wakeups = await queue_places.mission_ended(connection, work_process)
        if let_go:
            await notify(self._parts.database, instant_actions.CHANNEL)
        if work_process.without_agents:
            wakeups += await slots.move_up(self._parts.database)
        await self._parts.waker.send([*wakeups, *await refresh_lines(self._parts.database, freed)])
        return MissionFinished(outcome=Outcome.DONE, status=status)

    async def _completed(self, call: FinishMission) -> list[ToRelease] | None:
        """The way of most missions, in two statements; the agents to release. None: it is not `executing`."""
        async with self._parts.database.statement() as connection:
            moved = await change_from(
                connection,
                call.work_process_id,
                WorkProcessStatus.EXECUTING,
                WorkProcessStatus.ASSIGNMENTS_COMPLETED,
                attempt=call.attempt,
                transition=call.transition,
                principal=MUSTER,
                source=EventSource.MISSION_WORKER,
            )
            return await mission_agents.to_release(connection, call.work_process_id) if moved else None

    async def _begin(self, call: FinishMission, status: WorkProcessStatus) -> MissionFinished | list[ToRelease]:
        """The agents to release; or the answer, if the mission has been cancelled or has ended before."""
        async with self._parts.database.transaction() as connection:
            work_process = await lock(connection, call.work_process_id)
            if work_process.superseded and status is not WorkProcessStatus.CANCELED:
                return MissionFinished(outcome=Outcome.SUPERSEDED)
            if work_process.ended:
                return MissionFinished(outcome=Outcome.DONE, status=work_process.status)
            if status is WorkProcessStatus.SUCCEEDED and _has_assignments_to_complete(work_process):
                await change(
                    connection,
                    work_process,
                    WorkProcessStatus.ASSIGNMENTS_COMPLETED,
                    principal=MUSTER,
                    source=EventSource.MISSION_WORKER,
                    transition=call.transition,
                )
            return await mission_agents.to_release(connection, work_process.id)

    async def _end(
        self,
        connection: Connection,
        work_process: LockedWorkProcess,
        call: FinishMission,
        status: WorkProcessStatus,
    ) -> list[int]:
        failure = None if call.failure is None else await assignments.in_words(connection, call.failure)
        before = await mission_files.run_ends(connection, work_process, status, failure)  # a platform, before agents
        raised = await quarantine_unconfirmed(connection, work_process, call.unconfirmed, halted=call.halted)
        now = utc_now()
        values: dict[str, Any] = {"ended_at": now, "pause": Pause.NONE, **attempts.begun(work_process)}
        if failure is not None:
            values["failure"] = failure.model_dump(mode="json")
        if call.halted:
            values["halt"] = True
        also = [_task_event(work_process, status, failure, now)]
        shown, cleared = attention.at_end(work_process.attention)
        shown += raised
        also += [attention.raised(entry) for entry in raised]
        if shown != work_process.attention:
            values["attention"] = shown
        await change(
            connection,
            work_process,
            status,
            principal=MUSTER,
            source=EventSource.MISSION_WORKER,
            transition=call.transition + 1,
            values=values,
            before=[*cleared, *before],
            also=also,
            severity=Severity.ERROR if status is WorkProcessStatus.FAILED else Severity.INFO,
        )
        if work_process.without_agents:
            await slots.leave(connection, work_process.id)
        return await leave(connection, work_process.id, work_process.attempt)


def _has_assignments_to_complete(work_process: LockedWorkProcess) -> bool:
    """Whether `assignments_completed` is still to be said; of a mission without agents only if it had assignments."""
    if work_process.without_agents:
        return work_process.status is WorkProcessStatus.EXECUTING
    return work_process.status is not WorkProcessStatus.ASSIGNMENTS_COMPLETED


def _task_event(
    work_process: LockedWorkProcess, status: WorkProcessStatus, failure: Failure | None, now: Any
) -> NewEvent:
    if status is WorkProcessStatus.SUCCEEDED:
        return task_events.completed(work_process.id, work_process.type_name, work_process.started_at, now)
    if status is WorkProcessStatus.CANCELED:
        asked = work_process.cancel_requested_by
        by = MUSTER if asked is None else Principal.model_validate(asked)
        return task_events.cancelled(work_process.id, f"{by.kind}:{by.id}", work_process.cancel_reason or "", now)
    assert failure is not None, "a failed mission has a failure"
    return task_events.failed(
        work_process.id,
        work_process.type_name,
        failure,
        # An attempt that still waits for its time has not failed.
        retry_count=work_process.attempt - (work_process.next_attempt_at is not None),
        max_retries=work_process.max_retries or 0,
        will_retry=False,
        started_at=work_process.started_at,
        now=now,
    )
