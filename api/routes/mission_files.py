"""Mission files: check one, and the JSON Schema of their format."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from api.deps import PartsDep, PrincipalDep
from api.models.mission_files import CheckedFile, FileToCheck, ForPlatform
from api.problems import responses
from api.yaml_bodies import read_file, yaml_or_json
from missions.event_schemas import CONTENT_TYPE
from missions.mission_files.reader import read_mission_file
from missions.mission_files.references import PlatformFacts
from missions.mission_files.schema import mission_file_schema
from store.database import Database
from store.platform_facts import facts
from store.platform_ids import platform_id

router = APIRouter(prefix="/mission-files", tags=["mission files"])


@router.get(
    "/schema",
    responses=responses() | {200: {"content": {CONTENT_TYPE: {"schema": {"type": "object"}}}}},
    response_class=JSONResponse,
)
async def get_mission_file_schema(_: PrincipalDep) -> JSONResponse:
    """The JSON Schema of mission files, for editors."""
    return JSONResponse(mission_file_schema(), media_type=CONTENT_TYPE)


@router.post("/validate", openapi_extra=yaml_or_json(FileToCheck), responses=responses(400, 413, 415, 422))
async def validate_mission_file(
    request: Request, query: Annotated[ForPlatform, Query()], parts: PartsDep, _: PrincipalDep
) -> CheckedFile:
    """Say everything that is wrong with a mission file, with line and column; nothing is stored or run."""
    content, sent = await read_file(request, query, ForPlatform, FileToCheck, "content")
    known = None if sent.platform_id is None else await _facts(parts.database, sent.platform_id)
    # A large file takes a while: others are answered meanwhile.
    return CheckedFile.of(await asyncio.to_thread(read_mission_file, content, known))


async def _facts(database: Database, platform: str) -> PlatformFacts:
    async with database.statement() as connection:
        return await facts(connection, await platform_id(connection, platform, field="platformId"))
