"""What clients do to missions that run: cancel, halt, pause, resume; and cancel one assignment."""

import contextlib
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Response

from api.deps import Parts, PartsDep, PrincipalDep, etag
from api.models.base import PathId
from api.models.work_processes import Assignment, CancelBody, PauseBody, WorkProcess
from api.problems import responses
from api.routes.work_processes import read_mission
from missions.errors import PartUnavailable
from missions.events import EventSource
from missions.statuses import PauseMode
from store import cancels, instant_actions, pauses, work_process_queries
from store.connection import Connection
from store.notifications import notify
from store.wakeups import Wakeup

router = APIRouter(tags=["work processes"])

Wish = Callable[[Connection], Awaitable[list[Wakeup]]]
"""Writes what a client wishes; returns whom to wake after the commit."""


async def _wish(parts: Parts, response: Response, work_process_id: int, wish: Wish) -> WorkProcess:
    async with parts.database.transaction() as connection:
        wakeups = await wish(connection)
        shown = await read_mission(connection, parts, work_process_id)
    await parts.waker.send(wakeups)
    response.headers.update(etag(shown.version))
    return shown


@router.post("/work-processes/{id}/cancel", responses=responses(400, 404, 409, 413, 422))
async def cancel_work_process(
    id: PathId, response: Response, parts: PartsDep, principal: PrincipalDep, body: CancelBody | None = None
) -> WorkProcess:
    """Cancel a mission, saying why; fine too if it is canceling or canceled already, 409 if it ended otherwise."""
    reason = body.reason if body else ""
    return await _wish(
        parts,
        response,
        id,
        lambda connection: cancels.request_cancel(
            connection, id, principal=principal, reason=reason, source=EventSource.API
        ),
    )


@router.post("/work-processes/{id}/halt", responses=responses(400, 404, 409, 413, 422))
async def halt_work_process(
    id: PathId, response: Response, parts: PartsDep, principal: PrincipalDep, body: CancelBody | None = None
) -> WorkProcess:
    """Cancel a mission without awaiting its agents' confirmations; also one that is canceling already.

    Its agents are told to stop and are released at once. Those that were at work are quarantined until they report
    `free` or somebody clears them, and the mission lists them in `attention`.
    """
    reason = body.reason if body else ""
    return await _wish(
        parts,
        response,
        id,
        lambda connection: cancels.request_cancel(
            connection, id, principal=principal, reason=reason, source=EventSource.API, halt=True
        ),
    )


@router.post("/work-processes/{id}/pause", responses=responses(400, 404, 409, 413, 422))
async def pause_work_process(
    id: PathId, response: Response, parts: PartsDep, principal: PrincipalDep, body: PauseBody | None = None
) -> WorkProcess:
    """Pause a mission: it starts no further step and sends no further group.

    `deferred`: agents finish what they have; `pause` is `requested` until the mission has come to its next group or
    step. `immediate`: agents at work are told `pause operation` as well, until then it is `requested`. Then `paused`.
    """
    mode = body.mode if body else PauseMode.DEFERRED
    return await _wish(
        parts,
        response,
        id,
        lambda connection: pauses.request(connection, id, mode, principal=principal, source=EventSource.API),
    )


@router.post("/work-processes/{id}/resume", responses=responses(404, 409))
async def resume_work_process(id: PathId, response: Response, parts: PartsDep, principal: PrincipalDep) -> WorkProcess:
    """Let a paused mission go on; agents that were told to pause are told `resume operation`."""
    shown = await _wish(
        parts,
        response,
        id,
        lambda connection: pauses.resume(connection, id, principal=principal, source=EventSource.API),
    )
    with contextlib.suppress(PartUnavailable):  # what agents are told is stored, and will be found
        await notify(parts.database, instant_actions.CHANNEL)
    return shown


@router.post("/assignments/{id}/cancel", responses=responses(404, 409))
async def cancel_assignment(id: PathId, parts: PartsDep, principal: PrincipalDep) -> Assignment:
    """Cancel one assignment; rather cancel its mission, which this may leave half done.

    It is `canceling` until its agent confirms, or `canceled` at once if it was never sent. Then the failure policy
    applies as to an assignment that failed. Fine if it is so already; 409 if it, or its mission, ended otherwise.
    """
    async with parts.database.transaction() as connection:
        wakeups = await cancels.cancel_assignment(connection, id, principal=principal, source=EventSource.API)
        row = await work_process_queries.assignment(connection, id)
    await parts.waker.send(wakeups)
    return Assignment.model_validate(row)
