"""Pause and resume: the client's wish, and what the mission's workflow made of it."""

from missions.contracts import PauseWish, Signal
from missions.errors import Conflict
from missions.events import EventSource, EventType, NewEvent
from missions.principals import MUSTER, Principal
from missions.statuses import Pause, WorkProcessStatus
from store import events
from store.database import Connection
from store.wakeups import NewSignal, Wakeup, add_signals
from store.work_process_status import LockedWorkProcess, lock


async def request(connection: Connection, work_process_id: int, *, principal: Principal, source: str) -> Wakeup | None:
    """Wish a mission paused; None: it is already. Raises NotFound, Conflict if it does not run."""
    work_process = await lock(connection, work_process_id)
    _refuse_unless_running(work_process, "paused", also=_AT_ITS_END)
    if work_process.pause is not Pause.NONE:
        return None
    return await _wish(
        connection, work_process, Pause.REQUESTED, EventType.WORK_PROCESS_PAUSE_REQUESTED, principal, source
    )


async def resume(connection: Connection, work_process_id: int, *, principal: Principal, source: str) -> Wakeup | None:
    """Let a mission go on; None: it does. Raises NotFound, Conflict if it does not run."""
    work_process = await lock(connection, work_process_id)
    _refuse_unless_running(work_process, "resumed")
    if work_process.pause is Pause.NONE:
        return None
    return await _wish(connection, work_process, Pause.NONE, EventType.WORK_PROCESS_RESUMED, principal, source)


async def note(connection: Connection, work_process_id: int) -> None:
    """The workflow waits; shown only if nobody has resumed it meanwhile."""
    work_process = await lock(connection, work_process_id)
    if work_process.pause is Pause.REQUESTED and not (work_process.superseded or work_process.ended):
        await _write(
            connection, work_process, Pause.PAUSED, EventType.WORK_PROCESS_PAUSED, MUSTER, EventSource.MISSION_WORKER
        )


# No further step or group follows, before which it could wait.
_AT_ITS_END = frozenset(
    {
        WorkProcessStatus.ASSIGNMENTS_COMPLETED,
        WorkProcessStatus.ASSIGNMENT_FAILED,
        WorkProcessStatus.PLANNING_FAILED,
    }
)


def _refuse_unless_running(
    work_process: LockedWorkProcess, wish: str, *, also: frozenset[WorkProcessStatus] = frozenset()
) -> None:
    refused = also | {WorkProcessStatus.DRAFT}
    if work_process.status in refused or work_process.superseded or work_process.ended:
        raise Conflict(
            f"work process {work_process.id} is {work_process.status.value!r}: it cannot be {wish}",
            field="status",
            value=work_process.status.value,
            remedy="only a mission that runs can be paused or resumed",
        )


async def _wish(
    connection: Connection,
    work_process: LockedWorkProcess,
    pause: Pause,
    event: EventType,
    principal: Principal,
    source: str,
) -> Wakeup:
    await _write(connection, work_process, pause, event, principal, source)
    assert work_process.workflow_id is not None, "a dispatched work process has a workflow"
    wish = PauseWish(paused=pause is not Pause.NONE, number=work_process.version)
    signal = NewSignal(work_process.workflow_id, work_process.id, Signal.PAUSE, wish)
    return (await add_signals(connection, [signal]))[0]


async def _write(
    connection: Connection,
    work_process: LockedWorkProcess,
    pause: Pause,
    event: EventType,
    principal: Principal,
    source: str,
) -> None:
    await events.append_for_mission(
        connection,
        work_process.id,
        [NewEvent(type=event, source=source, actor=principal, source_module="store.pauses")],
        attempt=work_process.attempt,
        values={"pause": pause},
    )
