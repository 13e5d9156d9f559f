"""How many repairs were made, by what was repaired; for `GET /metrics`."""

import logging

from sqlalchemy import text

from missions.repairs import Repair
from store.connection import Connection

log = logging.getLogger("muster.repairs")


async def count(connection: Connection, repair: Repair, times: int = 1) -> None:
    """Count repairs: in the transaction that makes them, at its end; of an act in the engine right after it.

    An act that is done when the database goes is not counted: it would else be counted though it was not done.
    """
    await connection.execute(_ADD, {"kind": repair, "times": times})


def tell(repair: Repair, what: str) -> None:
    """Say in the log what was done, with the mission's id; once it is committed."""
    log.warning("repaired (%s): %s", repair.value, what)


async def counts(connection: Connection) -> dict[str, int]:
    """Since the installation began, by kind; none for what never was."""
    return {row.kind: row.number for row in await connection.execute(_COUNTS)}


_ADD = text(
    """
    INSERT INTO repairs (kind, count) VALUES (:kind, :times)
    ON CONFLICT (kind) DO UPDATE SET count = repairs.count + excluded.count, last_at = now()
    """
)
_COUNTS = text("SELECT kind, count AS number FROM repairs")
