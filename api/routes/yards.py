"""Yards: create, read, change, delete."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.deps import Parts, PartsDep, PrincipalDep, next_cursor, read_cursor
from api.idempotency import MADE_BEFORE, CreationDep
from api.models.base import Page, PathId
from api.models.yards import FullYard, Yard, YardCreate, YardPatch, YardQuery
from api.problems import responses
from missions.events import EventSource
from store import map_objects, yards

router = APIRouter(prefix="/yards", tags=["yards"])


@router.post("", status_code=201, responses=MADE_BEFORE | responses(400, 409, 413, 422))
async def create_yard(
    body: YardCreate, response: Response, parts: PartsDep, principal: PrincipalDep, creation: CreationDep
) -> FullYard:
    """Create a yard with its map."""
    async with parts.database.transaction() as connection:
        made = await creation.made_before(connection, body)
        if made is not None:
            (yard_id,) = made
        else:
            yard_id = await yards.create(connection, body.columns(), principal=principal, source=EventSource.API)
            await map_objects.add(connection, yard_id, body.objects() or [])
            await creation.remember(connection, yard_id)
    response.headers["Location"] = f"/api/v1/yards/{yard_id}"
    return await _read(parts, yard_id)


@router.get("", responses=responses(422))
async def list_yards(query: Annotated[YardQuery, Query()], parts: PartsDep, _: PrincipalDep) -> Page[Yard]:
    """Yards in the order of their ids, without their maps."""
    async with parts.database.transaction() as connection:
        rows = await yards.page(connection, after=read_cursor(query.cursor) or 0, limit=query.limit + 1, uid=query.uid)
    return Page(
        items=[Yard.model_validate(row) for row in rows[: query.limit]],
        next_cursor=next_cursor(rows, query.limit, lambda row: int(row["id"])),
    )


@router.get("/{id}", responses=responses(404, 422))
async def get_yard(id: PathId, parts: PartsDep, _: PrincipalDep) -> FullYard:
    """One yard with its map."""
    return await _read(parts, id)


@router.patch("/{id}", responses=responses(400, 404, 413, 422))
async def patch_yard(id: PathId, body: YardPatch, parts: PartsDep, principal: PrincipalDep) -> FullYard:
    """Change a yard; `mapObjects` replaces all of its map objects."""
    objects = body.objects()
    async with parts.database.transaction() as connection:
        await yards.patch(connection, id, body.columns(), principal=principal, source=EventSource.API)
        if objects is not None:
            await map_objects.replace(connection, id, objects)
    return await _read(parts, id)


@router.delete("/{id}", status_code=204, responses=responses(404, 409, 422))
async def delete_yard(id: PathId, parts: PartsDep, principal: PrincipalDep) -> None:
    """Delete a yard that no agent and no open mission is in; missions of the past keep it."""
    async with parts.database.transaction() as connection:
        await yards.remove(connection, id, principal=principal, source=EventSource.API)


async def _read(parts: Parts, yard_id: int) -> FullYard:
    async with parts.database.transaction() as connection:
        row, objects = await yards.get(connection, yard_id)
    return FullYard.model_validate(row | {"map_objects": objects})
