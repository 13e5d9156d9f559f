"""Map objects of a yard: list, create, read, change, delete."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query

from api.deps import PartsDep, PrincipalDep, next_cursor, read_cursor
from api.idempotency import MADE_BEFORE, CreationDep
from api.models.base import Page, PathId
from api.models.yards import MapObject, MapObjectFields, MapObjectQuery, MapObjectsCreate
from api.problems import responses
from missions.events import EventSource
from missions.requests import MAX_ID
from store import map_objects

router = APIRouter(prefix="/yards/{id}/map-objects", tags=["yards"])

ObjectId = Annotated[int, Path(alias="objectId", ge=1, le=MAX_ID, description="id of the map object", examples=[1])]


@router.get("", responses=responses(404, 422))
async def list_map_objects(
    id: PathId, query: Annotated[MapObjectQuery, Query()], parts: PartsDep, _: PrincipalDep
) -> Page[MapObject]:
    """Map objects of a yard in the order of their ids."""
    async with parts.database.transaction() as connection:
        rows = await map_objects.page(
            connection, id, after=read_cursor(query.cursor) or 0, limit=query.limit + 1, object_type=query.type
        )
    return Page(
        items=[MapObject.model_validate(row) for row in rows[: query.limit]],
        next_cursor=next_cursor(rows, query.limit, lambda row: int(row["id"])),
    )


@router.post("", status_code=201, responses=MADE_BEFORE | responses(400, 404, 413, 422))
async def create_map_objects(
    id: PathId, body: MapObjectsCreate, parts: PartsDep, principal: PrincipalDep, creation: CreationDep
) -> Page[MapObject]:
    """Add map objects to those that the yard has; all of them or none."""
    async with parts.database.transaction() as connection:
        made: Sequence[int] | None = await creation.made_before(connection, body)
        if made is None:
            made = await map_objects.create(
                connection,
                id,
                [item.model_dump() for item in body.map_objects],
                principal=principal,
                source=EventSource.API,
            )
            await creation.remember(connection, *made)
        rows = await map_objects.of_ids(connection, made)
    return Page(items=[MapObject.model_validate(row) for row in rows])


@router.get("/{objectId}", responses=responses(404, 422))
async def get_map_object(id: PathId, object_id: ObjectId, parts: PartsDep, _: PrincipalDep) -> MapObject:
    """One map object."""
    async with parts.database.transaction() as connection:
        return MapObject.model_validate(await map_objects.get(connection, id, object_id))


@router.patch("/{objectId}", responses=responses(400, 404, 413, 422))
async def patch_map_object(
    id: PathId, object_id: ObjectId, body: MapObjectFields, parts: PartsDep, principal: PrincipalDep
) -> MapObject:
    """Change a map object; only fields that were sent count."""
    values = body.model_dump(exclude_unset=True)
    async with parts.database.transaction() as connection:
        row = await map_objects.patch(connection, id, object_id, values, principal=principal, source=EventSource.API)
    return MapObject.model_validate(row)


@router.delete("/{objectId}", status_code=204, responses=responses(404, 422))
async def delete_map_object(id: PathId, object_id: ObjectId, parts: PartsDep, principal: PrincipalDep) -> None:
    """Take a map object off the map."""
    async with parts.database.transaction() as connection:
        await map_objects.remove(connection, id, object_id, principal=principal, source=EventSource.API)
