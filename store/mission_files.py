"""Runs of mission files: what stands of each beside its work process, and the events of its life."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from missions.errors import Failure, FailureCode, NotFound
from missions.events import EventSource, NewEvent
from missions.mission_files.lifecycle import Lifecycle
from missions.mission_files.mission_time import MissionTime
from missions.mission_files.plan import MISSION_FILE, Command, ThreadPlan
from missions.mission_files.thread_status import Sequence
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
    devices: Mapping[str, int]
    anchored_at: datetime
    anchor: datetime
    time_scale: float
    running: bool

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


async def command(connection: Connection, work_process_id: int, number: int, sequence: Sequence, index: int) -> Command:
    """One command of a thread."""
    place = {"of": work_process_id, "number": number, "sequence": _LISTS[sequence], "index": index}
    return Command.model_validate(await connection.scalar(_COMMAND, place))


async def thread(connection: Connection, work_process_id: int, number: int) -> ThreadPlan:
    """A thread with all its commands."""
    return ThreadPlan.model_validate(await connection.scalar(_THREAD, {"of": work_process_id, "number": number}))


async def outlines(connection: Connection, work_process_id: int) -> list[ThreadPlan]:
    """The threads in the file's order, without their commands, which may be many."""
    found = await connection.scalars(_OUTLINES, {"of": work_process_id})
    return [ThreadPlan.model_validate(one) for one in found]


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
    run = await leave_platform(connection, work_process.id)
    if status is WorkProcessStatus.SUCCEEDED:
        return [run.lifecycle.ended()]
    if status is WorkProcessStatus.CANCELED:
        return [run.lifecycle.aborted()]
    assert failure is not None, "a failed mission has a failure"
    if failure.code is not FailureCode.THREAD_ABORTED:
        return [run.lifecycle.failed(failure.text)]
    done, aborted = await mission_threads.count_ends(connection, work_process.id)
    return [run.lifecycle.threads_failed(done, aborted)]


async def leave_platform(connection: Connection, work_process_id: int) -> Run:
    """A run counts as running no more, and its platform is as before, unless it runs others. The mission is locked."""
    run = await read(connection, work_process_id)
    await connection.execute(_END, {"of": work_process_id})
    await platforms.leave_mission(
        connection,
        run.platform_id,
        cause=f"mission {run.plan_id} has ended",
        source=EventSource.MISSION_WORKER,
        principal=MUSTER,
    )
    return run


_READ = text(
    """
    SELECT f.work_process_id, f.platform_id, agents.uuid, f.plan_id, f.devices, f.anchored_at, f.anchor,
        f.time_scale, f.running
    FROM mission_files f JOIN agents ON agents.id = f.platform_id WHERE f.work_process_id = :of
    """
)
_COMMAND = text(
    """
    SELECT plan -> 'threads' -> CAST(:number AS integer) -> :sequence -> CAST(:index AS integer)
    FROM mission_files WHERE work_process_id = :of
    """
)
_THREAD = text("SELECT plan -> 'threads' -> CAST(:number AS integer) FROM mission_files WHERE work_process_id = :of")
_OUTLINES = text(
    """
    SELECT thread - CAST('{pre,sequence,post}' AS text[])
    FROM mission_files, jsonb_array_elements(plan -> 'threads') WITH ORDINALITY AS threads(thread, place)
    WHERE work_process_id = :of ORDER BY place
    """
)
_LISTS = {Sequence.PRE: "pre", Sequence.MAIN: "sequence", Sequence.POST: "post"}
_END = text("UPDATE mission_files SET running = false WHERE work_process_id = :of")
