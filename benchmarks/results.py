"""What a run measured, as it is kept and shown."""

import json
import math
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, Load, Ratio, quantile, together

RESULTS = Path(__file__).parent / "results"


@dataclass
class Results:
    """Samples of latencies (milliseconds), rounds of load, and CPU time by process."""

    machine: dict[str, Any] = field(default_factory=dict)
    latencies: dict[Figure, list[float]] = field(default_factory=dict)
    loads: dict[Figure, list[Load]] = field(default_factory=dict)
    cpu: dict[str, dict[str, float]] = field(default_factory=dict)
    """Milliseconds of CPU per mission, and per bare mission, by process."""
    cpu_ratio: float | None = None
    """The CPU time of a bare mission over that of a mission: depends less on what else the machine does."""
    others: float = 0.0
    """Share of the machine that others took during the load."""
    failed: list[str] = field(default_factory=list)

    @property
    def ratio(self) -> Ratio | None:
        """The gate's ratio, if both sides were measured."""
        missions, bare = self.loads.get(Figure.MISSIONS), self.loads.get(Figure.BARE_RATE)
        return Ratio.of(missions, bare) if missions and bare else None

    @property
    def ok(self) -> bool:
        """No mission failed, and the gate is met where it was measured."""
        return not self.failed and (self.ratio is None or self.ratio.passes)

    def latency_ratio(self) -> float | None:
        """The bare mission's start → third activity over submit → assignment: 1 would cost nothing."""
        bare, ours = (self.latencies.get(f) for f in (Figure.BARE_LATENCY, Figure.SUBMIT_TO_ASSIGNMENT))
        return quantile(bare, 0.5) / quantile(ours, 0.5) if bare and ours else None

    def as_json(self) -> dict[str, Any]:
        """Everything, with the figures first."""
        ratio = self.ratio
        return {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "ok": self.ok,
            "machine": self.machine,
            "latencies_ms": {
                figure.name.lower(): {
                    "n": len(samples),
                    "p50": _rounded(quantile(samples, 0.5)),
                    "p95": _rounded(quantile(samples, 0.95)),
                    "max": _rounded(max(samples)),
                }
                for figure, samples in self.latencies.items()
            },
            "rates_per_s": {
                figure.name.lower(): {
                    "n": together(loads).ended,
                    "overall": _rounded(together(loads).rate),
                    "rounds": [_rounded(load.rate) for load in loads],
                }
                for figure, loads in self.loads.items()
            },
            "ratio_to_bare": None if ratio is None else {"overall": _rounded(ratio.overall), **asdict(ratio.rounds)},
            "cpu_ms_each": self.cpu,
            "cpu_ratio_to_bare": None if self.cpu_ratio is None else _rounded(self.cpu_ratio),
            "others_share": _rounded(self.others),
            "failed": self.failed,
            "samples_ms": {figure.name.lower(): list(map(_rounded, s)) for figure, s in self.latencies.items()},
        }

    def write(self, folder: Path = RESULTS) -> Path:
        """Keep them in a file named by the time."""
        folder.mkdir(exist_ok=True)
        file = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
        file.write_text(json.dumps(self.as_json(), indent=1) + "\n")
        return file


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 2)
