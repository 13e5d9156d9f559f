"""Mission files: check one, and the JSON Schema of their format."""

import asyncio
import json
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from api.deps import PartsDep, PrincipalDep
from api.models.mission_files import CheckedFile, FileToCheck, ForPlatform, PlatformQuery
from api.problems import responses
from missions.errors import InvalidInput, NotFound
from missions.event_schemas import CONTENT_TYPE
from missions.mission_files.reader import read_mission_file
from missions.mission_files.references import PlatformFacts
from missions.mission_files.schema import mission_file_schema
from store import platform_facts
from store.database import Database

router = APIRouter(prefix="/mission-files", tags=["mission files"])

_EXAMPLE = """\
mission:
  - instrumentID: ['PRE:CTD_1']
    schedule: {startTime: 2026-07-18T00:00:00}
    missionSequence:
      - command: PRE:CTD_1, execute_resource(ACQUIRE_SAMPLE)
"""
_TEXT = {"schema": {"type": "string"}, "example": _EXAMPLE}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/yaml": _TEXT,
            "text/plain": _TEXT,
            "application/json": {"schema": FileToCheck.model_json_schema()},
        },
    }
}


@router.get(
    "/schema",
    responses=responses() | {200: {"content": {CONTENT_TYPE: {"schema": {"type": "object"}}}}},
    response_class=JSONResponse,
)
async def get_mission_file_schema(_: PrincipalDep) -> JSONResponse:
    """The JSON Schema of mission files, for editors."""
    return JSONResponse(mission_file_schema(), media_type=CONTENT_TYPE)


@router.post("/validate", openapi_extra=_BODY, responses=responses(400, 404, 413, 422))
async def validate_mission_file(
    request: Request, query: Annotated[PlatformQuery, Query()], parts: PartsDep, _: PrincipalDep
) -> CheckedFile:
    """Say everything that is wrong with a mission file, with line and column; nothing is stored or run."""
    content, platform = await _file_of(request, query)
    known = await _facts(parts.database, platform)
    # A large file takes a while: others are answered meanwhile.
    return CheckedFile.of(await asyncio.to_thread(read_mission_file, content, known))


async def _file_of(request: Request, query: ForPlatform) -> tuple[str | bytes, ForPlatform]:
    body = await request.body()
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return body, query
    try:
        sent = FileToCheck.model_validate(_json(body))
    except ValidationError as error:
        raise RequestValidationError([item | {"loc": ("body", *item["loc"])} for item in error.errors()]) from None
    named_in_query = query.platform_id is not None or query.platform_uuid is not None
    return sent.content, query if named_in_query else sent


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        wrong = {
            "type": "json_invalid",
            "loc": ("body", error.pos),
            "msg": "",
            "input": {},
            "ctx": {"error": error.msg},
        }
        raise RequestValidationError([wrong]) from None
    except (RecursionError, UnicodeDecodeError) as error:
        raise HTTPException(400, "the body cannot be read") from error


async def _facts(database: Database, platform: ForPlatform) -> PlatformFacts | None:
    """Raises NotFound for a platform that there is not."""
    platform_id, uuid = platform.platform_id, platform.platform_uuid
    if platform_id is None and uuid is None:
        return None
    if platform_id is not None and uuid is not None:
        raise InvalidInput(
            "the platform is named twice", field="platformUuid", value=uuid, remedy="send its id or its uuid"
        )
    async with database.transaction() as connection:
        if uuid is not None:
            platform_id = await platform_facts.id_of(connection, uuid)
        found = None if platform_id is None else await platform_facts.facts(connection, platform_id)
    if found is None:
        raise NotFound(
            f"there is no platform {uuid if platform_id is None else platform_id}",
            field="platformId" if uuid is None else "platformUuid",
            value=platform_id if uuid is None else uuid,
            remedy="list the agents of the class `platform` (GET /api/v1/agents)",
        )
    return found
