"""Pause and resume: the client's wish, and what the mission's workflow made of it."""

from typing import Any

from sqlalchemy import text, update

from missions.contracts import PauseWish, Signal
from missions.errors import Conflict
from missions.events import EventSource, EventType, NewEvent
from missions.principals import MUSTER, Principal
from missions.statuses import Pause, PauseMode, WorkProcessStatus
from store import assignments, events, instant_actions
from store.database import Connection
from store.tables import work_processes
from store.wakeups import NewSignal, Wakeup, add_signals
from store.work_process_status import LockedWorkProcess, lock

PAUSE_COMMAND, RESUME_COMMAND = "pause operation", "resume operation"
"""The instant actions that helyOS's own agents understand."""


async def request(
    connection: Connection, work_process_id: int, mode: PauseMode, *, principal: Principal, source: str
) -> list[Wakeup]:
    """Wish a mission paused; an immediate pause may follow a deferred one. Nobody to wake: it is so already.

    Raises NotFound, Conflict if it does not run.
    """
    work_process = await lock(connection, work_process_id)
    _refuse_unless_running(work_process, "paused", also=_AT_ITS_END)
    if work_process.pause is not Pause.NONE and mode in (PauseMode.DEFERRED, work_process.pause_mode):
        return []
    event = EventType.WORK_PROCESS_PAUSE_REQUESTED
    return await _wish(connection, work_process, Pause.REQUESTED, mode, event, principal, source)


async def resume(connection: Connection, work_process_id: int, *, principal: Principal, source: str) -> list[Wakeup]:
    """Let a mission go on, and its agents that were told to pause. Nobody to wake: it does. Then: notify the sender.

    Raises NotFound, Conflict if it does not run.
    """
    work_process = await lock(connection, work_process_id)
    _refuse_unless_running(work_process, "resumed")
    if work_process.pause is Pause.NONE:
        return []
    if work_process.pause_actions:
        await let_go(connection, work_process.id)
    return await _wish(connection, work_process, Pause.NONE, None, EventType.WORK_PROCESS_RESUMED, principal, source)


async def let_go(connection: Connection, work_process_id: int, agent_id: int | None = None) -> bool:
    """Write `resume` for the agents that the mission's pause holds still, or for one; True: notify the sender.

    Written with the end of the mission's hold on them, before it is noted: never for an agent that has left it, which
    another mission may have paused since. The mission is locked.
    """
    held = (await connection.execute(_HELD_STILL, {"of": work_process_id, "agent": agent_id})).scalars().all()
    if held:
        await instant_actions.add_of_mission(connection, work_process_id, [(one, RESUME_COMMAND) for one in held])
    return bool(held)


_HELD_STILL = text(
    """
    SELECT DISTINCT told.agent_id FROM work_processes AS mission
    JOIN instant_actions AS told ON told.id = ANY(mission.pause_actions)
    WHERE mission.id = :of AND (CAST(:agent AS bigint) IS NULL OR told.agent_id = CAST(:agent AS bigint))
        AND EXISTS (
            SELECT FROM assignments
            WHERE work_process_id = mission.id AND assignments.agent_id = told.agent_id AND released_at IS NULL
        )
    ORDER BY told.agent_id
    """
)


async def tell_agents(connection: Connection, work_process_id: int) -> list[int]:
    """Write the commands of an immediate pause that is still wished, once; returns them. Then: notify the sender.

    For the agents that have an assignment of the mission in hand: it sends none meanwhile.
    """
    work_process = await lock(connection, work_process_id)
    wished = work_process.pause is not Pause.NONE and work_process.pause_mode == PauseMode.IMMEDIATE
    if not wished or work_process.superseded or work_process.ended:
        return []
    if work_process.pause_actions:
        return work_process.pause_actions
    working = await assignments.agents_at_work(connection, work_process_id)
    if not working:
        return []
    commands = [(agent_id, PAUSE_COMMAND) for agent_id in working]
    ids = await instant_actions.add_of_mission(connection, work_process_id, commands)
    await connection.execute(
        update(work_processes).where(work_processes.c.id == work_process_id).values(pause_actions=ids)
    )
    return ids


async def note(connection: Connection, work_process_id: int, *, agents_told: bool) -> None:
    """The pause holds; shown only if nobody has resumed the mission meanwhile, or wishes more than that."""
    work_process = await lock(connection, work_process_id)
    if work_process.pause is not Pause.REQUESTED or work_process.superseded or work_process.ended:
        return
    if agents_told is not (work_process.pause_mode == PauseMode.IMMEDIATE):
        return
    await _write(
        connection,
        work_process,
        {"pause": Pause.PAUSED},
        EventType.WORK_PROCESS_PAUSED,
        MUSTER,
        EventSource.MISSION_WORKER,
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
    mode: PauseMode | None,
    event: EventType,
    principal: Principal,
    source: str,
) -> list[Wakeup]:
    values: dict[str, Any] = {"pause": pause, "pause_mode": mode, "pause_actions": []}
    await _write(connection, work_process, values, event, principal, source)
    assert work_process.workflow_id is not None, "a dispatched work process has a workflow"
    wish = PauseWish(paused=pause is not Pause.NONE, number=work_process.version, immediate=mode is PauseMode.IMMEDIATE)
    signal = NewSignal(work_process.workflow_id, work_process.id, Signal.PAUSE, wish)
    return await add_signals(connection, [signal])


async def _write(
    connection: Connection,
    work_process: LockedWorkProcess,
    values: dict[str, Any],
    event: EventType,
    principal: Principal,
    source: str,
) -> None:
    await events.append_for_mission(
        connection,
        work_process.id,
        [
            NewEvent(
                type=event,
                source=source,
                actor=principal,
                payload={"mode": values.get("pause_mode") or work_process.pause_mode},
                source_module="store.pauses",
            )
        ],
        attempt=work_process.attempt,
        values=values,
    )
