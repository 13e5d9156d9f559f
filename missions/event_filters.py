"""Which events a reader wants: by mission, type or family, agent, platform, severity and time."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from missions.errors import InvalidInput
from missions.events import Event, EventSource, EventType
from missions.statuses import Severity

# Also those within a family: `mission.thread`.
FAMILIES = tuple(sorted({kind[:dot] for kind in EventType for dot, letter in enumerate(kind) if letter == "."}))
_SEVERITIES = list(Severity)  # they are written in rising order


@dataclass(frozen=True)
class EventFilter:
    """What to show; empty or None: all of it. An event must satisfy each part."""

    types: frozenset[str] = frozenset()
    mission_id: int | None = None
    agent: str | None = None
    """Uuid of an agent that said it, that it is meant for, or that an `agent.*` event is about."""
    devices: frozenset[str] = frozenset()
    """Uuids of a platform and its instruments: what `agent` shows of one of them, or has one as its `origin`."""
    severity: Severity = Severity.INFO
    """At least this."""
    since: datetime | None = None
    until: datetime | None = None
    """Not this moment itself."""

    def __bool__(self) -> bool:
        return self != _ALL

    def severities(self) -> list[Severity]:
        """The severities that are shown."""
        return _SEVERITIES[_SEVERITIES.index(self.severity) :]

    def matches(self, event: Event) -> bool:
        """Whether to show this one."""
        return (
            (not self.types or event.type in self.types)
            and (self.mission_id is None or event.mission_id == str(self.mission_id))
            and (self.agent is None or self._names_agent(event, self.agent))
            and (not self.devices or any(self._concerns_device(event, device) for device in self.devices))
            and (self.severity is Severity.INFO or event.severity in self.severities())
            and (self.since is None or event.timestamp >= self.since)
            and (self.until is None or event.timestamp < self.until)
        )

    @staticmethod
    def _names_agent(event: Event, agent: str) -> bool:
        return event.source == EventSource.agent(agent) or agent in (event.target, event.payload.get("agent_uuid"))

    @classmethod
    def _concerns_device(cls, event: Event, device: str) -> bool:
        return event.payload.get("origin") == device or cls._names_agent(event, device)


_ALL = EventFilter()


def expand_types(words: Sequence[str]) -> frozenset[str]:
    """The types that exact names and families (`task.*`) stand for; raises InvalidInput for one that is neither."""
    try:
        return frozenset(kind for word in words for kind in _expanded(word))
    except _UnknownType as error:
        raise InvalidInput(str(error), field="type", value=error.word, remedy=error.remedy) from None


def known_word(word: str) -> str:
    """The word, if it is a type or a family; raises ValueError that names near ones."""
    try:
        _expanded(word)
    except _UnknownType as error:
        raise ValueError(f"{error}; {error.remedy}") from None
    return word


class _UnknownType(Exception):
    """A word that is no type of event and no family."""

    def __init__(self, word: str, remedy: str) -> None:
        super().__init__(f"{word!r} is no type of event and no family")
        self.word, self.remedy = word, remedy


def _expanded(word: str) -> list[str]:
    family = word.removesuffix(".*")
    found = [kind.value for kind in EventType if word == kind or (family != word and kind.startswith(f"{family}."))]
    if not found:
        known = [*EventType, *(f"{family}.*" for family in FAMILIES)]
        near = difflib.get_close_matches(word, known, 3)
        hint = f"perhaps {' or '.join(near)}" if near else f"use a type, or one of {', '.join(known[-len(FAMILIES) :])}"
        raise _UnknownType(word, f"{hint} (GET /api/v1/events/types lists them all)")
    return found
