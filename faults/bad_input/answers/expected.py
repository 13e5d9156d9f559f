"""How a mission ends whose planner answers oddly: written by the kind of answer, not by who reads it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

LONGEST_REASON = 2_000
"""Characters of a failure's text that somebody can still read."""


@dataclass(frozen=True)
class End:
    """One way to end. `assigned`: the agents that get an assignment, by uuid, once for each."""

    status: str
    code: str = ""
    words: tuple[str, ...] = ()
    """One of them is in the failure's text: it names the field, or what is wrong."""
    assigned: tuple[str, ...] = ()
    retried: bool = False
    """The planner was asked again."""
    final: bool = False
    """It was asked no more after its last answer."""


def refused(*words: str) -> End:
    """The answer cannot be used, and another try would not help."""
    return End("failed", "planning_failed", words, final=True)


def late(*words: str) -> End:
    """Asked again and again until the step's time was over."""
    return End("failed", "planner_timeout", words or ("gave no result within",), retried=True)


def too_slow(*words: str) -> End:
    """One answer took all of the step's time."""
    return End("failed", "planner_timeout", words or ("gave no result within",))


def fine(*assigned: str, retried: bool = False) -> End:
    """In fact valid."""
    return End("succeeded", assigned=assigned, retried=retried)


@dataclass(frozen=True)
class Ended:
    """How a mission did end. `asked`: how often its planner was asked or polled, which has so many `answers`."""

    status: str
    failure: Any
    assigned: tuple[str, ...]
    asked: int
    answers: int = 1


def differences(ended: Ended, ends: Sequence[End]) -> str:
    """What is wrong with it; nothing if it is one of the ways in which it may end."""
    said = [_difference(ended, end) for end in ends]
    return "" if "" in said else " / ".join(said)


def _difference(ended: Ended, end: End) -> str:
    if ended.status != end.status:
        return f"{ended.status}, expected {end.status}: {_short(ended.failure)}"
    if ended.assigned != tuple(sorted(end.assigned)):
        return f"assignments went to {ended.assigned}, expected {end.assigned}"
    if end.retried and ended.asked < 2:
        return "the planner was not asked again"
    if end.final and ended.asked > ended.answers:
        return f"the planner was asked {ended.asked} times, though it had said all in {ended.answers}"
    if end.status == "succeeded":
        return ""
    failure = ended.failure or {}
    text = str(failure.get("text") or "")
    if failure.get("code") != end.code:
        return f"failed by {failure.get('code')!r}, expected {end.code!r}: {_short(text)}"
    if not text or len(text) > LONGEST_REASON:
        return f"the reason has {len(text)} characters"
    if end.words and not any(word.lower() in text.lower() for word in end.words):
        return f"the reason names none of {end.words}: {_short(text)}"
    return ""


def _short(value: object) -> str:
    return str(value)[:300]
