"""What becomes of a message that nobody should send: each has one fate, which is counted on both sides."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from fleet.wire import Reason


class Fate(StrEnum):
    """Where a message ends."""

    DEAD = "dead-lettered"
    """It says nothing that can be used, or a part of it (of a report: the part on an assignment) cannot."""
    REFUSED = "refused"
    """A check-in that may not be: answered, and counted by its reason; whoever knocks fills no queue of ours."""
    ANSWERED = "answered"
    """A data request that cannot be carried out: whoever asked is told why."""
    LATE = "late"
    """A report that contradicts how an assignment ended: counted, noted on the assignment, one event."""
    TAKEN = "taken"
    """Odd but lawful: a repeat, a reservation that nobody asked about, properties that mean nothing to us."""
    GOOD = "good"
    """A numbered state or reading."""


@dataclass(frozen=True)
class Message:
    """One message and its fate; `reason`: the word it is counted under."""

    kind: str
    exchange: str
    key: bytes
    body: bytes
    fate: Fate
    reason: str = ""
    properties: dict[str, bytes] = field(default_factory=dict)

    @property
    def word(self) -> str:
        """Last word of the routing key."""
        return self.key.rpartition(b".")[2].decode(errors="replace")


class Tally:
    """What was sent, by fate and reason."""

    def __init__(self) -> None:
        self.fates: Counter[Fate] = Counter()
        self.reasons: Counter[tuple[Fate, str]] = Counter()
        self.kept: Counter[tuple[str, str]] = Counter()
        """Dead letters by routing word and reason."""
        self.kinds: Counter[str] = Counter()

    def add(self, message: Message) -> None:
        """Count one."""
        self.fates[message.fate] += 1
        self.kinds[message.kind] += 1
        self.reasons[message.fate, message.reason] += 1
        if message.fate is Fate.DEAD:
            self.kept[message.word, message.reason] += 1

    @property
    def bad(self) -> int:
        """All but the good ones."""
        return self.fates.total() - self.fates[Fate.GOOD]


def dead(reason: Reason) -> tuple[Fate, str]:
    """The fate of most."""
    return Fate.DEAD, str(reason)
