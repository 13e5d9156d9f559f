"""`mission.*`: the life of a mission file's run, in the fields of platform agents' mission executives."""

from enum import StrEnum
from typing import Any, ClassVar

from pydantic import Field

from missions.event_payloads.base import Payload


class SubType(StrEnum):
    """What happened to the mission, its thread or its sequence."""

    STARTING = "STARTING"
    STARTED = "STARTED"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"


class ExecutionStatus(StrEnum):
    """How it stands."""

    OK = "OK"
    ABORTED = "ABORTED"
    FAILED = "FAILED"


class Scope(StrEnum):
    """What the event is about: threads and their sequences share all other fields."""

    MISSION = "mission"
    THREAD = "thread"
    SEQUENCE = "sequence"


class Lifecycle(Payload):
    """What all of them have. `OWN`: what a type's example has otherwise."""

    OWN: ClassVar[dict[str, Any]] = {}

    origin: str = Field(description="uuid of the platform", examples=["LJ01D"])
    origin_type: str = Field("PlatformDevice", description="always `PlatformDevice`", examples=["PlatformDevice"])
    plan_id: str = Field(description="the mission's id, as its client chose it", examples=["ctd-2026-11"])
    sub_type: SubType = Field(description="what happened", examples=["STARTED"])
    execution_status: ExecutionStatus = Field(ExecutionStatus.OK, description="how it stands", examples=["OK"])
    mission_thread_id: str = Field(
        "", description="the thread's place in the file, from 0; empty: the mission itself", examples=[""]
    )
    scope: Scope = Field(Scope.MISSION, description="what the event is about", examples=["mission"])
    loop: int | None = Field(None, description="which of the thread's sequences, from 1", examples=[None])
    description: str = Field("", description="in words", examples=["Mission ctd-2026-11 has started"])

    @classmethod
    def example(cls) -> dict[str, Any]:
        """One that may come."""
        return super().example() | cls.OWN


_THREAD = {"mission_thread_id": "0", "scope": "thread"}
_SEQUENCE = {"mission_thread_id": "0", "scope": "sequence", "loop": 1}


class MissionStarting(Lifecycle):
    """A mission file was accepted."""

    OWN: ClassVar[dict[str, Any]] = {
        "sub_type": "STARTING",
        "description": "Mission ctd-2026-11 is about to start execution",
    }


class MissionStarted(Lifecycle):
    """All its threads have started."""


class MissionStopping(Lifecycle):
    """Its abort has begun."""

    OWN: ClassVar[dict[str, Any]] = {
        "sub_type": "STOPPING",
        "execution_status": "ABORTED",
        "description": "Mission ctd-2026-11 abort sequence has started",
    }


class MissionStopped(Lifecycle):
    """It has ended."""

    OWN: ClassVar[dict[str, Any]] = {"sub_type": "STOPPED", "description": "Mission ctd-2026-11 has exited normally"}


class MissionThreadStarted(Lifecycle):
    """A thread starts."""

    OWN: ClassVar[dict[str, Any]] = {**_THREAD, "description": "Mission thread 0 has started"}


class MissionThreadStopped(Lifecycle):
    """A thread has ended."""

    OWN: ClassVar[dict[str, Any]] = {
        **_THREAD,
        "sub_type": "STOPPED",
        "description": "Mission thread 0 has exited normally",
    }


class MissionSequenceStarted(Lifecycle):
    """A thread's mission sequence starts."""

    OWN: ClassVar[dict[str, Any]] = {**_SEQUENCE, "description": "MissionSequence starting..."}


class MissionSequenceStopped(Lifecycle):
    """A thread's mission sequence has ended well."""

    OWN: ClassVar[dict[str, Any]] = {
        **_SEQUENCE,
        "sub_type": "STOPPED",
        "description": "MissionSequence loop 1 of 3 complete. Next start at 2026-11-22 14:24:00 UTC",
    }


class MissionLoadError(Payload):
    """A mission file was refused."""

    origin: str = Field(description="uuid of the platform", examples=["LJ01D"])
    origin_type: str = Field("PlatformDevice", description="always `PlatformDevice`", examples=["PlatformDevice"])
    plan_id: str = Field(description="the mission's id, as its client chose it", examples=["ctd-2026-11"])
    description: str = Field(description="what is wrong, in words", examples=["line 3, column 7: unknown key `nmae`"])
