"""What a mission consists of: its assignments, service requests and events."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.deps import PartsDep, PrincipalDep, next_cursor, read_cursor
from api.models.base import Page, PageQuery, PathId
from api.models.event_types import MissionEventPage
from api.models.events import EventsOfMission
from api.models.work_processes import Assignment, FullServiceRequest, ServiceRequest
from api.problems import responses
from store import event_history, events, work_process_queries

router = APIRouter(prefix="/work-processes/{id}", tags=["work processes"])


@router.get("/assignments", responses=responses(404, 422))
async def list_assignments(
    id: PathId, query: Annotated[PageQuery, Query()], parts: PartsDep, _: PrincipalDep
) -> Page[Assignment]:
    """A mission's assignments, in the order in which they were made."""
    async with parts.database.transaction() as connection:
        await work_process_queries.require(connection, id)
        rows = await work_process_queries.assignments_page(
            connection, id, after=read_cursor(query.cursor) or 0, limit=query.limit + 1
        )
    return Page(
        items=[Assignment.model_validate(row) for row in rows[: query.limit]],
        next_cursor=next_cursor(rows, query.limit, lambda row: int(row["id"])),
    )


@router.get(
    "/service-requests",
    responses=responses(404, 422),
    response_model=Page[FullServiceRequest | ServiceRequest],
)
async def list_service_requests(
    id: PathId,
    parts: PartsDep,
    _: PrincipalDep,
    full: Annotated[bool, Query(description="with request and response: these may be many megabytes")] = False,
) -> Page[FullServiceRequest] | Page[ServiceRequest]:
    """A mission's service requests, one for each step and attempt."""
    async with parts.database.transaction() as connection:
        await work_process_queries.require(connection, id)
        rows = await work_process_queries.service_requests_of(connection, id, full=full)
    if full:
        return Page[FullServiceRequest](items=[FullServiceRequest.model_validate(row) for row in rows])
    return Page[ServiceRequest](items=[ServiceRequest.model_validate(row) for row in rows])


@router.get("/service-requests/{request_id}", responses=responses(404, 422))
async def get_service_request(id: PathId, request_id: PathId, parts: PartsDep, _: PrincipalDep) -> FullServiceRequest:
    """One service request with what was sent and answered."""
    async with parts.database.transaction() as connection:
        row = await work_process_queries.service_request(connection, id, request_id)
    return FullServiceRequest.model_validate(row)


@router.get("/events", responses=responses(404, 410, 422) | {200: {"model": MissionEventPage}})
async def list_mission_events(
    id: PathId,
    parts: PartsDep,
    _: PrincipalDep,
    after: Annotated[
        int | None, Query(ge=0, le=2**31 - 1, description="`mission_sequence` of the last one you have")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> EventsOfMission:
    """A mission's events in order; the envelope has the field names of spec 4. `nextCursor` is the next `after`.

    410: the event that follows `after` is archived; without `after` the page begins with what is kept, and
    `archivedUntil` says so.
    """
    async with parts.database.transaction() as connection:
        await work_process_queries.require(connection, id)
        found = await events.of_mission(connection, id, after=after or 0, limit=limit + 1)
        archived = await event_history.archived_of_mission(connection, id, after, found)
    return EventsOfMission(
        items=found[:limit],
        next_cursor=next_cursor(found, limit, lambda event: event.mission_sequence or 0),
        archived_until=archived,
    )
