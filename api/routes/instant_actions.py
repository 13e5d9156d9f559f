"""Commands to agents outside of assignments: send, follow."""

import contextlib
from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.deps import PartsDep, PrincipalDep, next_cursor, read_cursor
from api.idempotency import MADE_BEFORE, CreationDep
from api.models.base import Page, PageQuery, PathId
from api.models.instant_actions import InstantAction, InstantActionCreate
from api.problems import responses
from missions.errors import PartUnavailable
from missions.events import EventSource
from store import instant_actions
from store.notifications import notify

router = APIRouter(prefix="/agents/{id}/instant-actions", tags=["agents"])


@router.post("", status_code=201, responses=MADE_BEFORE | responses(400, 404, 409, 413, 422))
async def send_instant_action(
    id: PathId,
    body: InstantActionCreate,
    response: Response,
    parts: PartsDep,
    principal: PrincipalDep,
    creation: CreationDep,
) -> InstantAction:
    """Send an agent a command, whatever it does at the moment; but no instrument that a mission holds.

    The answer comes after the commit, with the status `to_send`; a worker sends it right after that. Read it again to
    see whether the agent was listening.
    """
    async with parts.database.transaction() as connection:
        made = await creation.made_before(connection, body)
        if made is not None:
            row = await instant_actions.get(connection, id, made[0])
        else:
            row = await instant_actions.add(
                connection,
                id,
                instant_actions.command_text(body.command),
                sender=body.sender,
                principal=principal,
                source=EventSource.API,
                channel=body.channel,
            )
            await creation.remember(connection, row["id"])
    with contextlib.suppress(PartUnavailable):  # it is stored, and will be found
        await notify(parts.database, instant_actions.CHANNEL)
    response.headers["Location"] = f"/api/v1/agents/{id}/instant-actions/{row['id']}"
    return InstantAction.model_validate(row)


@router.get("", responses=responses(404, 422))
async def list_instant_actions(
    id: PathId, query: Annotated[PageQuery, Query()], parts: PartsDep, _: PrincipalDep
) -> Page[InstantAction]:
    """An agent's instant actions, newest first."""
    async with parts.database.transaction() as connection:
        rows = await instant_actions.page(connection, id, before=read_cursor(query.cursor), limit=query.limit + 1)
    return Page(
        items=[InstantAction.model_validate(row) for row in rows[: query.limit]],
        next_cursor=next_cursor(rows, query.limit, lambda row: int(row["id"])),
    )


@router.get("/{action_id}", responses=responses(404, 422))
async def get_instant_action(id: PathId, action_id: PathId, parts: PartsDep, _: PrincipalDep) -> InstantAction:
    """One instant action, and what became of it."""
    async with parts.database.transaction() as connection:
        return InstantAction.model_validate(await instant_actions.get(connection, id, action_id))
