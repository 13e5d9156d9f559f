"""What waits to run: for agents or for a slot, in the order of the scores, the highest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import text

from store.connection import Connection
from store.rows import Row
from store.slot_reasons import slot_reasons
from store.tables import MISSION_OPEN
from store.waiting_reasons import waiting_reasons

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class WaitsFor(StrEnum):
    """The two lines."""

    AGENTS = "agents"
    SLOT = "slot"


@dataclass(frozen=True)
class Place:
    """Where a page begins: after this one, in the order of the queue."""

    key: int
    """Its score key in microseconds since 1970."""
    waits_for: WaitsFor
    id: int

    @classmethod
    def of(cls, row: Row) -> "Place":
        """The place of a row of the queue."""
        return cls((row["score_key"] - _EPOCH) // timedelta(microseconds=1), WaitsFor(row["waits_for"]), row["id"])


@dataclass(frozen=True)
class Totals:
    """How long the lines are, and since when the one that waits longest does."""

    agents: int
    slot: int
    oldest: datetime | None


@dataclass(frozen=True)
class Line:
    """How long one of the lines is, and for how many seconds its oldest waits."""

    number: int = 0
    oldest: float = 0.0


async def page(
    connection: Connection,
    *,
    after: Place | None,
    limit: int,
    waits_for: WaitsFor | None = None,
    type_name: str | None = None,
) -> list[Row]:
    """What waits, in order; `place` counts within its line, filters or not."""
    start = after or Place(0, WaitsFor.AGENTS, 0)
    rows = await connection.execute(
        _PAGE,
        {
            "whole": after is None,
            "key": _EPOCH + timedelta(microseconds=start.key),
            "line": start.waits_for,
            "id": start.id,
            "limit": limit,
            "waits_for": waits_for,
            "type": type_name,
        },
    )
    return [row._asdict() for row in rows]


async def reasons(connection: Connection, rows: Sequence[Row]) -> dict[int, list[dict[str, Any]]]:
    """Why each of these waits, by mission; few queries for all."""
    by_line = {line: [row["work_process_id"] for row in rows if row["waits_for"] == line] for line in WaitsFor}
    of_agents = await waiting_reasons(connection, by_line[WaitsFor.AGENTS])
    return of_agents | await slot_reasons(connection, by_line[WaitsFor.SLOT])


async def lines(connection: Connection) -> dict[WaitsFor, Line]:
    """Both lines, also an empty one."""
    found = {WaitsFor(row.waits_for): Line(row.number, row.oldest) for row in await connection.execute(_LINES)}
    return {line: found.get(line, Line()) for line in WaitsFor}


async def totals(connection: Connection) -> Totals:
    """Of the whole queue."""
    row = (await connection.execute(_TOTALS)).one()
    return Totals(row.agents, row.slot, row.oldest)


# By the index of the open missions: one more on the requests would cost every mission with agents.
_WAITING = f"""
    SELECT 'agents' AS waits_for, request.id, request.enqueued_at, request.score_key, mission.id AS work_process_id
    FROM work_processes AS mission JOIN reservation_requests AS request
        ON request.work_process_id = mission.id AND request.attempt = mission.attempt AND request.status = 'waiting'
    WHERE mission.{MISSION_OPEN} AND mission.status = 'preparing resources'
    UNION ALL
    SELECT 'slot', slots.id, slots.enqueued_at, slots.score_key, mission.id
    FROM slots JOIN work_processes AS mission
        ON mission.id = slots.work_process_id AND mission.attempt = slots.attempt AND mission.status = 'dispatched'
    WHERE NOT slots.held
"""
_PAGE = text(
    f"""
    WITH placed AS (
        SELECT *, row_number() OVER (PARTITION BY waits_for ORDER BY score_key, id) AS place
        FROM ({_WAITING}) AS waiting
    )
    SELECT placed.*, mission.work_process_type_name AS type, mission.priority, mission.attempt, mission.yard_id,
        mission.yard_uid, mission.agent_ids, mission.agent_uuids, mission.agent_selector
    FROM placed JOIN work_processes AS mission ON mission.id = placed.work_process_id
    WHERE (:whole OR (placed.score_key, placed.waits_for, placed.id)
            > (CAST(:key AS timestamptz), CAST(:line AS text), CAST(:id AS bigint)))
        AND (CAST(:waits_for AS text) IS NULL OR placed.waits_for = CAST(:waits_for AS text))
        AND (CAST(:type AS text) IS NULL OR mission.work_process_type_name = CAST(:type AS text))
    ORDER BY placed.score_key, placed.waits_for, placed.id LIMIT :limit
    """
)
_TOTALS = text(
    f"""
    SELECT count(*) FILTER (WHERE waits_for = 'agents') AS agents, count(*) FILTER (WHERE waits_for = 'slot') AS slot,
        min(enqueued_at) AS oldest
    FROM ({_WAITING}) AS waiting
    """
)
_LINES = text(
    f"""
    SELECT waits_for, count(*) AS number,
        CAST(extract(epoch FROM now() - min(enqueued_at)) AS double precision) AS oldest
    FROM ({_WAITING}) AS waiting GROUP BY waits_for
    """
)
