"""What the API takes and answers about mission files."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, WithJsonSchema

from api.models.base import Resource
from api.models.platforms import NamedPlatform
from missions.mission_files.issues import Issue
from missions.mission_files.plan import MissionPlan, ThreadPlan
from missions.mission_files.reader import Read
from missions.mission_files.schedules import interval
from missions.requests import Request

WallTime = Annotated[datetime, WithJsonSchema({"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"})]
"""Without an offset, which OpenAPI's `date-time` would have to have."""


class ForPlatform(Request):
    """The platform that a file is checked against; without one, the file is checked by itself."""

    platform_id: NamedPlatform | None = Field(None, description="the platform's id, uuid or alias", examples=["LJ01D"])


class FileToCheck(ForPlatform):
    """A mission file in JSON."""

    content: str = Field(description="the YAML", examples=["mission: []"])


class ThreadSummary(Resource):
    """One thread in a few words. Either `startTime` or `event` is there."""

    number: int = Field(description="its place in the file, from 0")
    instruments: list[str]
    start_time: WallTime | None = Field(None, description="wall time in `timeZone`", examples=["2026-07-18T00:00:00"])
    time_zone: str | None = None
    interval: float | None = Field(None, description="seconds from start to start; null: it runs once")
    quantity: int = Field(description="how often; -1: until the mission is stopped")
    source: str | None = Field(None, description="whose event it waits for")
    event: str | None = None
    commands: list[int] = Field(description="how many, before, in and after its mission sequence", examples=[[1, 3, 1]])

    @classmethod
    def of(cls, thread: ThreadPlan) -> "ThreadSummary":
        """From the plan."""
        timing, trigger = thread.timing, thread.trigger
        each = None if timing is None else interval(timing)
        return cls(
            number=thread.number,
            instruments=thread.instruments,
            start_time=timing and timing.start,
            time_zone=timing and timing.time_zone,
            interval=None if each is None else float(each),
            quantity=timing.quantity if timing is not None else trigger.quantity if trigger is not None else 1,
            source=trigger and trigger.source,
            event=trigger and trigger.event,
            commands=[len(thread.pre), len(thread.sequence), len(thread.post)],
        )


class PlanSummary(Resource):
    """A mission file in a few words."""

    name: str
    version: str
    description: str
    platform: str = Field(description="`platformID` of the file")
    threads: list[ThreadSummary]

    @classmethod
    def of(cls, plan: MissionPlan) -> "PlanSummary":
        """From the plan."""
        return cls(
            **plan.model_dump(exclude={"threads"}), threads=[ThreadSummary.of(thread) for thread in plan.threads]
        )


class CheckedFile(Resource):
    """Whether a mission file can be run, and all that is to be said of it, in the file's order."""

    valid: bool
    errors: list[Issue]
    warnings: list[Issue]
    plan: PlanSummary | None = Field(description="what it says, if it is valid")

    @classmethod
    def of(cls, read: Read) -> "CheckedFile":
        """From what the reader found."""
        return cls(
            valid=read.plan is not None,
            errors=read.errors,
            warnings=read.warnings,
            plan=None if read.plan is None else PlanSummary.of(read.plan),
        )
