"""What the planner was asked: a job that it has taken is looked at, and never given again."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from faults.invariants.strikes import Strike, explain

_LOSE_ANSWERS = ("planner", "workers", "PostgreSQL", "Temporal", "all programs")
"""Parts, in the names of faults, by which the answer to a request may not be stored."""
_REQUEST = 45.0
"""Seconds: a request that nobody answers is given up after 30, and made again some seconds later."""


def faults_of(asked: Iterable[dict[str, Any]], strikes: Sequence[Strike]) -> Iterator[str]:
    """Jobs that were given twice though nothing can have happened to the first answer."""
    for line in asked:
        again = line["method"] == "POST" and line["known"]
        if again and not explain(strikes, _LOSE_ANSWERS, line["at"] - _REQUEST, line["at"]):
            yield f"the planner was given job {line['job']} again"
