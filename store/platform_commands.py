"""A command to a platform: what it changes at once, and the work process that takes it to the instruments.

An instrument that needs the command (missions/mission_files/child_dispatch.py) is reserved for it like for any mission.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue
from sqlalchemy import bindparam, text

from missions import task_events
from missions.event_catalogue import event
from missions.event_payloads.work_process import WorkProcessCreated
from missions.events import utc_now
from missions.mission_files.child_dispatch import CHILD_COMMANDS, needs
from missions.mission_files.platform_contracts import PLATFORM_COMMAND
from missions.mission_files.platform_states import STEPS, PlatformCommand
from missions.principals import Principal
from missions.priorities import Priority
from missions.recipes import MissionOptions
from missions.statuses import AgentClass, OnBusy, WorkProcessStatus
from settings import Settings
from store import events, exclusive_access, platforms, run_starts, wakeups
from store.connection import Connection
from store.installations import installation_id
from store.platforms import Platform
from store.tables import Json
from store.wakeups import Wakeup
from store.work_process_status import change, lock


@dataclass(frozen=True)
class Order:
    """What a client tells a platform; `name`, `values`: of EXECUTE_RESOURCE."""

    command: PlatformCommand
    name: str = ""
    values: Sequence[JsonValue] = field(default_factory=list)


@dataclass(frozen=True)
class _Agent:
    id: int
    uuid: str


async def give(
    connection: Connection, platform_id: int, order: Order, *, principal: Principal, source: str, settings: Settings
) -> tuple[int, Wakeup] | None:
    """Take a command. None: done, for no instrument needed it; else the work process that does it, and its start.

    Raises NotFound, Conflict (the platform's state, another command under way, a busy instrument).
    """
    platform = await platforms.lock(connection, platform_id)
    platforms.refuse_unfit(platform, order.command)
    target = STEPS[order.command].target
    if target is None:
        told = [_Agent(platform.id, platform.uuid)]
    else:
        told = await _concerned(connection, platform, order.command)
        if not told:
            cause = f"the command {order.command}"
            await platforms.set_state(connection, platform, target, cause=cause, source=source, principal=principal)
            return None
        if settings.instruments_busy == OnBusy.REFUSE:
            await exclusive_access.refuse_if_busy(connection, [agent.id for agent in told], field="command")
    made = await _dispatch(connection, platform, order, told, principal=principal, source=source, settings=settings)
    if target is not None:
        await platforms.note_command(connection, platform.id, made[0])
    return made


async def _concerned(connection: Connection, platform: Platform, command: PlatformCommand) -> list[_Agent]:
    rows = await connection.execute(_CHILDREN, {"of": platform.id})
    return [_Agent(row.id, row.uuid) for row in rows if needs(CHILD_COMMANDS[command], row.state)]


async def _dispatch(
    connection: Connection,
    platform: Platform,
    order: Order,
    told: Sequence[_Agent],
    *,
    principal: Principal,
    source: str,
    settings: Settings,
) -> tuple[int, Wakeup]:
    reserves = STEPS[order.command].target is not None  # a platform takes commands without being reserved
    ids, uuids, now = [agent.id for agent in told], [agent.uuid for agent in told], utc_now()
    work_process_id: int = await connection.scalar(
        _WORK_PROCESS,
        {
            "type": PLATFORM_COMMAND,
            "description": f"{order.command} of platform {platform.uuid}",
            "yard_id": platform.yard_id,
            "yard_uid": platform.yard_uid,
            "data": {
                "platformId": platform.id,
                "command": order.command,
                "name": order.name,
                "values": list(order.values),
            },
            "agent_ids": ids,
            "agent_uuids": uuids,
            "reserves": reserves,
            "created_by": principal.model_dump(mode="json"),
        },
    )
    created = WorkProcessCreated(
        mission_type=PLATFORM_COMMAND,
        yard_id=platform.yard_id,
        yard_uid=platform.yard_uid,
        agent_ids=ids,
        agent_uuids=uuids,
        priority=Priority.NORMAL.name,
    )
    await events.append_for_mission(connection, work_process_id, [event(created, source=source, actor=principal)])
    work_process = await lock(connection, work_process_id)
    installation = await installation_id(connection)
    workflow_id = f"work-process-{installation}-{work_process_id}"
    options = MissionOptions()
    await change(
        connection,
        work_process,
        WorkProcessStatus.DISPATCHED,
        principal=principal,
        source=source,
        values={
            "dispatched_at": now,
            "workflow_id": workflow_id,
            "options": options.model_dump(mode="json", by_alias=True),
            "max_retries": 0,
        },
        also=[
            task_events.created(
                work_process_id, PLATFORM_COMMAND, work_process.priority, now, source=source, actor=principal
            )
        ],
    )
    start = run_starts.of_command(
        work_process,
        platform_id=platform.id,
        platform=platform.uuid,
        command=order.command,
        name=order.name,
        values=order.values,
        installation=installation,
        settings=settings,
        options=options,
    )
    return work_process_id, await wakeups.add_command_run(connection, workflow_id, start)


@dataclass(frozen=True)
class Outcome:
    """What became of the command at one agent. `result`, `noted`: the agent's words, and Muster's."""

    assignment_id: int
    agent_id: int
    agent_uuid: str
    status: str
    data: Any
    result: Any
    noted: str


async def outcomes(connection: Connection, work_process_id: int) -> list[Outcome]:
    """What became of a command at each agent that was sent it."""
    rows = await connection.execute(_OUTCOMES, {"of": work_process_id})
    return [Outcome(*row) for row in rows]


_CHILDREN = text(
    f"""
    SELECT agents.id, agents.uuid, instruments.state
    FROM agents LEFT JOIN instruments ON instruments.agent_id = agents.id
    WHERE agents.parent_id = :of AND agents.agent_class = '{AgentClass.INSTRUMENT}' ORDER BY agents.id
    """
)
_WORK_PROCESS = text(
    """
    INSERT INTO work_processes (work_process_type_name, status, description, yard_id, yard_uid, data, agent_ids,
        agent_uuids, wait_free_agent, created_by)
    VALUES (:type, 'draft', :description, :yard_id, :yard_uid, :data, CAST(:agent_ids AS bigint[]),
        CAST(:agent_uuids AS text[]), :reserves, :created_by)
    RETURNING id
    """
).bindparams(bindparam("data", type_=Json), bindparam("created_by", type_=Json))
_OUTCOMES = text(
    """
    SELECT assignments.id, agents.id, agents.uuid, assignments.status, assignments.data, assignments.result,
        coalesce(assignments.error, '')
    FROM assignments JOIN agents ON agents.id = assignments.agent_id
    WHERE assignments.work_process_id = :of ORDER BY assignments.id
    """
)
