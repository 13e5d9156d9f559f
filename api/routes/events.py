"""The event log: its history, counts, and live."""

import asyncio
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response

from api import stream_tokens
from api.deps import Parts, PartsDep, PrincipalDep, StreamPrincipalDep
from api.event_stream import EventStream
from api.live_log import Reader
from api.mission_stream import MissionStream
from api.models.base import PathId
from api.models.event_types import LoggedEventPage
from api.models.events import (
    CursorQuery,
    EventCounts,
    EventFilterQuery,
    EventHistoryQuery,
    EventPage,
    EventStreamQuery,
    StreamToken,
    StreamTokenBody,
)
from api.problems import responses
from api.routes.work_processes import read_mission
from missions.errors import InvalidInput
from missions.event_filters import EventFilter
from missions.requests import MAX_ID
from missions.transitions import WORK_PROCESS_ENDED
from store import event_history, event_stats
from store.event_history import MissionTip
from store.platform_devices import platform_devices

router = APIRouter(tags=["events"])

LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", description="`id` of the last block you have")]

_POSITION_WITHIN = 2.0
"""Seconds; without a sequencer the state is sent all the same, and events that it holds already are left out."""


@dataclass(frozen=True)
class _Cursor:
    position: int
    field: str  # where it was sent


_EXAMPLE = 'id: 42\nevent: task.completed\ndata: {"id": "…", "type": "task.completed", "sequence": 42, …}\n\n'


def _stream_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    blocks = {"schema": {"type": "string"}, "example": _EXAMPLE}
    described = {200: {"description": "server-sent events", "content": {"text/event-stream": blocks}}}
    return described | responses(410, 422, *statuses)


@router.get("/events", responses=responses(410, 422) | {200: {"model": LoggedEventPage}})
async def list_events(query: Annotated[EventHistoryQuery, Query()], parts: PartsDep, _: PrincipalDep) -> EventPage:
    """Events of all missions, agents and resources in the order of their positions, oldest first.

    To follow them, ask again with `after` the page's `position`. 410: what follows `after` is archived; without `after`
    the page begins with what is kept, and `archivedUntil` says so. 422: the log has not reached it, so it is of another
    log.
    """
    wanted = await _wanted(parts, query)
    async with parts.database.transaction() as connection:
        page = await event_history.page(
            connection,
            wanted,
            after=query.after,
            limit=query.limit,
            newest_first=query.order == "desc",
        )
    return EventPage(
        items=page.events,
        next_cursor=None if page.next_after is None else str(page.next_after),
        position=page.position,
        archived_until=page.archived_until,
    )


@router.get("/events/stats", responses=responses(422))
async def event_statistics(
    parts: PartsDep,
    _: PrincipalDep,
    window: Annotated[int, Query(ge=1, le=7 * 86_400, description="seconds up to now")] = 3600,
) -> EventCounts:
    """How many events of each type and severity there were, and how far each outlet of the log has come."""
    async with parts.database.transaction() as connection:
        found = await event_stats.stats(connection, timedelta(seconds=window))
    return EventCounts.of(found, window)


@router.post("/events/stream-tokens", status_code=201, responses=responses(400, 413, 422))
async def make_stream_token(
    response: Response, parts: PartsDep, _: PrincipalDep, body: StreamTokenBody | None = None
) -> StreamToken:
    """A token that opens live streams for a minute, as `token` in their address: browsers can send no headers there."""
    token, expires = stream_tokens.make(parts.token, time.time())
    response.headers["Cache-Control"] = "no-store"
    return StreamToken(token=token, expires_at=datetime.fromtimestamp(expires, UTC))


@router.head("/events/stream", include_in_schema=False)
@router.get("/events/stream", status_code=200, response_class=EventStream, responses=_stream_responses())
async def stream_events(
    query: Annotated[EventStreamQuery, Query()],
    parts: PartsDep,
    _: StreamPrincipalDep,
    last_event_id: LastEventId = None,
) -> EventStream:
    """Events as they come, as server-sent events: `id` is the position, `event` the type, `data` the event.

    With `Last-Event-ID` first all that came since then. A block `stream.reset` ends a stream whose next events are
    archived.
    """
    wanted = await _wanted(parts, query)
    cursor = _cursor(last_event_id, query)
    position = await _checked(parts, cursor)
    return EventStream(parts.live_log, parts.settings, Reader(wanted, position))


@router.head("/work-processes/{id}/stream", include_in_schema=False)
@router.get(
    "/work-processes/{id}/stream",
    status_code=200,
    response_class=EventStream,
    responses=_stream_responses(404) | {204: {"description": "it has ended, and you have all its events"}},
)
async def stream_mission(
    id: PathId,
    query: Annotated[CursorQuery, Query()],
    parts: PartsDep,
    _: StreamPrincipalDep,
    last_event_id: LastEventId = None,
) -> Response:
    """A mission as it goes on: its state as a block `work_process`, then its events, then `stream.end`.

    The state holds all events up to the position that is its `id`, and none after it. With `Last-Event-ID` only the
    events since then. Once the mission has ended and you have everything: 204, which tells a browser to stop.
    """
    cursor = _cursor(last_event_id, query)
    state = None
    if cursor is None:
        tip, state = await _state(parts, id)
        position = tip.log_position if tip.position is None else tip.position
    else:
        async with parts.database.statement() as connection:
            tip = await event_history.mission_tip(connection, id)
        position = await _checked(parts, cursor)
        if tip.status in WORK_PROCESS_ENDED and tip.position is not None and position >= tip.position:
            return Response(status_code=204)
    stream = MissionStream(parts.database, parts.live_log, id, tip, state)
    return EventStream(parts.live_log, parts.settings, Reader(EventFilter(mission_id=id), position), stream.blocks)


async def _wanted(parts: Parts, query: EventFilterQuery) -> EventFilter:
    """The filter; raises InvalidInput for an unknown type, family or platform."""
    wanted = query.wanted()
    if query.platform is None:
        return wanted
    async with parts.database.statement() as connection:
        return replace(wanted, devices=await platform_devices(connection, query.platform))


async def _state(parts: Parts, mission_id: int) -> tuple[MissionTip, str]:
    """A mission's state, and the position of the last event that is in it; waits a moment until that has one."""
    async with parts.database.transaction() as connection:
        await event_history.freeze(connection)
        tip = await event_history.mission_tip(connection, mission_id)
        shown = await read_mission(connection, parts, mission_id)
    give_up = time.monotonic() + _POSITION_WITHIN
    while tip.position is None and time.monotonic() < give_up:
        await asyncio.sleep(0.03)  # until the sequencer has come, usually once
        async with parts.database.statement() as connection:
            position = await event_history.position_of(connection, mission_id, tip.count)
        tip = replace(tip, position=position)
    return tip, shown.model_dump_json(by_alias=True)


async def _checked(parts: Parts, cursor: _Cursor | None) -> int:
    """The position to go on from; raises Gone or InvalidInput for a cursor from which none can."""
    async with parts.database.statement() as connection:
        ends = await event_history.bounds(connection)
    if cursor is None:
        return ends.last
    event_history.require_within(cursor.position, ends, cursor.field)
    return cursor.position


def _cursor(header: str | None, query: CursorQuery) -> _Cursor | None:
    """The position that a reader has; raises InvalidInput for what is none."""
    given, field = (header, "Last-Event-ID") if header else (query.last_event_id, "lastEventId")
    if not given:
        return None
    if not (given.isascii() and given.isdecimal() and len(given) < 20 and int(given) <= MAX_ID):
        raise InvalidInput(
            "this is no position in the log",
            field=field,
            value=given,
            remedy="send the `id` of a block of this stream, or nothing to begin now",
        )
    return _Cursor(int(given), field)
