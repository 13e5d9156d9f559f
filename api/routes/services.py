"""Services: register, read, change, delete, import."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.deps import IfMatch, Parts, PartsDep, PrincipalDep, etag, next_cursor, read_cursor, require_match
from api.idempotency import MADE_BEFORE, CreationDep
from api.imports import YAML_BODY, Existing, Imported, import_text
from api.models.base import Page, PathId
from api.models.services import Service, ServiceCreate, ServicePatch, ServiceQuery
from api.problems import responses
from missions.errors import InvalidInput
from missions.events import EventSource
from store import services

router = APIRouter(prefix="/services", tags=["services"])


@router.post("", status_code=201, responses=MADE_BEFORE | responses(400, 409, 413, 422))
async def create_service(
    body: ServiceCreate, response: Response, parts: PartsDep, principal: PrincipalDep, creation: CreationDep
) -> Service:
    """Register a service that recipes may call."""
    async with parts.database.transaction() as connection:
        made = await creation.made_before(connection, body)
        if made is not None:
            (service_id,) = made
        else:
            service_id = await services.create(connection, body.columns(), principal=principal, source=EventSource.API)
            await creation.remember(connection, service_id)
    response.headers["Location"] = f"/api/v1/services/{service_id}"
    return await _read(parts, service_id, response)


@router.post("/import", openapi_extra=YAML_BODY, responses=responses(413, 422))
async def import_services(
    request: Request, parts: PartsDep, principal: PrincipalDep, existing: Existing = Existing.KEEP
) -> Imported:
    """Take services from a YAML file: all of them, or none and everything that is wrong with its place."""
    return await import_text(
        parts.database,
        await request.body(),
        parts.activity_types,
        kinds=("services",),
        existing=existing,
        principal=principal,
    )


@router.get("", responses=responses(422))
async def list_services(query: Annotated[ServiceQuery, Query()], parts: PartsDep, _: PrincipalDep) -> Page[Service]:
    """Services in the order of their ids."""
    async with parts.database.transaction() as connection:
        rows = await services.page(
            connection,
            after=read_cursor(query.cursor) or 0,
            limit=query.limit + 1,
            name=query.name,
            service_type=query.type,
        )
    return Page(
        items=[Service.of(row) for row in rows[: query.limit]],
        next_cursor=next_cursor(rows, query.limit, lambda row: int(row["id"])),
    )


@router.get("/{id}", responses=responses(404, 422))
async def get_service(id: PathId, response: Response, parts: PartsDep, _: PrincipalDep) -> Service:
    """One service."""
    return await _read(parts, id, response)


@router.patch("/{id}", responses=responses(400, 404, 409, 412, 413, 422))
async def patch_service(
    id: PathId,
    body: ServicePatch,
    response: Response,
    parts: PartsDep,
    principal: PrincipalDep,
    if_match: IfMatch = None,
) -> Service:
    """Change a service; requests on their way keep what they were given."""
    async with parts.database.transaction() as connection:
        require_match(if_match, await services.lock_version(connection, id))
        await services.patch(connection, id, body.columns(), principal=principal, source=EventSource.API)
        row = await services.get(connection, id)
        if not row["service_url"] and not row["is_dummy"]:
            raise InvalidInput(
                "a service that is called needs an address", field="url", value="", remedy="send `url` too"
            )
    return await _read(parts, id, response)


@router.delete("/{id}", status_code=204, responses=responses(404, 422))
async def delete_service(id: PathId, parts: PartsDep, principal: PrincipalDep) -> None:
    """Delete a service; missions that were dispatched keep what they were given."""
    async with parts.database.transaction() as connection:
        await services.remove(connection, id, principal=principal, source=EventSource.API)


async def _read(parts: Parts, service_id: int, response: Response) -> Service:
    async with parts.database.transaction() as connection:
        service = Service.of(await services.get(connection, service_id))
    response.headers.update(etag(service.version))
    return service
