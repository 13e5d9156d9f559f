"""A mission whose run is gone: what another one is started with, from its rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text

from missions.contracts import Continued, PauseWish, TakesOver, WorkProcessStart
from missions.errors import Failure, NotFound
from missions.mission_files.plan import MISSION_FILE
from missions.mission_files.platform_contracts import PLATFORM_COMMAND
from missions.recipes import MissionOptions, stored_options
from missions.statuses import Pause, PauseMode, WorkProcessStatus
from settings import Settings
from store import attempts, run_starts
from store.connection import Connection
from store.installations import installation_id
from store.work_process_status import LockedWorkProcess, lock

_S = WorkProcessStatus
# Where a new run finds all in the rows that the lost one knew. Of threads it would not: each knows its own place.
_RESUMES = {
    MISSION_FILE: {_S.DISPATCHED, _S.PREPARING_RESOURCES},
    PLATFORM_COMMAND: {_S.DISPATCHED, _S.PREPARING_RESOURCES, _S.EXECUTING, _S.ASSIGNMENTS_COMPLETED},
}
_RESUMES_ELSE = {_S.DISPATCHED, _S.PREPARING_RESOURCES, _S.CALCULATING, _S.EXECUTING, _S.ASSIGNMENTS_COMPLETED}
# A try of an activity of the lost run may still write: its numbers lie below those of the new run.
_BEYOND_LATE_TRIES = 1000


@dataclass(frozen=True)
class LostRun:
    """An open mission that has no run. `resumes`: a new one can go on; `starts_soon`: its start is on its way."""

    work_process: LockedWorkProcess
    dispatched_at: datetime
    resumes: bool
    starts_soon: bool
    row: Any

    @property
    def id(self) -> int:
        """The mission's."""
        return self.work_process.id

    @property
    def workflow_id(self) -> str:
        """Of each of its runs."""
        assert self.work_process.workflow_id is not None, "a dispatched work process has a workflow"
        return self.work_process.workflow_id


async def read(connection: Connection, work_process_id: int) -> LostRun | None:
    """An open mission as it stands now, locked; None: it has ended, or is not there."""
    try:
        work_process = await lock(connection, work_process_id)
    except NotFound:
        return None
    if work_process.ended or work_process.status is _S.DRAFT:
        return None
    row = (await connection.execute(_READ, {"of": work_process_id})).one()
    resumes = work_process.status in _RESUMES.get(work_process.type_name, _RESUMES_ELSE) and not row.stopping
    return LostRun(work_process, row.dispatched_at, resumes, row.starts_soon, row)


async def start_again(
    connection: Connection, lost: LostRun, settings: Settings, interrupted: Failure | None
) -> WorkProcessStart:
    """What its new run is started with; with `interrupted` it brings all to an end, else it goes on."""
    work_process, row = lost.work_process, lost.row
    options = MissionOptions.model_validate(stored_options(row.options))
    common: dict[str, Any] = {
        "installation": await installation_id(connection),
        "settings": settings,
        "options": options,
    }
    start: WorkProcessStart
    if work_process.type_name == MISSION_FILE:
        file = (await connection.execute(_FILE, {"of": work_process.id})).one()
        start = run_starts.of_file(
            work_process, plan_id=file.plan_id, threads=file.thread_count, time_scale=file.time_scale, **common
        )
    elif work_process.type_name == PLATFORM_COMMAND:
        told = row.data
        platform = await connection.scalar(_UUID, {"of": told["platformId"]})
        start = run_starts.of_command(
            work_process,
            platform_id=told["platformId"],
            platform=platform or "",
            command=told["command"],
            name=told["name"],
            values=told["values"],
            **common,
        )
    else:
        steps = await attempts.steps(connection, work_process.id, work_process.attempt)
        start = run_starts.of_mission(work_process, steps, max_retries=work_process.max_retries or 0, **common)
    return start.model_copy(update=await _where_it_stands(connection, lost, options, interrupted))


async def _where_it_stands(
    connection: Connection, lost: LostRun, options: MissionOptions, interrupted: Failure | None
) -> dict[str, Any]:
    work_process, row = lost.work_process, lost.row
    changes: dict[str, Any] = {
        "takes_over": TakesOver(
            first_transition=row.last_transition + _BEYOND_LATE_TRIES,
            interrupted=interrupted,
            executing=row.sent,
            halted=work_process.halt,
        )
    }
    waits = ""
    if work_process.attempt > 1:
        begins = work_process.next_attempt_at
        changes["start_at"] = None if begins is None else begins.isoformat()
        if begins is not None:
            waits = (await attempts.begins(connection, work_process.id))[1]
    paused = work_process.pause is not Pause.NONE
    pause = PauseWish(
        paused=paused,
        number=work_process.version - 1 if paused else 0,  # below that of the next wish
        immediate=work_process.pause_mode == PauseMode.IMMEDIATE,
    )
    limit, left = options.mission_timeout, None
    if limit is not None and row.ran_for is not None:
        left = max(0.0, limit - float(row.ran_for))
    changes["continued"] = Continued(pause=pause, seconds_left=left, waits=waits)
    return changes


async def took_over(connection: Connection, work_process_id: int, run_id: str | None) -> None:
    """The mission shows its new run."""
    await connection.execute(_TOOK_OVER, {"of": work_process_id, "run_id": run_id})


async def threads_of(connection: Connection, work_process_id: int) -> list[str]:
    """The workflow ids of a mission file's threads; none of other missions."""
    return list(await connection.scalars(_THREADS, {"of": work_process_id}))


# `stopping`: its run had begun to stop it, or had dealt with agents in a way that the rows do not tell.
_READ = text(
    """
    SELECT mission.dispatched_at, mission.options, mission.data,
        coalesce((
            SELECT max(transition) FROM events
            WHERE work_process_id = mission.id AND attempt = mission.attempt AND transition IS NOT NULL
        ), 0) AS last_transition,
        (
            SELECT extract(epoch FROM now() - min(timestamp)) FROM events
            WHERE work_process_id = mission.id AND transition IS NOT NULL
        ) AS ran_for,
        EXISTS (
            SELECT FROM assignments
            WHERE work_process_id = mission.id AND attempt = mission.attempt AND intent_at IS NOT NULL
        ) AS sent,
        EXISTS (
            SELECT FROM service_requests
            WHERE work_process_id = mission.id AND attempt = mission.attempt AND status = 'canceled'
        ) OR EXISTS (
            SELECT FROM reservation_requests
            WHERE work_process_id = mission.id AND attempt = mission.attempt AND status = 'ended'
        ) OR EXISTS (
            SELECT FROM assignments
            WHERE work_process_id = mission.id AND attempt = mission.attempt AND (
                status IN ('canceling', 'canceled') OR substitute_id IS NOT NULL OR reassigned_to IS NOT NULL
                OR (released_at IS NOT NULL AND agent_id IN (SELECT id FROM agents WHERE agent_class <> 'platform'))
            )
        ) AS stopping,
        EXISTS (
            SELECT FROM wakeups WHERE workflow_id = mission.workflow_id AND error IS NULL
                AND kind IN ('start', 'start_file', 'start_command')
        ) AS starts_soon
    FROM work_processes AS mission WHERE mission.id = :of
    """
)
_FILE = text("SELECT plan_id, thread_count, time_scale FROM mission_files WHERE work_process_id = :of")
_UUID = text("SELECT uuid FROM agents WHERE id = :of")
_TOOK_OVER = text("UPDATE work_processes SET run_id = :run_id WHERE id = :of")
_THREADS = text("SELECT workflow_id FROM mission_threads WHERE work_process_id = :of ORDER BY number")
