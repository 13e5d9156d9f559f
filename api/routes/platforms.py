"""Platforms: list, read, command."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.deps import PartsDep, PrincipalDep, next_cursor, read_cursor
from api.idempotency import CreationDep
from api.models.base import Page, PageQuery
from api.models.platforms import Platform, PlatformCommandBody, PlatformCommandTaken, PlatformName
from api.problems import responses
from missions.events import EventSource
from store import platform_commands, platform_queries
from store.platform_commands import Order
from store.platform_ids import platform_id
from store.wakeups import Wakeup

router = APIRouter(prefix="/platforms", tags=["platforms"])


@router.get("", responses=responses(422))
async def list_platforms(query: Annotated[PageQuery, Query()], parts: PartsDep, _: PrincipalDep) -> Page[Platform]:
    """Platforms in the order of their ids."""
    async with parts.database.transaction() as connection:
        rows = await platform_queries.page(connection, after=read_cursor(query.cursor) or 0, limit=query.limit + 1)
    return Page(
        items=[Platform.model_validate(row) for row in rows[: query.limit]],
        next_cursor=next_cursor(rows, query.limit, lambda row: int(row["id"])),
    )


@router.get("/{id}", responses=responses(404, 422))
async def get_platform(id: PlatformName, parts: PartsDep, _: PrincipalDep) -> Platform:
    """One platform: its state, the commands that it takes now, its instruments, the missions that it runs."""
    async with parts.database.transaction() as connection:
        return Platform.model_validate(await platform_queries.get(connection, await platform_id(connection, id)))


@router.post(
    "/{id}/commands",
    status_code=202,
    responses=responses(400, 404, 409, 413, 422)
    | {200: {"description": "done, for no instrument needed it; or taken before, with the same `Idempotency-Key`"}},
)
async def command_platform(
    id: PlatformName,
    body: PlatformCommandBody,
    response: Response,
    parts: PartsDep,
    principal: PrincipalDep,
    creation: CreationDep,
) -> PlatformCommandTaken:
    """Tell a platform what to do.

    A command that changes its state goes to those of its instruments that need it: they are reserved for it, and the
    platform is in its new state when all have done it. EXECUTE_RESOURCE goes to the platform's own agent.
    """
    started: list[Wakeup] = []
    async with parts.database.transaction() as connection:
        found = await platform_id(connection, id)
        made = await creation.made_before(connection, body)
        if made is None:
            order = Order(body.command, body.name or "", body.values)
            given = await platform_commands.give(
                connection, found, order, principal=principal, source=EventSource.API, settings=parts.settings
            )
            made = () if given is None else (given[0],)
            started = [] if given is None else [given[1]]
            await creation.remember(connection, *made)
            response.status_code = 202 if made else 200
        platform = Platform.model_validate(await platform_queries.get(connection, found))
    await parts.waker.send(started)
    return PlatformCommandTaken(work_process_id=made[0] if made else None, platform=platform)
