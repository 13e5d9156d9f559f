"""Platforms as clients read them: with their instruments, and the missions that they run."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import ARRAY, BigInteger, any_, bindparam, func, select, text

from missions.statuses import AgentClass
from store.agent_registry import CONNECTION_STATUS
from store.connection import Connection
from store.device_tables import instruments, platforms
from store.rows import Row, all_rows
from store.tables import MISSION_NOT_ENDED, agents, reservations, work_processes

_UNDER_WAY = (
    select(work_processes.c.id)
    .where(work_processes.c.id == platforms.c.command_id, text(f"work_processes.{MISSION_NOT_ENDED}"))
    .scalar_subquery()
    .label("under_way")
)
_PLATFORMS = (
    select(
        *(agents.c[name] for name in ("id", "uuid", "alias", "name", "yard_id")),
        func.coalesce(platforms.c.state, "UNINITIALIZED").label("state"),
        platforms.c.saved_state,
        platforms.c.changed_at.label("state_since"),
        _UNDER_WAY,
    )
    .select_from(agents.outerjoin(platforms, platforms.c.agent_id == agents.c.id))
    .where(agents.c.agent_class == AgentClass.PLATFORM)
    .order_by(agents.c.id)
)
_INSTRUMENTS = (
    select(
        *(agents.c[name] for name in ("id", "uuid", "alias", "name", "status", "parent_id")),
        instruments.c.state,
        instruments.c.changed_at.label("state_since"),
        CONNECTION_STATUS,
        reservations.c.work_process_id.label("reserved_for"),
    )
    .select_from(
        agents.outerjoin(instruments, instruments.c.agent_id == agents.c.id).outerjoin(
            reservations, reservations.c.agent_id == agents.c.id
        )
    )
    .where(
        agents.c.parent_id == any_(bindparam("ids", type_=ARRAY(BigInteger))),
        agents.c.agent_class == AgentClass.INSTRUMENT,
    )
    .order_by(agents.c.id)
)
_MISSIONS = text(
    """
    SELECT platform_id, plan_id AS mission_id, work_process_id FROM mission_files
    WHERE running AND platform_id = ANY(CAST(:ids AS bigint[])) ORDER BY work_process_id
    """
)


async def page(connection: Connection, *, after: int, limit: int) -> list[Row]:
    """Platforms in the order of their ids."""
    return await _whole(connection, await all_rows(connection, _PLATFORMS.where(agents.c.id > after).limit(limit)))


async def get(connection: Connection, platform_id: int) -> Row:
    """One platform that is there."""
    (row,) = await _whole(connection, await all_rows(connection, _PLATFORMS.where(agents.c.id == platform_id)))
    return row


async def _whole(connection: Connection, rows: Sequence[Row]) -> list[Row]:
    """These with all that hangs on them."""
    ids = [row["id"] for row in rows]
    carried, running = defaultdict(list), defaultdict(list)
    if ids:
        for one in (await connection.execute(_INSTRUMENTS, {"ids": ids})).mappings():
            carried[one["parent_id"]].append(dict(one))
        for one in (await connection.execute(_MISSIONS, {"ids": ids})).mappings():
            running[one["platform_id"]].append(dict(one))
    return [row | {"instruments": carried[row["id"]], "missions": running[row["id"]]} for row in rows]
