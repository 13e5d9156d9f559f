"""Mission files of the cases, written short."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import yaml

PAST = datetime(2014, 7, 18)
"""A start long ago, on the full minute."""


@dataclass(frozen=True)
class Thread:
    """One mission thread.

    Commands as in a file, without their instrument if it is the thread's first; a bare `NAME` is
    `execute_resource(NAME)`; ` !policy` at the end is its onError.
    """

    sequence: tuple[str, ...] = ()
    pre: tuple[str, ...] = ()
    post: tuple[str, ...] = ()
    ctds: tuple[str, ...] = ("02",)
    start: datetime | None = PAST
    zone: str | None = None
    loop: tuple[int | None, int | None, str | None] = (None, None, None)
    event: tuple[str, str] | None = None
    policy: str = "retry"
    attempts: int = 3
    timeout: float | None = None
    """Seconds, of each command."""

    @property
    def loops(self) -> int | None:
        """How many the file says; None: it says nothing."""
        return self.loop[0]

    def as_file(self) -> dict[str, Any]:
        """As it stands in the file."""
        quantity, value, units = self.loop
        source, event = self.event or (None, None)
        return {
            "missionThread": None,
            "instrumentID": [f"PRE:SBE37_SIM_{ctd}" for ctd in self.ctds],
            "errorHandling": {"default": self.policy, "maxRetries": self.attempts},
            "schedule": {
                "startTime": None if self.event else self.start,
                "timeZone": self.zone,
                "loop": {"quantity": quantity, "value": value, "units": units},
                "event": {"parentID": source, "eventID": event},
            },
            "preMissionSequence": [self._item(command) for command in self.pre],
            "missionSequence": [self._item(command) for command in self.sequence],
            "postMissionSequence": [self._item(command) for command in self.post],
        }

    def _item(self, command: str) -> dict[str, Any]:
        call, _, policy = command.partition(" !")
        if "(" not in call:
            call = f"execute_resource({call})"
        if "," not in call and not call.startswith("wait"):
            call = f"PRE:SBE37_SIM_{self.ctds[0]}, {call}"
        more = {"timeout": self.timeout} if self.timeout and not call.startswith("wait") else {}
        return {"command": call, "onError": policy or None, **more}

    def words(self) -> str:
        """In a line, for the table of cases."""
        if self.event:
            when = f"on {self.event[1]} of {self.event[0]}" + (f", {self.loops} times" if self.loops else "")
        else:
            when = "once" if not self.loops else f"{self.loops} × {self.loop[1]} {self.loop[2]}"
            when += "" if self.start == PAST else f" from {self.start:%Y-%m-%d %H:%M:%S} {self.zone or 'UTC'}"
        handling = f"{self.policy}/{self.attempts}" + (f", timeout {self.timeout:g} s" if self.timeout else "")
        named = (("pre", self.pre), ("mission", self.sequence), ("post", self.post))
        parts = [f"{name}: {', '.join(commands)}" for name, commands in named if commands]
        return f"{'+'.join(self.ctds)} {when}, {handling}; {'; '.join(parts)}"


def mission_file(*threads: Thread) -> str:
    """The file's text."""
    head = {"name": "case", "version": 0.4, "platform": {"platformID": "LJ01D"}}
    return yaml.safe_dump({**head, "mission": [thread.as_file() for thread in threads]}, sort_keys=False)
