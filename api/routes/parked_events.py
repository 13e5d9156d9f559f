"""Events that an outlet could not deliver: look, replay, give up."""

import contextlib
from typing import Annotated

from fastapi import APIRouter, Query

from api.deps import PartsDep, PrincipalDep, next_cursor, read_cursor
from api.models.base import Page, PathId
from api.models.parked_events import ParkedEvent, ParkedEventsQuery
from api.problems import responses
from missions.errors import PartUnavailable
from store import parked_events
from store.notifications import notify
from store.positions import POSITIONED

router = APIRouter(prefix="/events/parked", tags=["events"])


@router.get("", responses=responses(422))
async def list_parked_events(
    query: Annotated[ParkedEventsQuery, Query()], parts: PartsDep, _: PrincipalDep
) -> Page[ParkedEvent]:
    """Parked events, newest first, also those replayed since."""
    async with parts.database.statement() as connection:
        rows = await parked_events.page(
            connection, outlet=query.outlet, before=read_cursor(query.cursor), limit=query.limit + 1
        )
    return Page(
        items=[ParkedEvent.of(row) for row in rows[: query.limit]],
        next_cursor=next_cursor(rows, query.limit, lambda row: int(row["id"])),
    )


@router.post("/{id}/replay", status_code=202, responses=responses(404, 409, 422))
async def replay_parked_event(id: PathId, parts: PartsDep, principal: PrincipalDep) -> ParkedEvent:
    """Have its outlet try it again, soon; asked twice it is tried once.

    Read the list to see what became of it: `replayed`, or `parked` with the new error. 409 if it was delivered.
    """
    async with parts.database.transaction() as connection:
        row = await parked_events.request_replay(connection, id, principal)
    with contextlib.suppress(PartUnavailable):  # it is stored, and will be found
        await notify(parts.database, POSITIONED)
    return ParkedEvent.of(row)


@router.delete("/{id}", status_code=204, responses=responses(404, 422))
async def give_up_parked_event(id: PathId, parts: PartsDep, _: PrincipalDep) -> None:
    """Forget it: it is not delivered any more. The log still has the event, until it is archived."""
    async with parts.database.statement() as connection:
        await parked_events.give_up(connection, id)
