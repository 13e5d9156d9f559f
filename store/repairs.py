"""How many repairs were made, by what was repaired; for `GET /metrics`."""

import logging

from sqlalchemy import text

from missions.repairs import Repair
from store.connection import Connection
from store.database import Database

log = logging.getLogger("muster.repairs")


async def made(database: Database, repair: Repair, what: str) -> None:
    """Count a repair, and say in the log what was done, with the mission's id."""
    log.warning("repaired (%s): %s", repair.value, what)
    async with database.statement() as connection:
        await connection.execute(_ADD, {"kind": repair})


async def counts(connection: Connection) -> dict[str, int]:
    """Since the installation began, by kind; none for what never was."""
    return {row.kind: row.number for row in await connection.execute(_COUNTS)}


_ADD = text(
    """
    INSERT INTO repairs (kind, count) VALUES (:kind, 1)
    ON CONFLICT (kind) DO UPDATE SET count = repairs.count + 1, last_at = now()
    """
)
_COUNTS = text("SELECT kind, count AS number FROM repairs")
