"""Runs of mission files as clients read them: with their threads."""

from collections import defaultdict
from typing import Any

from sqlalchemy import text

from missions.errors import NotFound
from missions.mission_files.plan import ENDLESS, ThreadPlan
from store.connection import Connection
from store.rows import Row


async def page(connection: Connection, platform_id: int, *, before: int | None, limit: int) -> list[Row]:
    """The platform's runs, newest first, each with its `threads`."""
    rows = await connection.execute(_PAGE, {"platform": platform_id, "before": before, "limit": limit})
    return await _with_threads(connection, [dict(row) for row in rows.mappings()])


async def newest(connection: Connection, platform_id: int, plan_id: str) -> Row:
    """The run with the client's id, or the last one that had it; raises NotFound."""
    rows = await connection.execute(_NEWEST, {"platform": platform_id, "plan_id": plan_id})
    found = await _with_threads(connection, [dict(row) for row in rows.mappings()])
    if not found:
        raise NotFound(
            f"the platform has no mission {plan_id!r}",
            field="missionId",
            value=plan_id,
            remedy="list the platform's missions to find its id",
        )
    return found[0]


async def content(connection: Connection, work_process_id: int) -> str:
    """The mission file of a run, as it came."""
    found: str = await connection.scalar(_CONTENT, {"of": work_process_id})
    return found


async def of_work_process(connection: Connection, work_process_id: int) -> Row:
    """The run that is this work process."""
    rows = await connection.execute(_ONE, {"of": work_process_id})
    return (await _with_threads(connection, [dict(row) for row in rows.mappings()]))[0]


async def _with_threads(connection: Connection, runs: list[dict[str, Any]]) -> list[Row]:
    of_run: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in (await connection.execute(_THREADS, {"ids": [run["id"] for run in runs]})).mappings():
        of_run[row["work_process_id"]].append(dict(row))
    for run in runs:
        outlines = [ThreadPlan.model_validate(one) for one in run["outlines"]]
        run["threads"] = [thread | _planned(outlines[thread["number"]]) for thread in of_run[run["id"]]]
    return runs


def _planned(thread: ThreadPlan) -> dict[str, Any]:
    """What of a thread does not change."""
    quantity = thread.timing.quantity if thread.timing is not None else thread.trigger.quantity if thread.trigger else 1
    return {
        "kind": "timed" if thread.timing is not None else "event",
        "instruments": thread.instruments,
        "loops": None if quantity == ENDLESS else quantity,
        "waits_for": None if thread.trigger is None else f"{thread.trigger.event} of {thread.trigger.source}",
    }


_COLUMNS = """
    w.id, f.plan_id, agents.uuid AS platform_uuid, agents.id AS platform_id, w.status, w.pause, w.priority,
    w.workflow_id, w.failure, w.attention, w.cancel_reason, w.created_at, w.started_at, w.ended_at, w.version,
    f.time_scale, f.running, f.plan ->> 'name' AS name, f.plan ->> 'description' AS description,
    -- Without the commands, which may be many.
    (
        SELECT jsonb_agg(thread - CAST('{pre,sequence,post}' AS text[]) ORDER BY place)
        FROM jsonb_array_elements(f.plan -> 'threads') WITH ORDINALITY AS threads(thread, place)
    ) AS outlines
    FROM mission_files f JOIN work_processes w ON w.id = f.work_process_id JOIN agents ON agents.id = f.platform_id
"""
_PAGE = text(
    f"""
    SELECT {_COLUMNS} WHERE f.platform_id = :platform AND f.work_process_id < coalesce(CAST(:before AS bigint), {2**62})
    ORDER BY f.work_process_id DESC LIMIT :limit
    """
)
_ONE = text(f"SELECT {_COLUMNS} WHERE f.work_process_id = :of")
_CONTENT = text("SELECT content FROM mission_files WHERE work_process_id = :of")
_NEWEST = text(
    f"""
    SELECT {_COLUMNS} WHERE f.platform_id = :platform AND f.plan_id = :plan_id
    ORDER BY f.running DESC, f.work_process_id DESC LIMIT 1
    """
)
_THREADS = text(
    """
    SELECT work_process_id, number, status, loop, loops_ended, command, next_start_at, error, event, armed
    FROM mission_threads WHERE work_process_id = ANY(CAST(:ids AS bigint[])) ORDER BY work_process_id, number
    """
)
