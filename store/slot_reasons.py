"""Why missions without agents wait: which limit is reached, and which place in the line they have."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import text

from store.connection import Connection

SLOT = "slot"
"""The code of the waiting reason."""


async def slot_reasons(connection: Connection, work_process_ids: Collection[int]) -> dict[int, list[dict[str, Any]]]:
    """`[{code, text, agentId, since}]` of each of these missions that waits for a slot, in one query."""
    if not work_process_ids:
        return {}
    rows = await connection.execute(_WAITING, {"ids": list(work_process_ids)})
    return {
        row.work_process_id: [
            {"code": SLOT, "text": _words(row), "agentId": None, "since": row.enqueued_at.isoformat()}
        ]
        for row in rows
    }


def _words(row: Any) -> str:
    place = f"number {row.place} of {row.waiting} in line"
    if row.max_concurrent is not None and row.running_of_type >= row.max_concurrent:
        return (
            f"{row.running_of_type} missions of recipe {row.type_name!r} without agents run, and its `maxConcurrent` is"
            f" {row.max_concurrent}; it is {place}, and number {row.place_of_type} of this recipe's"
        )
    if row.overall is not None and row.running >= row.overall:
        return f"{row.running} missions without agents run, and the limit `overall` is {row.overall}; it is {place}"
    return f"a slot is free and about to be granted; it is {place}"


_WAITING = text(
    """
    WITH line AS (
        SELECT *, row_number() OVER (ORDER BY score_key, id) AS place, count(*) OVER () AS waiting,
            row_number() OVER (PARTITION BY type_name ORDER BY score_key, id) AS place_of_type
        FROM slots WHERE NOT held
    ), running AS (SELECT type_name, count(*) AS number FROM slots WHERE held GROUP BY type_name)
    SELECT line.work_process_id, line.type_name, line.enqueued_at, line.place, line.waiting, line.place_of_type,
        recipe.max_concurrent, (SELECT overall FROM slot_limits) AS overall,
        coalesce((SELECT number FROM running WHERE running.type_name = line.type_name), 0) AS running_of_type,
        coalesce((SELECT CAST(sum(number) AS bigint) FROM running), 0) AS running
    FROM line JOIN work_processes AS mission ON mission.id = line.work_process_id AND mission.attempt = line.attempt
    LEFT JOIN work_process_type AS recipe ON recipe.name = line.type_name
    WHERE mission.id = ANY(CAST(:ids AS bigint[])) AND mission.status = 'dispatched'
    """
)
