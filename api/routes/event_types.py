"""What events there are: the list, the JSON Schema of each, and the AsyncAPI document."""

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse

from api.async_api import async_api
from api.deps import Parts, PartsDep, PrincipalDep
from api.models.base import Page
from api.models.event_types import EventTypeInfo
from api.problems import responses
from missions.event_catalogue import CATALOGUE
from missions.event_schemas import CONTENT_TYPE, known_type, schema, schema_url

router = APIRouter(tags=["events"])

_TypeName = Annotated[str, Path(max_length=100, description="type of events", examples=["task.failed"])]


@router.get("/events/types", responses=responses())
async def list_event_types(parts: PartsDep, _: PrincipalDep) -> Page[EventTypeInfo]:
    """All types of events: when they come, how much they matter, and where their schemas are."""
    return Page(
        items=[
            EventTypeInfo(
                type=kind.value,
                description=described.payload.__doc__ or "",
                when=described.when,
                severities=list(described.severities),
                sources=list(described.sources),
                schema_url=schema_url(kind, _types_url(parts)),
            )
            for kind, described in CATALOGUE.items()
        ]
    )


@router.get(
    "/events/types/{type}",
    responses=responses(404, 422) | {200: {"content": {CONTENT_TYPE: {"schema": {"type": "object"}}}}},
    response_class=JSONResponse,
)
async def get_event_type(type: _TypeName, parts: PartsDep, _: PrincipalDep) -> JSONResponse:
    """The JSON Schema of events of one type: the whole envelope, with the payload of that type."""
    return JSONResponse(schema(known_type(type), _types_url(parts)), media_type=CONTENT_TYPE)


@router.get("/asyncapi.json", responses=responses(), response_class=JSONResponse)
async def get_async_api(parts: PartsDep, _: PrincipalDep) -> JSONResponse:
    """The AsyncAPI 3 document of the events on the message broker."""
    return JSONResponse(async_api(parts.settings.events_exchange))


def _types_url(parts: Parts) -> str:
    return f"{parts.settings.public_api_url}/api/v1/events/types"
