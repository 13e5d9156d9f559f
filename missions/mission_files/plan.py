"""What a mission file says, read and checked: the mission's threads, their schedules and their commands."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

MISSION_FILE = "mission-file"
"""The recipe name under which runs of mission files stand among the work processes."""

ENDLESS = -1
"""`quantity` of a thread that goes on until its mission is stopped."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class ErrorPolicy(StrEnum):
    """What a failed command does."""

    RETRY = "retry"
    ABORT = "abort"
    ABORT_MISSION = "abortMission"
    SKIP = "skip"


class Method(StrEnum):
    """How a command's name is meant."""

    EXECUTE_AGENT = "execute_agent"
    EXECUTE_RESOURCE = "execute_resource"
    SET_RESOURCE = "set_resource"
    GET_RESOURCE = "get_resource"
    SET_AGENT = "set_agent"
    GET_AGENT = "get_agent"


class Command(_Part):
    """One command. A pause has `wait_minutes` and nothing else; any other has a device, a method and a name."""

    text: str = Field(description="as it is written, trimmed")
    device: str = Field("", description="whose: an instrument's id or the platform's, as it is written, trimmed")
    method: Method | None = None
    name: str = ""
    values: list[JsonValue] = Field(default_factory=list, description="what stands in the braces, in order")
    named: dict[str, JsonValue] = Field(default_factory=dict, description="the `key: value` pairs in the braces")
    wait_minutes: float | None = None
    on_error: ErrorPolicy = Field(description="its own, or its thread's default")
    timeout: float | None = Field(None, description="seconds; none: the setting's")

    def body(self) -> dict[str, Any]:
        """What its agent gets as the assignment's data."""
        return {"command": {"method": self.method, "name": self.name, "args": self.values, "kwargs": self.named}}


class Timing(_Part):
    """When a timed thread runs its mission sequence: on a fixed grid, from start to start."""

    start: datetime = Field(description="wall time in `time_zone`, without an offset")
    time_zone: str = "UTC"
    value: float | None = Field(None, description="of the interval, in `units`; none: it runs once")
    units: str = Field("secs", description="secs, mins, hrs or days")
    quantity: int = Field(1, description="how often; ENDLESS: until the mission is stopped")


class Trigger(_Part):
    """The event that an event-driven thread waits for."""

    source: str = Field(description="whose: an instrument's id or the platform's, as it is written, trimmed")
    event: str
    quantity: int = Field(ENDLESS, description="how many events it serves")


class ThreadPlan(_Part):
    """One mission thread; either timed or event-driven."""

    number: int = Field(description="its place in the file, from 0: the thread's id")
    instruments: list[str] = Field(description="ids as they are written, trimmed")
    max_retries: int = Field(description="attempts in all of each command, at least 1")
    timing: Timing | None = None
    trigger: Trigger | None = None
    pre: list[Command] = Field(default_factory=list)
    sequence: list[Command] = Field(default_factory=list)
    post: list[Command] = Field(default_factory=list)


class MissionPlan(_Part):
    """A mission file that can be run."""

    name: str = ""
    version: str = ""
    description: str = ""
    platform: str = Field("", description="`platformID` of the file; informative")
    threads: list[ThreadPlan]


PREFIX = "PRE:"
"""What mission files write before an instrument's id; it makes no difference."""


def plain_id(text: str) -> str:
    """An instrument's id without the prefix that mission files write."""
    return text.removeprefix(PREFIX)
