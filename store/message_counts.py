"""How many agent messages were refused or came late, by reason."""

from collections.abc import Mapping

from sqlalchemy import text

from store.connection import Connection

DEAD_LETTERED = "dead_lettered"
LATE = "late"
DROPPED = "dropped"
IGNORED_FOLLOWER = "ignored_follower"


async def count(connection: Connection, outcome: str, reasons: Mapping[str, int]) -> None:
    """Add to the counts of an outcome, in one statement."""
    reasons = {reason: number for reason, number in sorted(reasons.items()) if number}
    if reasons:
        await connection.execute(
            _ADD, {"outcome": outcome, "reasons": list(reasons), "numbers": list(reasons.values())}
        )


_ADD = text(
    """
    INSERT INTO message_counts (outcome, reason, count)
    SELECT CAST(:outcome AS text), u.reason, u.number
    FROM unnest(CAST(:reasons AS text[]), CAST(:numbers AS bigint[])) AS u(reason, number)
    ON CONFLICT (outcome, reason) DO UPDATE SET count = message_counts.count + excluded.count, last_at = now()
    """
)
