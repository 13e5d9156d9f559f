"""What is wrong with a mission file, and where."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

# More help nobody, and each takes time: a file may be nothing but mistakes.
_MOST_ISSUES = 500
_LONGEST_TEXT = 120


class Issue(BaseModel):
    """One thing that is wrong with a file (`error`), or that its author may not have meant (`warning`)."""

    model_config = ConfigDict(frozen=True)

    severity: Literal["error", "warning"]
    line: int = Field(description="from 1", examples=[12])
    column: int = Field(description="from 1, in characters", examples=[16])
    path: str = Field(description="whose value it is", examples=["mission[0].schedule.loop.units"])
    text: str = Field(description="what is written there, shortened", examples=["hours"])
    message: str = Field(examples=["`hours` is no unit of time"])
    remedy: str = Field(examples=["write `hrs`"])

    def __str__(self) -> str:
        """As one line."""
        return f"line {self.line}, column {self.column}: {self.message}; {self.remedy}"


@dataclass(frozen=True)
class Place:
    """Where something stands in a file. Line and column from 1."""

    line: int
    column: int
    path: str
    text: str


class Issues:
    """Collects them."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, int, str], Issue] = {}
        self.has_errors = False

    @property
    def full(self) -> bool:
        """There are so many that the rest of a file, which cannot be run, need not be read."""
        return self.has_errors and len(self._found) >= _MOST_ISSUES

    def error(self, place: Place, message: str, remedy: str) -> None:
        """The file cannot be run."""
        self.has_errors = True
        self._add("error", place, message, remedy)

    def warning(self, place: Place, message: str, remedy: str) -> None:
        """The file can be run, but says something without effect, or something risky."""
        self._add("warning", place, message, remedy)

    def _add(self, severity: Literal["error", "warning"], place: Place, message: str, remedy: str) -> None:
        # What an alias repeats stands in the file once.
        key = (place.line, place.column, message)
        most = _MOST_ISSUES if severity == "warning" else 2 * _MOST_ISSUES  # many warnings hide no error
        if key not in self._found and len(self._found) < most:
            self._found[key] = Issue(
                severity=severity,
                line=place.line,
                column=place.column,
                path=place.path,
                text=shortened(place.text),
                message=message,
                remedy=remedy,
            )

    def listed(self) -> list[Issue]:
        """In the file's order."""
        return sorted(self._found.values(), key=lambda issue: (issue.line, issue.column))


def shortened(text: str) -> str:
    """A text as a message may repeat it."""
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"


def nearest(word: str, choices: Iterable[str]) -> str:
    """What was probably meant by an unknown word; empty if nothing comes near."""
    return _nearest(word[:60].lower(), tuple(choices))


@lru_cache(maxsize=1024)
def _nearest(word: str, choices: tuple[str, ...]) -> str:
    by_lower = {choice.lower(): choice for choice in choices}
    found = difflib.get_close_matches(word, by_lower, 1, 0.6)
    return by_lower[found[0]] if found else ""


def one_of(word: str, choices: Iterable[str]) -> str:
    """The remedy for an unknown word."""
    known = list(choices)
    meant = nearest(word, known)
    return f"write `{meant}`" if meant else f"write one of {', '.join(known)}"
