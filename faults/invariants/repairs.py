"""What Muster had to repair: whatever no fault explains was left behind by itself."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from faults.invariants.strikes import Strike, explain
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
_REPAIRED_WITHIN = 60.0
"""Seconds after what made it necessary."""


@dataclass(frozen=True)
class Look:
    """How many repairs there were until then, by kind; `at`: seconds of the clock."""

    at: float
    counts: Mapping[str, int]


def faults_of(looks: Sequence[Look], strikes: Sequence[Strike]) -> Iterator[str]:
    """What should not have been necessary: repairs between two looks that no fault then, or just before, explains."""
    for before, after in itertools.pairwise(looks):
        for kind, count in after.counts.items():
            more, parts = count - before.counts.get(kind, 0), _EXPLAINED_BY.get(kind, ())
            if more and not explain(strikes, parts, before.at - _REPAIRED_WITHIN, after.at):
                yield f"{more} repairs ({kind}) that no fault explains"


def told(counts: Mapping[str, int]) -> str:
    """The figures."""
    return "repairs: " + (", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "none")
