"""How long missions took, and that those beside a flood took hardly longer than others."""

import statistics
from collections.abc import Iterator, Mapping, Sequence

from faults.load.oddities import BESIDE, BESIDE_NOTHING, FLOODED_FOR

_TIMES = 3.0
_MORE = FLOODED_FOR
"""Who floods, and the broker, have the same cores as all others here: a mission may wait for its end, not longer."""


def faults_of(took: Mapping[str, Sequence[float]]) -> Iterator[str]:
    """What is wrong; `took`: seconds, by kind of mission."""
    beside, others = took.get(BESIDE), took.get(BESIDE_NOTHING)
    if beside and others and p95(beside) > _TIMES * p95(others) + _MORE:
        yield f"beside a flood the p95 of missions was {p95(beside):.1f} s, else {p95(others):.1f} s"


def told(took: Mapping[str, Sequence[float]]) -> Iterator[str]:
    """The figures."""
    if BESIDE in took and BESIDE_NOTHING not in took:
        yield f"missions {BESIDE} are compared with nothing: let `none floods` be one of the faults"
    for kind, each in sorted(took.items()):
        figures = f"p50 {statistics.median(each):.1f}, p95 {p95(each):.1f}, at most {max(each):.1f} s"
        yield f"{len(each)} missions ({kind}) took {figures}"


def p95(values: Sequence[float]) -> float:
    """Of at least one."""
    return sorted(values)[int(0.95 * (len(values) - 1))]
