"""What one fault came to, and how it is told."""

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from faults.load.watch import PHASES


class Sort(StrEnum):
    """What a line is about."""

    FAULT = "fault"
    COMPARISON = "comparison"
    """Nothing was done."""
    BAD_INPUT = "bad input"
    WHOLE = "the whole run"


@dataclass
class Result:
    """One line of the report."""

    fault: str
    """What was done to which part, in a few words: "API: SIGKILL"."""
    times: int = 0
    """How often it was done; of bad input: how much of it there was."""
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
    sort: Sort = Sort.BAD_INPUT
    goal: float = float("inf")
    """Seconds: a longer recovery is told, and is no failure."""
    impossible: str = ""
    """Why it cannot be done on this machine."""

    @property
    def slow(self) -> int:
        """How many recoveries took longer than the goal."""
        return sum(took > self.goal for took in self.recoveries)

    def line(self) -> str:
        """For the terminal."""
        recovery = "-"
        if self.recoveries:
            recovery = f"{statistics.median(self.recoveries):.1f} / {max(self.recoveries):.1f} s"
        each = str(min(self.phases[phase] for phase in PHASES)) if self.phases else "-"
        return f"{self.fault:<46} {self.times:>7} {each:>10} {self.missions:>9} {len(self.broken):>7}   {recovery}"


HEADER = f"{'fault':<46} {'times':>7} {'each phase':>10} {'missions':>9} {'broken':>7}   recovery p50 / max"
"""`each phase`: how often at least the missions' rarest phase was hit; `missions`: the sum of all times.

`broken`: what was found out from the fault's beginning until the next one's. A mission is stuck after five minutes:
what stopped it may have been a fault before. Journals, messages and the database are looked at when all is over.
"""


_ENDED_BY_A_SIGNAL = 130


def verdict(results: list[Result], *, complete: bool = True) -> tuple[str, int]:
    """The last line and the exit code. A missed goal, or what could not be done, is told, and is no failure.

    `complete` False: somebody ended the run, so that what was broken is known and what holds is not.
    """
    broken = [result for result in results if result.broken]
    said = [_faults([result for result in results if result.sort is Sort.FAULT]), _bad_input(results)]
    told = " ".join(sentence for sentence in said if sentence)
    if not broken and not complete:
        return f"Ended early: no invariant broken until then. {told}", _ENDED_BY_A_SIGNAL
    if not broken:
        return f"Passed: no invariant broken. {told}", 0
    where = ", ".join(f"{result.fault} ({len(result.broken)})" for result in broken)
    return f"FAILED: {sum(len(result.broken) for result in broken)} invariants broken: {where}. {told}", 1


def _faults(faults: Sequence[Result]) -> str:
    if not faults:
        return ""
    done = [fault for fault in faults if fault.times]
    sentences = [f"{sum(fault.times for fault in done)} faults done, of {len(done)} of {len(faults)} kinds."]
    if impossible := [fault.fault for fault in faults if fault.impossible]:
        sentences.append(f"Not possible here: {', '.join(impossible)}.")
    if left := [fault.fault for fault in faults if not fault.times and not fault.impossible]:
        sentences.append(f"Not done: {', '.join(left)}.")
    measured = sum(len(fault.recoveries) for fault in done)
    sentences.append(f"{sum(fault.slow for fault in done)} of {measured} recoveries took longer than their goal.")
    return " ".join(sentences)


def _bad_input(results: Sequence[Result]) -> str:
    given = [f"{result.fault}: {result.times:,}" for result in results if result.sort is Sort.BAD_INPUT]
    return f"Bad input: {', '.join(given)}." if given else ""
