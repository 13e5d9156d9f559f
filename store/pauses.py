"""Pause and resume: the client's wish, and what the mission's workflow made of it."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import update

from missions.contracts import PauseWish, Signal
from missions.errors import Conflict, InvalidInput
from missions.event_catalogue import event
from missions.event_payloads.work_process import WorkProcessPaused, WorkProcessPauseRequested, WorkProcessResumed
from missions.events import EventSource
from missions.mission_files.plan import MISSION_FILE
from missions.principals import MUSTER, Principal
from missions.statuses import Pause, PauseMode, WorkProcessStatus
from store import assignments, events, instant_actions
from store.connection import Connection
from store.tables import work_processes
from store.wakeups import NewSignal, Wakeup, add_signals
from store.work_process_status import LockedWorkProcess, lock

PAUSE_COMMAND, RESUME_COMMAND = "pause operation", "resume operation"
"""The instant actions that helyOS's own agents understand."""


_Payload = type[WorkProcessPauseRequested] | type[WorkProcessPaused] | type[WorkProcessResumed]


async def request(
    connection: Connection, work_process_id: int, mode: PauseMode, *, principal: Principal, source: str
) -> list[Wakeup]:
    """Wish a mission paused; an immediate pause may follow a deferred one. Nobody to wake: it is so already.

    Raises NotFound, Conflict if it does not run.
    """
    work_process = await lock(connection, work_process_id)
    _refuse_unless_running(work_process, "paused", also=_at_its_end(work_process))
    if mode is PauseMode.IMMEDIATE and work_process.type_name == MISSION_FILE:
        raise InvalidInput(
            "a mission file cannot be paused in the midst of a command",
            field="mode",
            value=mode.value,
            remedy="send `deferred`: it holds before the next command; or abort the mission",
        )
    if work_process.pause is not Pause.NONE and mode in (PauseMode.DEFERRED, work_process.pause_mode):
        return []
    event = WorkProcessPauseRequested
    return await _wish(connection, work_process, Pause.REQUESTED, mode, event, principal, source)


async def resume(connection: Connection, work_process_id: int, *, principal: Principal, source: str) -> list[Wakeup]:
    """Let a mission go on, and its agents that were told to pause. Nobody to wake: it does. Then: notify the sender.

    Raises NotFound, Conflict if it does not run.
    """
    work_process = await lock(connection, work_process_id)
    _refuse_unless_running(work_process, "resumed")
    if work_process.pause is Pause.NONE:
        return []
    await let_go(connection, work_process)
    return await _wish(connection, work_process, Pause.NONE, None, WorkProcessResumed, principal, source)


async def let_go(
    connection: Connection,
    work_process: LockedWorkProcess,
    agent_ids: Collection[int] | None = None,
    *,
    but: Collection[int] = (),
) -> bool:
    """Tell agents (None: all) to go on that the mission's pause told to stand still; each once, so never in another's.

    In the transaction that ends the pause, or the mission's hold on them; it is locked. True: then notify the sender.
    """
    if not work_process.pause_actions:
        return False
    still = await instant_actions.agents_told(connection, work_process.pause_actions, not_since=RESUME_COMMAND)
    told = [agent_id for agent_id in still if agent_id not in but and (agent_ids is None or agent_id in agent_ids)]
    commands = [(agent_id, RESUME_COMMAND) for agent_id in told]
    if commands:
        await instant_actions.add_of_mission(connection, work_process.id, commands)
    return bool(commands)


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
        WorkProcessPaused,
        MUSTER,
        EventSource.MISSION_WORKER,
    )


_FAILED = frozenset({WorkProcessStatus.ASSIGNMENT_FAILED, WorkProcessStatus.PLANNING_FAILED})


def _at_its_end(work_process: LockedWorkProcess) -> frozenset[WorkProcessStatus]:
    """The statuses after which no step, group or attempt follows, before which it could wait."""
    may_follow = work_process.attempt < (work_process.max_retries or 0)
    return frozenset({WorkProcessStatus.ASSIGNMENTS_COMPLETED}) | (frozenset() if may_follow else _FAILED)


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
    payload: _Payload,
    principal: Principal,
    source: str,
) -> list[Wakeup]:
    values: dict[str, Any] = {"pause": pause, "pause_mode": mode, "pause_actions": []}
    await _write(connection, work_process, values, payload, principal, source)
    assert work_process.workflow_id is not None, "a dispatched work process has a workflow"
    wish = PauseWish(paused=pause is not Pause.NONE, number=work_process.version, immediate=mode is PauseMode.IMMEDIATE)
    signal = NewSignal(work_process.workflow_id, work_process.id, Signal.PAUSE, wish)
    return await add_signals(connection, [signal])


async def _write(
    connection: Connection,
    work_process: LockedWorkProcess,
    values: dict[str, Any],
    payload: _Payload,
    principal: Principal,
    source: str,
) -> None:
    await events.append_for_mission(
        connection,
        work_process.id,
        [event(payload(mode=values.get("pause_mode") or work_process.pause_mode), source=source, actor=principal)],
        attempt=work_process.attempt,
        values=values,
    )
