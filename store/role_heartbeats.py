"""Which worker processes live: each says so again and again, and takes its leave when it stops."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Interval, bindparam, delete, func, select, text

from store.connection import Connection
from store.tables import role_heartbeats

INTERVAL = 5.0
"""Seconds between two heartbeats."""
LOST_AFTER = timedelta(seconds=3 * INTERVAL)
_FORGOTTEN_AFTER = timedelta(minutes=10)


@dataclass(frozen=True)
class WorkerProcess:
    """One process, by the identity that it also has at Temporal.

    `waits`: by role, what of it has not begun yet and why. `lost`: it did not stop, and says nothing more.
    """

    process: str
    roles: list[str]
    waits: dict[str, str]
    host: str
    pid: int
    version: str
    started_at: datetime
    seen_at: datetime
    lost: bool


async def beat(
    connection: Connection,
    process: str,
    *,
    roles: Sequence[str],
    host: str,
    pid: int,
    version: str,
    waits: Mapping[str, str],
) -> None:
    """This process lives, and this of it waits; forgets those that were lost long ago."""
    await connection.execute(
        _BEAT,
        {
            "process": process,
            "roles": list(roles),
            "host": host,
            "pid": pid,
            "version": version,
            "waits": json.dumps(dict(waits)),
            "forgotten": _FORGOTTEN_AFTER,
        },
    )


_BEAT = text(
    """
    WITH forgotten AS (DELETE FROM role_heartbeats WHERE seen_at < now() - CAST(:forgotten AS interval))
    INSERT INTO role_heartbeats (process, roles, host, pid, version, waits)
    VALUES (:process, CAST(:roles AS text[]), :host, :pid, :version, CAST(:waits AS jsonb))
    ON CONFLICT (process) DO UPDATE SET seen_at = now(), waits = excluded.waits
    """
)


async def stopped(connection: Connection, process: str) -> None:
    """This process stops in good order."""
    await connection.execute(delete(role_heartbeats).where(role_heartbeats.c.process == process))


async def processes(connection: Connection) -> list[WorkerProcess]:
    """All of them, the longest running first."""
    return [WorkerProcess(**row) for row in (await connection.execute(_ALL, {"lost_after": LOST_AFTER})).mappings()]


async def live_by_role(connection: Connection) -> dict[str, int]:
    """How many processes that live have each role."""
    rows = await connection.execute(_LIVE, {"lost_after": LOST_AFTER})
    return {row.role: row.number for row in rows}


_LIVE = text(
    """
    SELECT role, count(*) AS number FROM role_heartbeats CROSS JOIN unnest(roles) AS role
    WHERE seen_at >= now() - CAST(:lost_after AS interval) GROUP BY role
    """
)
_ALL = select(
    role_heartbeats,
    (role_heartbeats.c.seen_at < func.now() - bindparam("lost_after", type_=Interval)).label("lost"),
).order_by(role_heartbeats.c.started_at, role_heartbeats.c.process)
