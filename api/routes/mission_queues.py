"""Mission queues: create, read, change, delete; run, pause, stop, cancel."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from api.deps import IfMatch, Parts, PartsDep, PrincipalDep, etag, next_cursor, read_cursor, require_match
from api.idempotency import MADE_BEFORE, CreationDep
from api.links import temporal_links
from api.models.base import Page, PathId
from api.models.mission_queues import (
    CANCEL,
    FullMissionQueue,
    MissionQueue,
    MissionQueueCreate,
    MissionQueuePatch,
    MissionQueueQuery,
)
from api.models.work_processes import CancelBody
from api.problems import responses
from missions.events import EventSource
from missions.principals import Principal
from missions.statuses import QueueStatus
from store import mission_queues
from store.connection import Connection
from store.mission_queue_status import LockedQueue
from store.rows import Row
from store.wakeups import Wakeup

router = APIRouter(prefix="/mission-queues", tags=["mission queues"])


@router.post("", status_code=201, responses=MADE_BEFORE | responses(400, 413, 422))
async def create_mission_queue(
    body: MissionQueueCreate, response: Response, parts: PartsDep, principal: PrincipalDep, creation: CreationDep
) -> FullMissionQueue:
    """Create a queue. Put missions into it by their `missionQueueId`, then run it."""
    wakeups: list[Wakeup] = []
    async with parts.database.transaction() as connection:
        made = await creation.made_before(connection, body)
        if made is not None:
            row = await mission_queues.get(connection, made[0])
        else:
            queue = await mission_queues.create(connection, body.columns(), principal=principal, source=EventSource.API)
            await creation.remember(connection, queue.id)
            if body.status == QueueStatus.RUN:
                wakeups = await _wish(connection, parts, queue, body.status, principal)
            row = queue.row
        shown = await _shown(connection, parts, row)
    await parts.waker.send(wakeups)
    response.headers["Location"] = f"/api/v1/mission-queues/{shown.id}"
    response.headers.update(etag(shown.version))
    return shown


@router.get("", responses=responses(422))
async def list_mission_queues(
    query: Annotated[MissionQueueQuery, Query()], parts: PartsDep, _: PrincipalDep
) -> Page[MissionQueue]:
    """Queues, newest first, without their missions."""
    async with parts.database.transaction() as connection:
        rows = await mission_queues.page(
            connection, before=read_cursor(query.cursor), limit=query.limit + 1, statuses=query.status
        )
    return Page(
        items=[MissionQueue.of(row, temporal_links(parts, row["workflow_id"])) for row in rows[: query.limit]],
        next_cursor=next_cursor(rows, query.limit, lambda row: int(row["id"])),
    )


@router.get("/{id}", responses=responses(404, 422))
async def get_mission_queue(id: PathId, response: Response, parts: PartsDep, _: PrincipalDep) -> FullMissionQueue:
    """One queue with its missions; all of them: the list of work processes with `missionQueueId`."""
    async with parts.database.transaction() as connection:
        shown = await _shown(connection, parts, await mission_queues.get(connection, id))
    response.headers.update(etag(shown.version))
    return shown


@router.patch("/{id}", responses=responses(400, 404, 409, 412, 413, 422))
async def patch_mission_queue(
    id: PathId,
    body: MissionQueuePatch,
    response: Response,
    parts: PartsDep,
    principal: PrincipalDep,
    if_match: IfMatch = None,
) -> FullMissionQueue:
    """Change a queue, and/or say by its `status` what it shall do: `run`, `paused`, `stopped` or `cancel`."""
    wakeups: list[Wakeup] = []
    async with parts.database.transaction() as connection:
        queue = await mission_queues.locked(connection, id)
        require_match(if_match, queue.version)
        if body.columns():
            wakeups += await mission_queues.edit(
                connection, queue, body.columns(), principal=principal, source=EventSource.API
            )
        if body.status is not None:
            wakeups += await _wish(connection, parts, queue, body.status, principal)
        shown = await _shown(connection, parts, queue.row)
    await parts.waker.send(wakeups)
    response.headers.update(etag(shown.version))
    return shown


@router.delete("/{id}", status_code=204, responses=responses(404, 409, 422))
async def delete_mission_queue(id: PathId, parts: PartsDep, principal: PrincipalDep) -> None:
    """Delete a queue that is stopped or canceled and of which no mission runs; its missions stay, in no queue."""
    async with parts.database.transaction() as connection:
        await mission_queues.remove(connection, id, principal=principal, source=EventSource.API)


@router.post("/{id}/run", responses=responses(404, 409))
async def run_mission_queue(
    id: PathId, response: Response, parts: PartsDep, principal: PrincipalDep
) -> FullMissionQueue:
    """Dispatch the queue's drafts one after the other; also after a pause, a stop or a cancel, with those left."""
    return await _do(id, QueueStatus.RUN, response, parts, principal)


@router.post("/{id}/pause", responses=responses(404, 409))
async def pause_mission_queue(
    id: PathId, response: Response, parts: PartsDep, principal: PrincipalDep
) -> FullMissionQueue:
    """Start no further mission until it is run again; the one in hand goes on."""
    return await _do(id, QueueStatus.PAUSED, response, parts, principal)


@router.post("/{id}/stop", responses=responses(404, 409))
async def stop_mission_queue(
    id: PathId, response: Response, parts: PartsDep, principal: PrincipalDep
) -> FullMissionQueue:
    """Start no further mission and end the queue's run; the one in hand goes on."""
    return await _do(id, QueueStatus.STOPPED, response, parts, principal)


@router.post("/{id}/cancel", responses=responses(400, 404, 409, 413, 422))
async def cancel_mission_queue(
    id: PathId, response: Response, parts: PartsDep, principal: PrincipalDep, body: CancelBody | None = None
) -> FullMissionQueue:
    """Cancel the mission in hand; `canceled` once that has ended. Missions that have not begun stay drafts."""
    return await _do(id, CANCEL, response, parts, principal, body.reason if body else "")


async def _do(
    queue_id: int, wish: str, response: Response, parts: Parts, principal: Principal, reason: str = ""
) -> FullMissionQueue:
    async with parts.database.transaction() as connection:
        queue = await mission_queues.locked(connection, queue_id)
        wakeups = await _wish(connection, parts, queue, wish, principal, reason)
        shown = await _shown(connection, parts, queue.row)
    await parts.waker.send(wakeups)
    response.headers.update(etag(shown.version))
    return shown


async def _wish(
    connection: Connection, parts: Parts, queue: LockedQueue, wish: str, principal: Principal, reason: str = ""
) -> list[Wakeup]:
    by: dict[str, Any] = {"principal": principal, "source": EventSource.API}
    if wish == QueueStatus.RUN:
        return await mission_queues.run(connection, queue, settings=parts.settings, **by)
    if wish == QueueStatus.PAUSED:
        return await mission_queues.pause(connection, queue, **by)
    if wish == QueueStatus.STOPPED:
        return await mission_queues.stop(connection, queue, **by)
    return await mission_queues.cancel(connection, queue, reason=reason, settings=parts.settings, **by)


async def _shown(connection: Connection, parts: Parts, row: Row) -> FullMissionQueue:
    missions = await mission_queues.missions_of(connection, row["id"])
    return FullMissionQueue.with_missions(row, missions, temporal_links(parts, row["workflow_id"]))
