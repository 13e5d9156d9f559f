"""What one fault came to, and how it is told."""

import statistics
from collections import Counter
from dataclasses import dataclass, field

from faults.load.watch import PHASES


@dataclass
class Result:
    """One line of the report."""

    fault: str
    """What was done to which part, in a few words: "worker (missions) killed"."""
    times: int = 0
    missions: int = 0
    """Missions that were open when it was done, or (of bad input) that went on beside it."""
    phases: Counter[str] = field(default_factory=Counter)
    """How many of the times at least one mission was in this phase."""
    recoveries: list[float] = field(default_factory=list)
    """Seconds from the part being back until missions flow again, one for each time."""
    broken: list[str] = field(default_factory=list)
    """Invariants that did not hold, in words that name the mission or the agent; empty is well."""
    remarks: list[str] = field(default_factory=list)
    """What else there is to tell: cases of unknown outcome and how they were settled, figures."""

    def line(self) -> str:
        """For the terminal."""
        recovery = "-"
        if self.recoveries:
            recovery = f"{statistics.median(self.recoveries):.1f} / {max(self.recoveries):.1f} s"
        each = str(min(self.phases[phase] for phase in PHASES)) if self.phases else "-"
        return f"{self.fault:<46} {self.times:>7} {each:>10} {self.missions:>9} {len(self.broken):>7}   {recovery}"


HEADER = f"{'fault':<46} {'times':>7} {'each phase':>10} {'missions':>9} {'broken':>7}   recovery p50 / max"
"""`each phase`: how often at least the missions' rarest phase was hit; `missions`: the sum of all times."""


def verdict(results: list[Result]) -> tuple[str, int]:
    """The last line and the exit code."""
    broken = sum(len(result.broken) for result in results)
    times = sum(result.times for result in results)
    if broken:
        return f"FAILED: {broken} invariants broken by {len(results)} kinds of faults, {times} in all.", 1
    return f"Passed: {times} faults of {len(results)} kinds, no invariant broken.", 0
