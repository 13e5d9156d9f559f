"""A mission whose run is gone: what another one is started with, from its rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text

from missions.contracts import Continued, PauseWish, Signal, TakesOver, WorkProcessStart
from missions.errors import Failure, NotFound
from missions.mission_files.plan import MISSION_FILE
from missions.mission_files.platform_contracts import PLATFORM_COMMAND
from missions.recipes import MissionOptions, stored_options
from missions.statuses import Pause, PauseMode, WorkProcessStatus
from settings import Settings
from store import attempts, run_starts
from store.connection import Connection
from store.installations import installation_id
from store.wakeups import NewSignal, Wakeup, add_signals
from store.work_process_status import LockedWorkProcess, lock

_S = WorkProcessStatus
# Where a new run finds all in the rows that the lost one knew. Of threads it would not: each knows its own place.
_RESUMES = {
    MISSION_FILE: {_S.DISPATCHED, _S.PREPARING_RESOURCES},
    PLATFORM_COMMAND: {_S.DISPATCHED, _S.PREPARING_RESOURCES, _S.EXECUTING, _S.ASSIGNMENTS_COMPLETED},
}
_RESUMES_ELSE = {_S.DISPATCHED, _S.PREPARING_RESOURCES, _S.CALCULATING, _S.EXECUTING, _S.ASSIGNMENTS_COMPLETED}
# A try of an activity of the lost run may still write: with a number above what was written, since a run counts all
# activities of all its attempts, written or not. More than so many it has not called.
_BEYOND_LATE_TRIES = 1_000_000


@dataclass(frozen=True)
class LostRun:
    """An open mission that has no run. `resumes`: a new one can go on; `starts_soon`: its start is on its way."""

    work_process: LockedWorkProcess
    dispatched_at: datetime
    resumes: bool
    starts_soon: bool
    options: Mapping[str, Any] | None
    data: Mapping[str, Any] | None
    last_transition: int
    """Of all its attempts."""
    sent: bool
    """Whether agents were sent something in this attempt."""
    ran_for: float | None
    """Seconds, without its pauses; None: it has not begun."""

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
    return LostRun(
        work_process,
        dispatched_at=row.dispatched_at,
        resumes=resumes,
        starts_soon=row.starts_soon,
        options=row.options,
        data=row.data,
        last_transition=row.last_transition,
        sent=row.sent,
        ran_for=None if row.ran_for is None else float(row.ran_for),
    )


async def start_again(
    connection: Connection, lost: LostRun, settings: Settings, interrupted: Failure | None
) -> WorkProcessStart:
    """What its new run is started with; with `interrupted` it brings all to an end, else it goes on."""
    work_process = lost.work_process
    options = MissionOptions.model_validate(stored_options(lost.options))
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
        told = lost.data
        assert told is not None, "a platform's command is written with it"
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
    work_process = lost.work_process
    changes: dict[str, Any] = {
        "takes_over": TakesOver(
            first_transition=lost.last_transition + _BEYOND_LATE_TRIES,
            interrupted=interrupted,
            executing=lost.sent,
            halted=work_process.halt,
        )
    }
    waits = ""
    if work_process.attempt > 1:
        begins = work_process.next_attempt_at
        changes["start_at"] = None if begins is None else begins.isoformat()
        if begins is not None:
            waits = (await attempts.begins(connection, work_process.id))[1]
    pause = _wish(work_process)
    if not pause.paused:
        pause = pause.model_copy(update={"number": 0})
    limit, left = options.mission_timeout, None
    if limit is not None and lost.ran_for is not None:
        left = max(0.0, limit - lost.ran_for)
    changes["continued"] = Continued(pause=pause, seconds_left=left, waits=waits)
    return changes


def _wish(work_process: LockedWorkProcess) -> PauseWish:
    """What clients wish now; its number is not below that of the last wish, and below that of the next."""
    return PauseWish(
        paused=work_process.pause is not Pause.NONE,
        number=work_process.version - 1,
        immediate=work_process.pause_mode == PauseMode.IMMEDIATE,
    )


async def took_over(connection: Connection, lost: LostRun, run_id: str | None) -> list[Wakeup]:
    """The mission shows its new run; which is told what clients wished between the look at the row and its start."""
    work_process = await lock(connection, lost.id)
    await connection.execute(_TOOK_OVER, {"of": lost.id, "run_id": run_id})
    wish, known = _wish(work_process), _wish(lost.work_process)
    if work_process.ended or (wish.paused, wish.immediate) == (known.paused, known.immediate):
        return []
    return await add_signals(connection, [NewSignal(lost.workflow_id, lost.id, Signal.PAUSE, wish)])


async def threads_of(connection: Connection, work_process_id: int) -> list[str]:
    """The workflow ids of a mission file's threads; none of other missions."""
    return list(await connection.scalars(_THREADS, {"of": work_process_id}))


# A pause lasts from the wish on, as for the time-out. `stopping`: its run had begun to stop it, or had dealt with
# agents in a way that the rows do not tell.
_READ = text(
    """
    SELECT mission.dispatched_at, mission.options, mission.data,
        coalesce((
            SELECT max(transition) FROM events WHERE work_process_id = mission.id AND transition IS NOT NULL
        ), 0) AS last_transition,
        extract(epoch FROM now() - began.at) - (
            SELECT coalesce(sum(extract(epoch FROM greatest(until, began.at) - greatest(since, began.at))), 0)
            FROM (
                SELECT type, timestamp AS since, lead(timestamp, 1, now()) OVER (ORDER BY mission_sequence) AS until
                FROM events WHERE work_process_id = mission.id AND type IN (
                    'work_process.pause_requested', 'work_process.paused', 'work_process.resumed'
                )
            ) AS told WHERE type <> 'work_process.resumed'
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
    FROM work_processes AS mission CROSS JOIN LATERAL (
        SELECT min(timestamp) AS at FROM events WHERE work_process_id = mission.id AND transition IS NOT NULL
    ) AS began
    WHERE mission.id = :of
    """
)
_FILE = text("SELECT plan_id, thread_count, time_scale FROM mission_files WHERE work_process_id = :of")
_UUID = text("SELECT uuid FROM agents WHERE id = :of")
_TOOK_OVER = text("UPDATE work_processes SET run_id = :run_id WHERE id = :of")
_THREADS = text("SELECT workflow_id FROM mission_threads WHERE work_process_id = :of ORDER BY number")
