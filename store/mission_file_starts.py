"""Accept a mission file for a platform: all that its run needs, in one transaction."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import text

from missions import task_events
from missions.errors import Conflict, InvalidInput
from missions.event_catalogue import event
from missions.event_payloads.work_process import WorkProcessCreated
from missions.events import utc_now
from missions.mission_files.lifecycle import Lifecycle
from missions.mission_files.plan import MISSION_FILE, MissionPlan, plain_id
from missions.principals import Principal
from missions.priorities import Priority
from missions.recipes import MissionOptions
from missions.statuses import OnBusy, WorkProcessStatus
from settings import Settings
from store import events, exclusive_access, platforms, run_starts, wakeups
from store.connection import Connection
from store.installations import installation_id
from store.wakeups import Wakeup
from store.work_process_status import change, lock


@dataclass(frozen=True)
class NewRun:
    """A mission file that is to be run. `content`: the YAML; `plan`: what it says, checked for this platform."""

    platform_id: int
    plan_id: str
    content: str
    plan: MissionPlan
    on_busy: OnBusy
    priority: Priority = Priority.NORMAL
    time_scale: float = 1.0
    time_anchor: datetime | None = None
    """The mission's time at its acceptance; None: the present moment."""
    accepted_at: datetime = field(default_factory=utc_now)


async def accept(
    connection: Connection, new: NewRun, *, principal: Principal, source: str, settings: Settings
) -> tuple[int, Wakeup]:
    """Write the run and start its workflow; returns its work process's id.

    Raises NotFound, Conflict (the platform's state; the id runs already; an instrument is busy), InvalidInput.
    """
    devices = await _devices(connection, new)
    instruments = _instruments(new.plan, devices)
    if not instruments:
        raise InvalidInput(
            "the mission file names no instrument, so there is nothing to reserve",
            field="missionYaml",
            value=new.plan_id,
            remedy="list the mission's instruments under `instrumentID`",
        )
    work_process_id = await _write_work_process(connection, new, instruments, principal, source)
    work_process = await lock(connection, work_process_id)
    platform = await platforms.lock(connection, new.platform_id)
    if running := await connection.scalar(_RUNNING, {"platform": new.platform_id, "plan_id": new.plan_id}):
        raise Conflict(
            f"mission {new.plan_id!r} runs on platform {platform.uuid!r} already (work process {running})",
            field="missionId",
            value=new.plan_id,
            remedy="choose another id, or abort the one that runs",
        )
    await _write_run(connection, new, work_process_id, devices)
    await platforms.enter_mission(
        connection,
        new.platform_id,
        cause=f"mission {new.plan_id} was accepted",
        source=source,
        principal=principal,
    )
    if new.on_busy is OnBusy.REFUSE:
        await exclusive_access.refuse_if_busy(
            connection, [agent.id for agent in instruments], but=work_process_id, field="missionYaml"
        )
    installation = await installation_id(connection)
    workflow_id = f"work-process-{installation}-{work_process_id}"
    await connection.execute(
        _THREADS,
        {
            "of": work_process_id,
            "workflow": f"{workflow_id}-thread-",
            "numbers": [thread.number for thread in new.plan.threads],
        },
    )
    options = MissionOptions()
    await change(
        connection,
        work_process,
        WorkProcessStatus.DISPATCHED,
        principal=principal,
        source=source,
        values={
            "dispatched_at": new.accepted_at,
            "workflow_id": workflow_id,
            "options": options.model_dump(mode="json", by_alias=True),
            "max_retries": 0,
        },
        also=[
            task_events.created(
                work_process_id, MISSION_FILE, work_process.priority, new.accepted_at, source=source, actor=principal
            ),
            Lifecycle(platform.uuid, new.plan_id).starting(actor=principal),
        ],
    )
    start = run_starts.of_file(
        work_process,
        plan_id=new.plan_id,
        threads=len(new.plan.threads),
        time_scale=new.time_scale,
        installation=installation,
        settings=settings,
        options=options,
    )
    return work_process_id, await wakeups.add_file_run(connection, workflow_id, start)


@dataclass(frozen=True)
class _Device:
    id: int
    uuid: str
    yard_id: int | None
    yard_uid: str | None


async def _devices(connection: Connection, new: NewRun) -> dict[str, _Device]:
    """The platform and its instruments, by each name that a file may write for them."""
    found: dict[str, _Device] = {}
    for row in await connection.execute(_DEVICES, {"platform": new.platform_id}):
        device = _Device(row.id, row.uuid, row.yard_id, row.yard_uid)
        for name in (row.uuid, row.alias):
            if name is not None:
                found |= {name: device, plain_id(name): device, f"PRE:{plain_id(name)}": device}
    return found


def _instruments(plan: MissionPlan, devices: Mapping[str, _Device]) -> list[_Device]:
    """Those that the mission reserves, each once, in the file's order."""
    for name in sorted(_names(plan)):
        if name not in devices:  # it was there a moment ago, when the file was checked
            raise Conflict(
                f"{name} is no device of this platform any more",
                field="missionYaml",
                value=name,
                remedy="give the instrument its platform again, or leave it out of the file",
            )
    names = [name for thread in plan.threads for name in thread.instruments]
    return list({devices[name].id: devices[name] for name in names}.values())


def _names(plan: MissionPlan) -> set[str]:
    """Every id of a device that the plan writes."""
    names: set[str] = set()
    for thread in plan.threads:
        names.update(thread.instruments)
        names.update(command.device for command in (*thread.pre, *thread.sequence, *thread.post) if command.device)
        if thread.trigger is not None:
            names.add(thread.trigger.source)
    return names


async def _write_work_process(
    connection: Connection, new: NewRun, instruments: list[_Device], principal: Principal, source: str
) -> int:
    where = (await connection.execute(_WHERE, {"platform": new.platform_id})).one()
    ids, uuids = [agent.id for agent in instruments], [agent.uuid for agent in instruments]
    work_process_id: int = await connection.scalar(
        _WORK_PROCESS,
        {
            "type": MISSION_FILE,
            "description": new.plan.description or None,
            "yard_id": where.yard_id,
            "yard_uid": where.yard_uid,
            "agent_ids": ids,
            "agent_uuids": uuids,
            "priority": new.priority.value,
            "created_by": principal.model_dump_json(),
        },
    )
    created = WorkProcessCreated(
        mission_type=MISSION_FILE,
        yard_id=where.yard_id,
        yard_uid=where.yard_uid,
        agent_ids=ids,
        agent_uuids=uuids,
        priority=new.priority.name,
    )
    await events.append_for_mission(connection, work_process_id, [event(created, source=source, actor=principal)])
    return work_process_id


async def _write_run(connection: Connection, new: NewRun, work_process_id: int, devices: Mapping[str, _Device]) -> None:
    await connection.execute(
        _RUN,
        {
            "of": work_process_id,
            "platform": new.platform_id,
            "plan_id": new.plan_id,
            "content": new.content,
            "plan": new.plan.model_dump_json(),
            "devices": json.dumps({name: devices[name].id for name in _names(new.plan)}),
            "anchored_at": new.accepted_at,
            "anchor": new.time_anchor or new.accepted_at,
            "time_scale": new.time_scale,
            "threads": len(new.plan.threads),
        },
    )


_DEVICES = text(
    """
    SELECT agents.id, agents.uuid, agents.alias, agents.yard_id, yards.uid AS yard_uid
    FROM agents LEFT JOIN yards ON yards.id = agents.yard_id
    WHERE agents.id = :platform OR agents.parent_id = :platform AND agents.agent_class = 'instrument'
    ORDER BY agents.id FOR KEY SHARE OF agents
    """
)
_WHERE: Any = text(
    """
    SELECT agents.yard_id, yards.uid AS yard_uid FROM agents LEFT JOIN yards ON yards.id = agents.yard_id
    WHERE agents.id = :platform
    """
)
_RUNNING = text(
    "SELECT work_process_id FROM mission_files WHERE platform_id = :platform AND plan_id = :plan_id AND running"
)
_WORK_PROCESS = text(
    """
    INSERT INTO work_processes (work_process_type_name, status, description, yard_id, yard_uid, agent_ids, agent_uuids,
        priority, created_by)
    VALUES (:type, 'draft', :description, :yard_id, :yard_uid, CAST(:agent_ids AS bigint[]),
        CAST(:agent_uuids AS text[]), :priority, CAST(:created_by AS jsonb))
    RETURNING id
    """
)
_RUN = text(
    """
    INSERT INTO mission_files (work_process_id, platform_id, plan_id, content, plan, devices, anchored_at, anchor,
        time_scale, thread_count)
    VALUES (:of, :platform, :plan_id, :content, CAST(:plan AS jsonb), CAST(:devices AS jsonb), :anchored_at, :anchor,
        :time_scale, :threads)
    """
)
_THREADS = text(
    """
    INSERT INTO mission_threads (work_process_id, number, workflow_id)
    SELECT :of, number, :workflow || number FROM unnest(CAST(:numbers AS integer[])) AS number
    """
)
