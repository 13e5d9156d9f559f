"""The figures and their arithmetic: quantiles, rates, ratios, goals, what is met. Pure; times in milliseconds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median


class Figure(StrEnum):
    """Everything that is measured."""

    SUBMIT_TO_ASSIGNMENT = "submit → assignment at the agent"
    DONE_TO_NEXT = "agent done → next assignment"
    DONE_TO_RELEASE = "agent done → release at the agent"
    CANCEL = "cancel → cancel at the agent"
    MISSIONS = "one-step missions, 50 in flight"
    BARE_LATENCY = "bare mission: start → third activity"
    EMPTY_LATENCY = "empty workflow: start → result"
    BARE_RATE = "bare missions, 50 in flight"
    EMPTY_RATE = "empty workflows, 50 in flight"


# p50 in milliseconds.
LATENCY_GOALS = {
    Figure.SUBMIT_TO_ASSIGNMENT: 100.0,
    Figure.DONE_TO_NEXT: 50.0,
    Figure.DONE_TO_RELEASE: 50.0,
    Figure.CANCEL: 50.0,
}
RATE_GOALS = {Figure.MISSIONS: 12.0}

GATE = 0.5
"""Missions per second over bare missions per second, median over the rounds: the one figure that decides."""

BUSY = 0.1
"""Share of the machine that others may take before absolute figures say little."""

# helyOS core on 2 cores, p50 in milliseconds and missions per second.
HELYOS = {
    Figure.SUBMIT_TO_ASSIGNMENT: 2066.0,
    Figure.DONE_TO_NEXT: 799.0,
    Figure.DONE_TO_RELEASE: 53.0,
    Figure.CANCEL: 26.0,
    Figure.MISSIONS: 11.5,
}


def quantile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that at least this share of them does not exceed (nearest rank); NaN of none."""
    if not samples:
        return math.nan
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass(frozen=True)
class Load:
    """What one round did: how many ended, in how many seconds from the first start to the last end."""

    ended: int
    seconds: float

    @property
    def rate(self) -> float:
        """How many a second."""
        return self.ended / self.seconds if self.seconds else math.nan


def together(loads: Sequence[Load]) -> Load:
    """Rounds as one."""
    return Load(sum(load.ended for load in loads), sum(load.seconds for load in loads))


@dataclass(frozen=True)
class Spread:
    """Minimum, median and maximum over rounds."""

    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of at least one value."""
        return cls(min(values), median(values), max(values))


@dataclass(frozen=True)
class Ratio:
    """Missions over bare missions: over all rounds, and how it spread."""

    overall: float
    rounds: Spread

    @classmethod
    def of(cls, missions: Sequence[Load], bare: Sequence[Load]) -> "Ratio":
        """Pairs the rounds in their order."""
        pairs = zip(missions, bare, strict=True)
        return cls(
            together(missions).rate / together(bare).rate,
            Spread.of([mission.rate / alone.rate for mission, alone in pairs]),
        )

    @property
    def passes(self) -> bool:
        """Whether the gate is met; by the median, since a neighbour's work may hit either side of a round."""
        return self.rounds.middle >= GATE


def is_met(figure: Figure, value: float) -> bool | None:
    """Whether a p50 or a rate meets its goal; None without a goal."""
    if figure in LATENCY_GOALS:
        return value < LATENCY_GOALS[figure]
    if figure in RATE_GOALS:
        return value >= RATE_GOALS[figure]
    return None
