"""What one case of the conformance suite says: a mission, what goes wrong, and what must come of it."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.conformance.mission_files.mission_text import Thread, mission_file
from tests.support.platform_stage import TIME_SCALE, FileMission, Platform

if TYPE_CHECKING:
    from tests.conformance.mission_files.running import Ran

FILES = Path(__file__).parents[2] / "mission_files"

NORMAL = ("STARTING", "STARTED", "STOPPED")
FAILED = ("STARTING", "STARTED", "STOPPED FAILED")
ABORTED = ("STARTING", "STARTED", "STOPPING ABORTED", "STOPPED ABORTED")
STATUSES = {NORMAL: "succeeded", FAILED: "failed", ABORTED: "canceled"}
"""The status of the work process, by the frame of mission events."""

ANCHOR = datetime(2026, 3, 2, 12, 0, 20, tzinfo=UTC)
"""The mission's time at its acceptance."""


def done(loops: int = 1) -> tuple[str, ...]:
    """The events of a thread that ended normally."""
    return ("T STARTED", *("S STARTED", "S STOPPED") * loops, "T STOPPED")


def broken(loops: int = 0, *, within: bool = True) -> tuple[str, ...]:
    """Of a thread that ended otherwise: after so many whole sequences, and `within` one more or not."""
    return (*done(loops)[:-1], *(("S STARTED",) if within else ()), "T STOPPED FAILED")


@dataclass(frozen=True)
class Fault:
    """What goes wrong with a device: `02` to `04`, or `LJ01D`; as of its simulator, or `stuck`: a parameter."""

    device: str
    kind: str
    command: str
    nth: int = 0
    more: Mapping[str, Any] = field(default_factory=dict)

    def words(self) -> str:
        """In a line, for the table of cases."""
        which = f" no. {self.nth}" if self.nth else ""
        more = "".join(f", {value:g} s" for name, value in self.more.items() if name == "seconds")
        return f"{self.device} {self.kind} {self.command}{which}{more}"


@dataclass(frozen=True)
class Meanwhile:
    """What somebody does while the mission runs."""

    words: str
    do: Callable[[Platform, FileMission], Awaitable[None]]


@dataclass(frozen=True)
class Check:
    """What holds beside the events."""

    words: str
    do: Callable[["Ran"], Awaitable[None] | None]


@dataclass(frozen=True)
class Case:
    """One row of the table. Devices by their numbers: `02` to `04`, and `LJ01D`."""

    name: str
    events: tuple[tuple[str, ...], ...]
    """Of each thread, in the order in which they must come."""
    threads: tuple[Thread, ...] = ()
    file: str = ""
    """Instead of threads: a file of `tests/mission_files/`."""
    but: tuple[str, str] = ("", "")
    """What is put in place of what in its text."""
    frame: tuple[str, ...] = NORMAL
    commands: Mapping[str, str] = field(default_factory=dict)
    """The names of all commands that a device got, in order."""
    ends: Mapping[str, str] = field(default_factory=dict)
    """The states of the instruments at the end, where it is not COMMAND."""
    faults: tuple[Fault, ...] = ()
    errors: Mapping[int, str] = field(default_factory=dict)
    """What a thread's STOPPED FAILED says, or a part of it; empty: nothing, as of one that was stopped."""
    meanwhile: Meanwhile | None = None
    also: Check | None = None
    scale: float = TIME_SCALE
    anchor: datetime = ANCHOR

    @property
    def in_short(self) -> list[str]:
        """The events of each thread; `S` is a sequence that started and stopped."""
        return [f"{number}: {_short(events)}" for number, events in enumerate(self.events)]

    def text(self) -> str:
        """The mission file."""
        if not self.file:
            return mission_file(*self.threads)
        text = (FILES / self.file).read_text()
        assert self.but[0] in text
        return text.replace(*self.but) if self.but[0] else text


def _short(events: tuple[str, ...]) -> str:
    folded = ", ".join(events).replace("S STARTED, S STOPPED", "S").split(", ")
    return ", ".join(counted(folded))


def counted(words: Iterable[str]) -> list[str]:
    """Each word once, with its number where it comes several times in a row."""
    counts = [(word, len(list(group))) for word, group in groupby(words)]
    return [word if count == 1 else f"{count} × {word}" for word, count in counts]
