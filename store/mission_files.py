"""Runs of mission files: what stands of each beside its work process, and the events of its life."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import text

from missions.errors import Failure, FailureCode, NotFound
from missions.events import EventSource, NewEvent
from missions.mission_files.lifecycle import Lifecycle
from missions.mission_files.mission_time import MissionTime
from missions.mission_files.plan import MISSION_FILE, MissionPlan
from missions.principals import MUSTER, Principal
from missions.statuses import WorkProcessStatus
from store import mission_threads, platforms
from store.connection import Connection
from store.work_process_status import LockedWorkProcess


@dataclass(frozen=True)
class Run:
    """One run. `devices`: the agents' ids, by the ids that the plan writes."""

    work_process_id: int
    platform_id: int
    platform_uuid: str
    plan_id: str
    raw_plan: Mapping[str, Any]
    devices: Mapping[str, int]
    anchored_at: datetime
    anchor: datetime
    time_scale: float
    running: bool

    @cached_property
    def plan(self) -> MissionPlan:
        """What the file says."""
        return MissionPlan.model_validate(self.raw_plan)

    @property
    def lifecycle(self) -> Lifecycle:
        """Makes its events."""
        return Lifecycle(self.platform_uuid, self.plan_id)

    @property
    def time(self) -> MissionTime:
        """The mission's time."""
        return MissionTime(self.anchored_at, self.anchor, self.time_scale)


async def read(connection: Connection, work_process_id: int) -> Run:
    """One run; raises NotFound."""
    row = (await connection.execute(_READ, {"of": work_process_id})).one_or_none()
    if row is None:
        raise NotFound(
            f"work process {work_process_id} runs no mission file",
            field="id",
            value=work_process_id,
            remedy="list the platform's missions to find its id",
        )
    return Run(*row)


async def abort_begins(
    connection: Connection, work_process: LockedWorkProcess, *, source: str, principal: Principal
) -> list[NewEvent]:
    """What follows when a mission becomes `canceling`: nothing, unless it is a run of a mission file."""
    if work_process.type_name != MISSION_FILE:
        return []
    run = await read(connection, work_process.id)
    return [run.lifecycle.stopping(source=source, actor=principal)]


async def run_ends(
    connection: Connection, work_process: LockedWorkProcess, status: WorkProcessStatus, failure: Failure | None
) -> list[NewEvent]:
    """End a run with its mission, and let its platform go; returns its last event. Nothing for other missions."""
    if work_process.type_name != MISSION_FILE:
        return []
    run = await read(connection, work_process.id)
    await connection.execute(_END, {"of": work_process.id})
    await platforms.leave_mission(
        connection,
        run.platform_id,
        cause=f"mission {run.plan_id} has ended",
        source=EventSource.MISSION_WORKER,
        principal=MUSTER,
    )
    if status is WorkProcessStatus.SUCCEEDED:
        return [run.lifecycle.ended()]
    if status is WorkProcessStatus.CANCELED:
        return [run.lifecycle.aborted()]
    assert failure is not None, "a failed mission has a failure"
    if failure.code is not FailureCode.THREAD_ABORTED:
        return [run.lifecycle.failed(failure.text)]
    done, aborted = await mission_threads.count_ends(connection, work_process.id)
    return [run.lifecycle.threads_failed(done, aborted)]


_READ = text(
    """
    SELECT f.work_process_id, f.platform_id, agents.uuid, f.plan_id, f.plan, f.devices, f.anchored_at, f.anchor,
        f.time_scale, f.running
    FROM mission_files f JOIN agents ON agents.id = f.platform_id WHERE f.work_process_id = :of
    """
)
_END = text("UPDATE mission_files SET running = false WHERE work_process_id = :of")
