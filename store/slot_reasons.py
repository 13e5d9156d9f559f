"""Why missions without agents wait: which limit is reached, and which place in the line they have."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import text

from missions.statuses import WorkProcessStatus
from store.connection import Connection
from store.rows import Row
from store.work_process_status import LockedWorkProcess

SLOT = "slot"
"""The code of the waiting reason."""


def may_wait_for_slot(row: Row) -> bool:
    """Whether a row of `work_processes` is one that the line may have."""
    return bool(
        row["status"] == WorkProcessStatus.DISPATCHED and not row["agent_ids"] and row["agent_selector"] is None
    )


async def slot_reasons(connection: Connection, work_process_ids: Collection[int]) -> dict[int, list[dict[str, Any]]]:
    """`[{code, text, agentId, since}]` of each of these missions that waits for a slot, in one query.

    It counts the whole line for their places: not for whoever keeps others waiting.
    """
    if not work_process_ids:
        return {}
    rows = await connection.execute(_WAITING, {"ids": list(work_process_ids)})
    return {row.work_process_id: [_entry(row, _words(row))] for row in rows}


async def limit_reached(connection: Connection, work_process: LockedWorkProcess) -> list[dict[str, Any]]:
    """The same of one that just got in line, without its place: the line is locked, and may be long."""
    row = (await connection.execute(_ARRIVED, {"of": work_process.id, "attempt": work_process.attempt})).one()
    return [_entry(row, _limit(row))]


def _entry(row: Any, words: str) -> dict[str, Any]:
    return {"code": SLOT, "text": words, "agentId": None, "since": row.enqueued_at.isoformat()}


def _words(row: Any) -> str:
    place = f"number {row.place} of {row.waiting} in line"
    if _recipe_is_full(row):
        place += f", and number {row.place_of_type} of this recipe's"
    return f"{_limit(row)}; it is {place}"


def _limit(row: Any) -> str:
    if _recipe_is_full(row):
        return (
            f"{row.running_of_type} missions of recipe {row.type_name!r} without agents run, and its `maxConcurrent` is"
            f" {row.max_concurrent}"
        )
    if row.overall is not None and row.running >= row.overall:
        return f"{row.running} missions without agents run, and the limit `overall` is {row.overall}"
    return "a slot is free and about to be granted"


def _recipe_is_full(row: Any) -> bool:
    return row.max_concurrent is not None and row.running_of_type >= row.max_concurrent


_RUNNING = "running AS (SELECT type_name, count(*) AS number FROM slots WHERE held GROUP BY type_name)"
_LIMITS = """
    line.type_name, line.enqueued_at, recipe.max_concurrent, (SELECT overall FROM slot_limits) AS overall,
    coalesce((SELECT number FROM running WHERE running.type_name = line.type_name), 0) AS running_of_type,
    coalesce((SELECT CAST(sum(number) AS bigint) FROM running), 0) AS running
"""
_WAITING = text(
    f"""
    WITH line AS (
        SELECT *, row_number() OVER (ORDER BY score_key, id) AS place, count(*) OVER () AS waiting,
            row_number() OVER (PARTITION BY type_name ORDER BY score_key, id) AS place_of_type
        FROM slots WHERE NOT held
    ), {_RUNNING}
    SELECT line.work_process_id, line.place, line.waiting, line.place_of_type, {_LIMITS}
    FROM line JOIN work_processes AS mission ON mission.id = line.work_process_id AND mission.attempt = line.attempt
    LEFT JOIN work_process_type AS recipe ON recipe.name = line.type_name
    WHERE mission.id = ANY(CAST(:ids AS bigint[])) AND mission.status = 'dispatched'
    """
)
_ARRIVED = text(
    f"""
    WITH {_RUNNING}
    SELECT {_LIMITS} FROM slots AS line LEFT JOIN work_process_type AS recipe ON recipe.name = line.type_name
    WHERE line.work_process_id = :of AND line.attempt = :attempt
    """
)
