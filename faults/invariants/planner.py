"""What the planner was asked: a job that it has taken is looked at, and never given again; and what it answered."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from faults.invariants.strikes import Strike, explain
from faults.load.scripts import RESULT_TIMEOUT

_LOSE_ANSWERS = ("planner", "workers", "PostgreSQL", "Temporal", "all programs")
"""Parts, in the names of faults, by which the answer to a request may not be stored."""
_REQUEST = 45.0
"""Seconds: a request that nobody answers is given up after 30, and made again some seconds later."""
_FORGOTTEN = ("network to planner: half-open",)
"""A service may take all its time for the answer to its first request, so a dead connection is waited for as long."""
_ENDING = 30.0
"""Seconds from the planner's time-out to the mission's end, on a busy machine."""


def faults_of(asked: Iterable[dict[str, Any]], strikes: Sequence[Strike]) -> Iterator[str]:
    """Jobs that were given twice though nothing can have happened to the first answer."""
    for line in asked:
        again = line["method"] == "POST" and line["known"]
        if again and not explain(strikes, _LOSE_ANSWERS, line["at"] - _REQUEST, line["at"]):
            yield f"the planner was given job {line['job']} again"


def unanswered(missions: Mapping[int, float], strikes: Sequence[Strike]) -> Iterator[str]:
    """Missions whose answer no fault took along; `missions`: those that failed without one → when they had ended."""
    for mission, ended in missions.items():
        if not explain(strikes, _FORGOTTEN, ended - RESULT_TIMEOUT - _ENDING, ended):
            yield f"mission {mission} got no answer from its planner"
