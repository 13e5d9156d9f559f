"""What can go wrong with a simulated device on purpose."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What goes wrong with a command."""

    FAIL = "fail"  # it is not done, and reported so
    LATE = "late"  # it is done, and reported, seconds later; a cancel before that stops it
    NEVER = "never"  # it is not done, and not a word is said of it
    TWICE = "twice"  # it is done once, and reported twice


@dataclass
class Fault:
    """One fault: of every command, or of those of a name, or of the n-th of these from now on (from 1; 0: each)."""

    kind: Kind
    command: str = ""
    nth: int = 0
    seconds: float = 1.0
    text: str = "simulated fault"
    seen: int = 0

    def hits(self, name: str) -> bool:
        """Whether it strikes the command that comes now; counts it."""
        if self.command not in ("", name):
            return False
        self.seen += 1
        return self.nth in (0, self.seen)


@dataclass(frozen=True)
class Treatment:
    """How one command is treated; without a fault: well."""

    error: str = ""
    seconds: float = 0.0
    silent: bool = False
    reports: int = 1


class Faults:
    """All faults of one device."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self.ignore_cancel = False

    def add(self, kind: str, command: str = "", nth: int = 0, **more: float | str) -> None:
        """Add one: `kind` as in Kind, or `ignore_cancel`; `more`: seconds of `late`, text of `fail`."""
        if kind == "ignore_cancel":
            self.ignore_cancel = True
        else:
            self._faults.append(Fault(Kind(kind), command, nth, **more))  # type: ignore[arg-type]  # orders come as words

    def clear(self) -> None:
        """No faults from now on."""
        self._faults, self.ignore_cancel = [], False

    def strike(self, name: str) -> Treatment:
        """How the command that comes now is to be treated."""
        hits = {fault.kind: fault for fault in self._faults if fault.hits(name)}
        return Treatment(
            error=hits[Kind.FAIL].text if Kind.FAIL in hits else "",
            seconds=hits[Kind.LATE].seconds if Kind.LATE in hits else 0.0,
            silent=Kind.NEVER in hits,
            reports=2 if Kind.TWICE in hits else 1,
        )
