"""How far each outlet of the event log has come, for those who look after it and for what removes old events."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from store.connection import Connection

# Everything that reads the log at its own pace has a row in one of these.
_OUTLETS = ("SELECT name, position, error, error_since, tries FROM event_outlets",)


@dataclass(frozen=True)
class Backlog:
    """One outlet: delivered up to `position`, `behind` events more to go; `error`: why it does not get on."""

    name: str
    position: int
    behind: int
    error: str | None
    error_since: datetime | None
    tries: int


async def backlogs(connection: Connection) -> list[Backlog]:
    """Every outlet, by name."""
    return [Backlog(**row) for row in (await connection.execute(_ALL)).mappings()]


async def lowest_position(connection: Connection) -> int | None:
    """Up to here every outlet has delivered; None if there is no outlet."""
    found: int | None = await connection.scalar(_LOWEST)
    return found


_UNION = " UNION ALL ".join(_OUTLETS)
_ALL = text(
    "SELECT name, position, greatest(last_position - position, 0) AS behind, error, error_since, tries"
    f" FROM ({_UNION}) AS outlets CROSS JOIN event_log ORDER BY name"
)
_LOWEST = text(f"SELECT min(position) FROM ({_UNION}) AS outlets")
