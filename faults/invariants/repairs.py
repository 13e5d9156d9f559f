"""What Muster had to repair: whatever no fault explains was left behind by itself."""

from collections.abc import Iterator, Mapping, Sequence

import asyncpg

from faults.invariants.strikes import Strike
from missions.repairs import Repair

_EXPLAINED_BY: Mapping[str, Sequence[str]] = {
    Repair.RUN_ENDED: ("runs terminated",),
    # An engine that died, or was away for longer than the sweeper waits, may have missed what it was told; who ended a
    # mission meanwhile could not end its run.
    Repair.RUN_RESUMED: ("Temporal",),
    Repair.CANCEL_SENT: ("Temporal",),
    Repair.RUN_UNNEEDED: ("Temporal",),
    # A release that came while its agent was away; or an answer to it that was not read for so long.
    Repair.RELEASED_AGAIN: ("agents", "RabbitMQ", "workers (intake)", "PostgreSQL"),
}
"""Parts, in the names of faults. All else is given back in the transaction that ends a mission, and nobody here
edits rows: nothing explains it."""


def faults_of(counts: Mapping[str, int], strikes: Sequence[Strike]) -> Iterator[str]:
    """What should not have been necessary."""
    for kind, count in counts.items():
        parts = _EXPLAINED_BY.get(kind, ())
        if not any(part in strike.fault for strike in strikes for part in parts):
            yield f"{count} repairs ({kind}) that no fault explains"


def told(counts: Mapping[str, int]) -> str:
    """The figures."""
    return "repairs: " + (", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "none")


async def counts(url: str) -> dict[str, int]:
    """By kind."""
    connection = await asyncpg.connect(url)
    try:
        return {row["kind"]: row["count"] for row in await connection.fetch("SELECT kind, count FROM repairs")}
    finally:
        await connection.close()
