"""Missions: create, read, change. What is done to those that run: api/routes/mission_control.py."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.deps import (
    IfMatch,
    Parts,
    PartsDep,
    PrincipalDep,
    etag,
    next_cursor,
    read_cursor,
    require_match,
)
from api.idempotency import MADE_BEFORE, CreationDep
from api.links import temporal_links
from api.models.base import Page, PathId
from api.models.work_processes import (
    WorkProcess,
    WorkProcessCreate,
    WorkProcessPatch,
    WorkProcessQuery,
)
from api.problems import responses
from missions.errors import InvalidInput
from missions.events import EventSource
from missions.principals import Principal
from missions.statuses import WorkProcessStatus
from store import cancels, drafts, work_process_queries, work_processes
from store.connection import Connection
from store.slot_reasons import may_wait_for_slot, slot_reasons
from store.waiting_reasons import waiting_reasons
from store.wakeups import Wakeup
from store.work_process_queries import MissionFilter

router = APIRouter(prefix="/work-processes", tags=["work processes"])


@router.post("", status_code=201, responses=MADE_BEFORE | responses(400, 409, 413, 422))
async def create_work_process(
    body: WorkProcessCreate,
    response: Response,
    parts: PartsDep,
    principal: PrincipalDep,
    creation: CreationDep,
) -> WorkProcess:
    """Create a mission as a draft, or dispatch it at once.

    The answer comes after the commit: the mission runs then, also if the engine is down at this moment. With an
    `Idempotency-Key` that was used before the mission it made is answered, with status 200.
    """
    wakeups: list[Wakeup] = []
    async with parts.database.transaction() as connection:
        made = await creation.made_before(connection, body)
        if made is not None:
            (work_process_id,) = made
        else:
            work_process_id = await drafts.create(connection, body, principal=principal, source=EventSource.API)
            await creation.remember(connection, work_process_id)
            if body.status is WorkProcessStatus.DISPATCHED:
                wakeups = await _dispatch(connection, parts, work_process_id, principal)
        created = await read_mission(connection, parts, work_process_id)
    await parts.waker.send(wakeups)
    response.headers["Location"] = f"/api/v1/work-processes/{work_process_id}"
    response.headers.update(etag(created.version))
    return created


@router.get("", responses=responses(422))
async def list_work_processes(
    query: Annotated[WorkProcessQuery, Query()], parts: PartsDep, _: PrincipalDep
) -> Page[WorkProcess]:
    """Missions, newest first."""
    wanted = MissionFilter(
        statuses=query.status,
        type_name=query.type,
        yard_id=query.yard_id,
        agent_id=query.agent_id,
        mission_queue_id=query.mission_queue_id,
        created_after=query.created_after,
    )
    async with parts.database.transaction() as connection:
        rows = await work_process_queries.page(
            connection, wanted, before=read_cursor(query.cursor), limit=query.limit + 1
        )
        shown = rows[: query.limit]
        ids = [row["id"] for row in shown]
        in_line = [row["id"] for row in shown if may_wait_for_slot(row)]
        waiting = await waiting_reasons(connection, ids) | await slot_reasons(connection, in_line)
    return Page(
        items=[
            WorkProcess.of(row, waiting.get(row["id"], []), temporal_links(parts, row["workflow_id"])) for row in shown
        ],
        next_cursor=next_cursor(rows, query.limit, lambda row: int(row["id"])),
    )


@router.get("/{id}", responses=responses(404, 422))
async def get_work_process(id: PathId, response: Response, parts: PartsDep, _: PrincipalDep) -> WorkProcess:
    """One mission, with why it waits."""
    async with parts.database.transaction() as connection:
        found = await read_mission(connection, parts, id)
    response.headers.update(etag(found.version))
    return found


@router.patch("/{id}", responses=responses(400, 404, 409, 412, 413, 422))
async def patch_work_process(
    id: PathId,
    body: WorkProcessPatch,
    response: Response,
    parts: PartsDep,
    principal: PrincipalDep,
    if_match: IfMatch = None,
) -> WorkProcess:
    """Edit a draft, dispatch it (both at once is one step), or cancel a mission with the status `canceling`."""
    fields = body.model_fields_set - {"status"}
    if body.status is WorkProcessStatus.CANCELING and fields:
        raise InvalidInput(
            "a mission cannot be edited and cancelled at once",
            field="status",
            value=body.status.value,
            remedy="send `canceling` alone",
        )
    wakeups: list[Wakeup] = []
    async with parts.database.transaction() as connection:
        require_match(if_match, await drafts.lock_version(connection, id))
        if fields:
            await drafts.edit(connection, id, body, principal=principal, source=EventSource.API)
        if body.status is WorkProcessStatus.DISPATCHED:
            wakeups = await _dispatch(connection, parts, id, principal)
        elif body.status is WorkProcessStatus.CANCELING:
            wakeups = await cancels.request_cancel(
                connection, id, principal=principal, reason="", source=EventSource.API
            )
        changed = await read_mission(connection, parts, id)
    await parts.waker.send(wakeups)
    response.headers.update(etag(changed.version))
    return changed


async def _dispatch(connection: Connection, parts: Parts, work_process_id: int, principal: Principal) -> list[Wakeup]:
    wakeup = await work_processes.dispatch(
        connection,
        work_process_id,
        principal=principal,
        source=EventSource.API,
        settings=parts.settings,
        resolve_preset=parts.resolve_preset,
    )
    return [wakeup]


async def read_mission(connection: Connection, parts: Parts, work_process_id: int) -> WorkProcess:
    """A mission as it is shown, with why it waits; raises NotFound."""
    row = await work_process_queries.get(connection, work_process_id)
    scheduled = row["status"] == WorkProcessStatus.DISPATCHED and row["sched_start_at"] is not None
    # While it executes, an agent may not listen for its assignment.
    waits = scheduled or row["status"] in (WorkProcessStatus.PREPARING_RESOURCES, WorkProcessStatus.EXECUTING)
    waiting = await waiting_reasons(connection, [work_process_id]) if waits else {}
    if may_wait_for_slot(row):
        waiting |= await slot_reasons(connection, [work_process_id])
    return WorkProcess.of(row, waiting.get(work_process_id, []), temporal_links(parts, row["workflow_id"]))
