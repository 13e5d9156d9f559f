"""End a mission: release its agents, then write its last status.

The release is published, with the broker's confirm, before the reservation ends: so release(m1) precedes reserve(m2).
"""

import asyncio
from typing import Any

from sqlalchemy import select, text
from temporalio import activity

from activities.parts import Parts
from fleet.downlink import AgentAddress
from missions import task_events
from missions.contracts import Activity, FinishMission, MissionFinished, Outcome
from missions.errors import Failure
from missions.events import EventSource, EventType, NewEvent, utc_now
from missions.principals import MUSTER, Principal
from missions.statuses import AssignmentStatus, Severity, WorkProcessStatus
from store.agent_service import quarantine
from store.database import Connection
from store.reservations import end_request, lock_agents, release
from store.tables import agents, assignments
from store.waiting_line import refresh_lines
from store.work_process_status import LockedWorkProcess, change, lock


class Finisher:
    """The activity `finish_mission`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @activity.defn(name=Activity.FINISH_MISSION)
    async def finish_mission(self, call: FinishMission) -> MissionFinished:
        """Release and end. SUPERSEDED: a cancel came first, and nothing is released or written."""
        status = WorkProcessStatus(call.status)
        async with self._parts.database.transaction() as connection:
            work_process = await lock(connection, call.work_process_id)
            if work_process.superseded and status is not WorkProcessStatus.CANCELED:
                return MissionFinished(outcome=Outcome.SUPERSEDED)
            if work_process.ended:
                return MissionFinished(outcome=Outcome.DONE, status=work_process.status)
            if status is WorkProcessStatus.SUCCEEDED and work_process.status is not (
                WorkProcessStatus.ASSIGNMENTS_COMPLETED
            ):
                await change(
                    connection,
                    work_process,
                    WorkProcessStatus.ASSIGNMENTS_COMPLETED,
                    principal=MUSTER,
                    source=EventSource.MISSION_WORKER,
                    transition=call.transition,
                )
            to_release = await _to_release(connection, work_process.id)
        await asyncio.gather(
            *(self._parts.downlink.release(address, work_process_id=call.work_process_id) for address in to_release)
        )
        async with self._parts.database.transaction() as connection:
            work_process = await lock(connection, call.work_process_id)
            if work_process.superseded and status is not WorkProcessStatus.CANCELED:
                return MissionFinished(outcome=Outcome.SUPERSEDED)
            freed = await self._end(connection, work_process, call, status)
        await self._parts.waker.send(await refresh_lines(self._parts.database, freed))
        return MissionFinished(outcome=Outcome.DONE, status=status)

    async def _end(
        self,
        connection: Connection,
        work_process: LockedWorkProcess,
        call: FinishMission,
        status: WorkProcessStatus,
    ) -> list[int]:
        unconfirmed = await _unconfirmed(connection, call.unconfirmed)
        await lock_agents(connection, {*work_process.agent_ids, *(row.agent_id for row in unconfirmed)})
        now = utc_now()
        failure = None if call.failure is None else await _in_words(connection, call.failure)
        values: dict[str, Any] = {"ended_at": now}
        if failure is not None:
            values["failure"] = failure.model_dump(mode="json")
        also = [_task_event(work_process, status, failure, now)]
        if unconfirmed:
            raised = [
                {
                    "code": "cancel_unconfirmed",
                    "text": f"agent {row.uuid} never confirmed that assignment {row.id} was stopped",
                    "agentId": row.agent_id,
                    "since": now.isoformat(),
                }
                for row in unconfirmed
            ]
            values["attention"] = work_process.attention + raised
            also += [_attention_event(entry) for entry in raised]
            await quarantine(
                connection,
                {row.agent_id for row in unconfirmed},
                f"did not confirm the cancel of work process {work_process.id}",
            )
        await change(
            connection,
            work_process,
            status,
            principal=MUSTER,
            source=EventSource.MISSION_WORKER,
            transition=call.transition + 1,
            values=values,
            also=also,
            severity=Severity.ERROR if status is WorkProcessStatus.FAILED else Severity.INFO,
        )
        waited = await end_request(connection, work_process.id, work_process.attempt)
        return sorted({*await release(connection, work_process.id), *waited})


async def _to_release(connection: Connection, work_process_id: int) -> list[AgentAddress]:
    """Every agent that was sent a reserve or an assignment, if it is still this mission's or nobody's."""
    rows = await connection.execute(_TO_RELEASE, {"of": work_process_id})
    return [AgentAddress(row.id, row.uuid, row.protocol) for row in rows]


_TO_RELEASE = text(
    """
    SELECT agents.id, agents.uuid, agents.protocol
    FROM agents LEFT JOIN reservations ON reservations.agent_id = agents.id
    WHERE agents.id IN (
        SELECT agent_id FROM reservations WHERE work_process_id = :of AND reserve_sent_at IS NOT NULL
        UNION SELECT agent_id FROM assignments WHERE work_process_id = :of AND intent_at IS NOT NULL
    ) AND (reservations.work_process_id IS NULL OR reservations.work_process_id = :of)
    ORDER BY agents.id
    """
)


async def _unconfirmed(connection: Connection, assignment_ids: list[int]) -> list[Any]:
    if not assignment_ids:
        return []
    rows = await connection.execute(
        select(assignments.c.id, assignments.c.agent_id, agents.c.uuid)
        .join(agents, agents.c.id == assignments.c.agent_id)
        .where(assignments.c.id.in_(assignment_ids), assignments.c.status == AssignmentStatus.CANCELING)
        .order_by(assignments.c.id)
    )
    return list(rows)


async def _in_words(connection: Connection, failure: Failure) -> Failure:
    """A failed assignment's failure, with its agent and what that said."""
    if failure.assignment_id is None:
        return failure
    row = (
        await connection.execute(
            select(assignments.c.error, assignments.c.result, assignments.c.agent_id, assignments.c.step, agents.c.uuid)
            .join(agents, agents.c.id == assignments.c.agent_id)
            .where(assignments.c.id == failure.assignment_id)
        )
    ).one()
    said = row.error or (f"its result: {str(row.result)[:300]}" if row.result else "")
    return failure.model_copy(
        update={
            "text": f"{failure.text} at agent {row.uuid}" + (f" ({said})" if said else ""),
            "agent_id": row.agent_id,
            "step": row.step,
        }
    )


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
        retry_count=work_process.attempt,
        max_retries=work_process.max_retries,
        will_retry=False,
        started_at=work_process.started_at,
        now=now,
    )


def _attention_event(entry: dict[str, Any]) -> NewEvent:
    return NewEvent(
        type=EventType.WORK_PROCESS_ATTENTION_RAISED,
        source=EventSource.MISSION_WORKER,
        actor=MUSTER,
        severity=Severity.WARNING,
        payload=entry,
    )
