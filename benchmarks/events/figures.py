"""The figures of the outlets, their goals, and what a run found."""

from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from benchmarks.figures import Load, Spread

EXCHANGE_GOAL = 2000.0
"""Events per second, sustained, from the log to a consumer of the exchange."""
DELAY_GOAL = 250.0
"""p95 in milliseconds, at 500 events per second, to a consumer of the exchange."""
COST_GOAL = 0.05
"""Share of the missions per second (medians) that all outlets may take."""


@dataclass(frozen=True)
class Flow:
    """Events through one outlet: so many written in so many seconds, the last one read in so many. Delays in ms."""

    events: int
    written_in: float
    read_in: float
    delays: dict[str, float]

    @property
    def rate(self) -> float:
        """Events per second, until the last one was read."""
        return self.events / self.read_in


@dataclass
class Found:
    """What a run found; `pairs`: missions with all outlets off, and on."""

    machine: dict[str, Any] = field(default_factory=dict)
    flows: dict[str, Flow] = field(default_factory=dict)
    pairs: list[tuple[Load, Load]] = field(default_factory=list)
    cpu: dict[str, dict[str, float]] = field(default_factory=dict)
    """Milliseconds of CPU a mission, with the outlets `off` and `on`, by process; the driver's own with it."""

    @property
    def cost(self) -> float | None:
        """The share of the missions per second that the outlets take: of the medians of both sides."""
        if not self.pairs:
            return None
        off = median(pair[0].rate for pair in self.pairs)
        return 1 - median(pair[1].rate for pair in self.pairs) / off

    @property
    def costs(self) -> Spread | None:
        """The same, pair by pair."""
        return Spread.of([1 - on.rate / off.rate for off, on in self.pairs]) if self.pairs else None

    def as_json(self) -> dict[str, Any]:
        """Everything."""
        return {
            "machine": self.machine,
            "flows": {name: {**asdict(flow), "rate": round(flow.rate, 1)} for name, flow in self.flows.items()},
            "pairs_per_s": [[round(load.rate, 2) for load in pair] for pair in self.pairs],
            "cost": self.cost,
            "cpu_ms_each": self.cpu,
        }
