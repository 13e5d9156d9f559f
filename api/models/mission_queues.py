"""Mission queues on the wire."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, WithJsonSchema, field_validator

from api.models.base import Moment, PageQuery, QueryText, Resource
from api.models.work_processes import Links
from missions.requests import Name, Request, StartTime, Words
from missions.statuses import QueueStatus, WorkProcessStatus
from missions.transitions import WORK_PROCESS_ENDED

CANCEL = "cancel"
"""helyOS's word for the wish; the queue is `canceling`, then `canceled`."""

_WISHES = (QueueStatus.RUN, QueueStatus.PAUSED, QueueStatus.STOPPED, CANCEL)


def _word(value: object, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        words = ", ".join(f"`{word}`" for word in allowed)
        raise ValueError(f"a client may not write the status {value!r} here; send one of {words}")
    return str(value)


class MissionQueueFields(Request):
    """What clients may set; only fields that were sent count."""

    description: Words | None = None
    stop_on_failure: bool = Field(
        False, description="a mission that fails or is canceled stops the queue; false: the next one follows"
    )
    sched_start_at: StartTime = Field(
        None, description="once it is run, begin not before; RFC 3339 with zone", examples=["2030-01-31T06:00:00Z"]
    )

    def columns(self) -> dict[str, Any]:
        """The queue's columns that were sent."""
        return {name: getattr(self, name) for name in self.model_fields_set if name != "status"}


class MissionQueueCreate(MissionQueueFields):
    """A new queue: `stopped`, or to be `run` at once."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "morning round", "stopOnFailure": True}]})

    name: Name = Field(examples=["morning round"])
    status: Annotated[str, WithJsonSchema({"type": "string", "enum": ["stopped", "run"]})] = Field(
        QueueStatus.STOPPED.value, description="`stopped` or `run`"
    )

    @field_validator("status", mode="before")
    @classmethod
    def _status(cls, value: object) -> str:
        return _word(value, (QueueStatus.STOPPED, QueueStatus.RUN))


class MissionQueuePatch(MissionQueueFields):
    """Changes of a queue, and/or what it shall do."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "run"}, {"stopOnFailure": True}]})

    name: Name = Field("", examples=["morning round"])
    status: Annotated[str | None, WithJsonSchema({"type": "string", "enum": [str(word) for word in _WISHES]})] = Field(
        None, description="`run`, `paused`, `stopped` or `cancel`"
    )

    @field_validator("status", mode="before")
    @classmethod
    def _status(cls, value: object) -> str:
        return _word(value, _WISHES)


class MissionQueueQuery(PageQuery):
    """Which queues to list."""

    status: list[QueryText] = Field(default_factory=list, description="repeat it for several")

    @field_validator("status")
    @classmethod
    def _known(cls, words: list[str]) -> list[str]:
        known = list(QueueStatus)
        for word in words:
            if word not in known:
                raise ValueError(f"{word!r} is no status of a queue; use one of {', '.join(known)}")
        return words


class QueueFailure(Resource):
    """Which mission stopped the queue."""

    code: str = Field(examples=["mission_failed"])
    text: str
    work_process_id: int


class MissionQueue(Resource):
    """A queue of missions."""

    id: int = Field(examples=[1])
    name: str = Field(examples=["morning round"])
    status: str = Field(examples=["running"])
    description: str | None
    stop_on_failure: bool
    sched_start_at: Moment | None
    started_at: Moment | None = Field(description="when its last run began")
    ended_at: Moment | None
    failure: QueueFailure | None = Field(description="why it stopped, if a mission stopped it")
    created_at: Moment
    modified_at: Moment
    created_by: dict[str, Any]
    version: int = Field(description="also the ETag")
    workflow_id: str | None
    links: Links

    @classmethod
    def of(cls, row: dict[str, Any], links: Links) -> "MissionQueue":
        """The queue of a row."""
        return cls.model_validate(row | {"links": links})


class QueuedMission(Resource):
    """A mission in its queue."""

    id: int
    status: str = Field(examples=["draft"])
    run_order: int
    work_process_type_name: str = Field(examples=["driving"])
    description: str | None
    started_at: Moment | None
    ended_at: Moment | None


class FullMissionQueue(MissionQueue):
    """A queue with its missions."""

    current_mission_id: int | None = Field(description="the mission of it that runs")
    missions: list[QueuedMission] = Field(
        description="in their order; of those that ended the last 50, of the others the first 200"
    )

    @classmethod
    def with_missions(cls, row: dict[str, Any], missions: list[dict[str, Any]], links: Links) -> "FullMissionQueue":
        """The queue of a row, with its missions."""
        idle = {*WORK_PROCESS_ENDED, WorkProcessStatus.DRAFT}
        running = [mission["id"] for mission in missions if mission["status"] not in idle]
        # Others may have been started by hand beside the one that it is waiting for.
        current = row["current_mission_id"] if row["current_mission_id"] in running else next(iter(running), None)
        return cls.model_validate(row | {"links": links, "missions": missions, "current_mission_id": current})
