"""Missions of platforms: run a mission file (RUN_MISSION), look at it, pause it, abort it (ABORT_MISSION)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Response

from api.deps import Parts, PartsDep, PrincipalDep, next_cursor, read_cursor
from api.idempotency import MADE_BEFORE, CreationDep
from api.mission_file_problems import refused
from api.models.base import Page, PageQuery
from api.models.platform_missions import (
    AbortMission,
    AcceptedMission,
    MissionFileText,
    MissionId,
    PlatformMission,
    RunMission,
    RunOptions,
    RunQuery,
)
from api.models.platforms import PlatformName
from api.models.work_processes import PauseBody
from api.problems import responses
from api.yaml_bodies import read_file, yaml_or_json
from missions.errors import Conflict, InvalidInput
from missions.events import EventSource
from missions.mission_files.issues import Issue
from missions.mission_files.lifecycle import load_error
from missions.mission_files.plan import MissionPlan
from missions.mission_files.reader import read_mission_file
from missions.principals import Principal
from missions.statuses import OnBusy, WorkProcessStatus
from store import cancels, events, instant_actions, mission_file_queries, pauses
from store.connection import Connection
from store.mission_file_starts import NewRun, accept
from store.notifications import notify
from store.platform_facts import facts
from store.platform_ids import platform_id
from store.rows import Row
from store.waiting_reasons import waiting_reasons
from store.wakeups import Wakeup

router = APIRouter(prefix="/platforms/{platform}/missions", tags=["platforms"])

PathMission = Annotated[MissionId, Path(alias="missionId")]


@router.post(
    "",
    status_code=201,
    openapi_extra=yaml_or_json(RunMission),
    responses=MADE_BEFORE | responses(400, 404, 409, 413, 415, 422),
)
async def run_mission(
    platform: PlatformName,
    request: Request,
    query: Annotated[RunQuery, Query()],
    response: Response,
    parts: PartsDep,
    principal: PrincipalDep,
    creation: CreationDep,
) -> AcceptedMission:
    """Run a mission file. It is checked as a whole first: what is wrong is told with line and column, all at once.

    The body is the file itself, and the query says the rest; or JSON says it all. The mission waits for its
    instruments, or is refused, as `onBusy` says.
    """
    content, sent = await read_file(request, query, RunOptions, RunMission, "mission_yaml")
    if not parts.settings.mission_time_scale and sent.model_fields_set & {"time_scale", "time_anchor"}:
        raise InvalidInput(
            "this server lets no mission have a time of its own",
            field="timeScale",
            value=sent.time_scale,
            remedy="leave `timeScale` and `timeAnchor` out, or set MUSTER_MISSION_TIME_SCALE=true (demos and tests)",
        )
    plan, warnings = await _read(parts, platform, content, sent.mission_id, principal)
    text = content if isinstance(content, str) else content.decode()
    said = sent.model_dump(mode="json", by_alias=True, exclude_unset=True)
    body = RunMission.model_validate(said | {"missionYaml": text})
    wakeups: list[Wakeup] = []
    async with parts.database.transaction() as connection:
        made = await creation.made_before(connection, body)
        if made is not None:
            (work_process_id,) = made
        else:
            new = NewRun(
                platform_id=await platform_id(connection, platform),
                plan_id=body.mission_id,
                content=body.mission_yaml,
                plan=plan,
                on_busy=body.on_busy or OnBusy(parts.settings.instruments_busy),
                priority=body.priority,
                time_scale=body.time_scale,
                time_anchor=body.time_anchor,
            )
            work_process_id, wakeup = await accept(
                connection, new, principal=principal, source=EventSource.API, settings=parts.settings
            )
            await creation.remember(connection, work_process_id)
            wakeups = [wakeup]
        row = await mission_file_queries.of_work_process(connection, work_process_id)
        shown = await _shown(connection, [row])
    await parts.waker.send(wakeups)
    response.headers["Location"] = f"/api/v1/platforms/{quote(platform, safe='')}/missions/{body.mission_id}"
    return AcceptedMission(**dict(shown[0]), warnings=warnings)


async def _read(
    parts: Parts, platform: str, content: str | bytes, mission_id: str, principal: Principal
) -> tuple[MissionPlan, list[Issue]]:
    """What the file says, checked for its platform, and its warnings; a refusal is an event of the platform too."""
    async with parts.database.transaction() as connection:
        known = await facts(connection, await platform_id(connection, platform))
    read = await asyncio.to_thread(read_mission_file, content, known)
    if read.plan is None:
        async with parts.database.transaction() as connection:
            more = f" (and {len(read.errors) - 1} more)" if len(read.errors) > 1 else ""
            error = load_error(known.uuid, mission_id, f"{read.errors[0]}{more}", actor=principal)
            await events.append(connection, [error])
        raise refused(read.errors)
    return read.plan, read.warnings


@router.get("", responses=responses(404, 422))
async def list_missions(
    platform: PlatformName, query: Annotated[PageQuery, Query()], parts: PartsDep, _: PrincipalDep
) -> Page[PlatformMission]:
    """The platform's missions, newest first."""
    async with parts.database.transaction() as connection:
        rows = await mission_file_queries.page(
            connection,
            await platform_id(connection, platform),
            before=read_cursor(query.cursor),
            limit=query.limit + 1,
        )
        shown = await _shown(connection, rows[: query.limit])
    return Page(items=shown, next_cursor=next_cursor(rows, query.limit, lambda row: int(row["id"])))


@router.get("/{missionId}", responses=responses(404, 422))
async def get_mission(
    platform: PlatformName, mission_id: PathMission, parts: PartsDep, _: PrincipalDep
) -> PlatformMission:
    """One mission with its threads; of several that had the id the one that runs, or the newest."""
    async with parts.database.transaction() as connection:
        row = await mission_file_queries.newest(connection, await platform_id(connection, platform), mission_id)
        return (await _shown(connection, [row]))[0]


@router.get("/{missionId}/file", responses=responses(404, 422))
async def get_mission_file(
    platform: PlatformName, mission_id: PathMission, parts: PartsDep, _: PrincipalDep
) -> MissionFileText:
    """The mission file, as it came."""
    async with parts.database.transaction() as connection:
        row = await mission_file_queries.newest(connection, await platform_id(connection, platform), mission_id)
        content = await mission_file_queries.content(connection, row["id"])
    return MissionFileText(mission_id=row["plan_id"], mission_yaml=content)


@router.post("/{missionId}/abort", responses=responses(400, 404, 409, 413, 422))
async def abort_mission(
    platform: PlatformName,
    mission_id: PathMission,
    parts: PartsDep,
    principal: PrincipalDep,
    body: AbortMission | None = None,
) -> PlatformMission:
    """Abort a mission: what runs is stopped, its instruments are brought to INACTIVE and released.

    It is `canceling` at once and `canceled` when all of that is done; fine too if it is so already.
    """
    reason = body.reason if body else ""
    return await _wish(
        parts,
        platform,
        mission_id,
        lambda connection, work_process_id: cancels.request_cancel(
            connection, work_process_id, principal=principal, reason=reason, source=EventSource.API
        ),
    )


@router.post("/{missionId}/pause", responses=responses(400, 404, 409, 413, 422))
async def pause_mission(
    platform: PlatformName,
    mission_id: PathMission,
    parts: PartsDep,
    principal: PrincipalDep,
    body: PauseBody | None = None,
) -> PlatformMission:
    """Pause a mission: no thread sends another command. `requested` until none has one under way, then `paused`.

    The time grid goes on: what is missed meanwhile is caught up afterwards. Events are kept.
    """
    mode = (body or PauseBody()).mode
    return await _wish(
        parts,
        platform,
        mission_id,
        lambda connection, work_process_id: pauses.request(
            connection, work_process_id, mode, principal=principal, source=EventSource.API
        ),
    )


@router.post("/{missionId}/resume", responses=responses(400, 404, 409, 413, 422))
async def resume_mission(
    platform: PlatformName, mission_id: PathMission, parts: PartsDep, principal: PrincipalDep
) -> PlatformMission:
    """Let a paused mission go on."""
    shown = await _wish(
        parts,
        platform,
        mission_id,
        lambda connection, work_process_id: pauses.resume(
            connection, work_process_id, principal=principal, source=EventSource.API
        ),
    )
    await notify(parts.database, instant_actions.CHANNEL)
    return shown


async def _wish(
    parts: Parts, platform: str, mission_id: str, wish: Callable[[Connection, int], Awaitable[list[Wakeup]]]
) -> PlatformMission:
    async with parts.database.transaction() as connection:
        of = await platform_id(connection, platform)
        row = await mission_file_queries.newest(connection, of, mission_id)
        if not row["running"]:
            raise Conflict(
                f"mission {mission_id!r} does not run: it ended as {row['status']!r}",
                field="missionId",
                value=mission_id,
                remedy="only a mission that runs can be aborted, paused or resumed",
            )
        wakeups = await wish(connection, row["id"])
        row = await mission_file_queries.of_work_process(connection, row["id"])
        shown = await _shown(connection, [row])
    await parts.waker.send(wakeups)
    return shown[0]


async def _shown(connection: Connection, rows: list[Row]) -> list[PlatformMission]:
    may_wait = (WorkProcessStatus.DISPATCHED, WorkProcessStatus.PREPARING_RESOURCES, WorkProcessStatus.EXECUTING)
    ids = [row["id"] for row in rows if row["status"] in may_wait]
    waiting = await waiting_reasons(connection, ids) if ids else {}
    return [PlatformMission.of(row, waiting.get(row["id"], [])) for row in rows]
