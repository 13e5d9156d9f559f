"""Missions of platforms on the wire: RUN_MISSION and what became of it."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, field_validator

from api.models.base import Moment, Resource
from api.models.work_processes import Attention, MissionFailure, WaitingReason
from missions.mission_files.issues import Issue
from missions.priorities import Priority
from missions.requests import AnyPriority, Request, SentTime, Words
from missions.statuses import OnBusy, Pause, WorkProcessStatus
from store.rows import Row

MissionId = Annotated[
    str,
    Field(
        pattern=r"^\.*[A-Za-z0-9_:-][A-Za-z0-9_.:-]*$",  # an address with `.` or `..` is another one
        max_length=100,
        description="the client's own id of the mission: letters, digits and `_.:-`, not dots alone",
        examples=["ctd-2026-11"],
    ),
]


class RunOptions(Request):
    """What is said beside a mission file that is to be run."""

    mission_id: MissionId
    on_busy: Annotated[OnBusy | None, Field(strict=False)] = Field(
        None,
        description="when another mission holds one of its instruments: `wait`, or `refuse` with 409; default: the "
        "setting MUSTER_INSTRUMENTS_BUSY",
    )
    priority: AnyPriority = Priority.NORMAL
    time_scale: float = Field(
        1.0,
        gt=0,
        le=100_000,
        description="how many times as fast the mission's time goes; for demos and tests, where the setting "
        "MUSTER_MISSION_TIME_SCALE allows it",
    )
    time_anchor: SentTime | None = Field(
        None, description="the mission's time at its acceptance, likewise; default: the present moment"
    )

    @field_validator("time_anchor")
    @classmethod
    def _in_this_age(cls, moment: datetime | None) -> datetime | None:
        if moment is not None and not 1900 <= moment.year < 3000:
            raise ValueError(f"the year {moment.year} is out of reach; send one from 1900 to 2999")
        return moment


class RunQuery(RunOptions):
    """The same in an address: all of it where the body is the file itself."""

    # Query values arrive as text.
    model_config = ConfigDict(strict=False)

    mission_id: MissionId | None = None  # type: ignore[assignment]  # JSON has it in the body


class RunMission(RunOptions):
    """RUN_MISSION: a mission file under an id that no running mission of the platform has."""

    mission_yaml: str = Field(description="the mission file, as text", min_length=1)


class AbortMission(Request):
    """ABORT_MISSION."""

    reason: Words = Field("", examples=["the ship is leaving"])


class MissionThread(Resource):
    """One thread of a mission."""

    number: int = Field(description="its place in the file, from 0")
    kind: str = Field(description="`timed` or `event`", examples=["timed"])
    status: str = Field(
        description="`not_started`, `preparing`, `waiting`, `running`, `closing`, `done`, `aborted` or `stopped`",
        examples=["running"],
    )
    instruments: list[str]
    loop: int = Field(description="how many of its mission sequences have started")
    loops: int | None = Field(description="how many there are in all; null: without end")
    command: str | None = Field(description="what runs now, as the file says it")
    next_start_at: Moment | None = Field(description="of a timed thread that waits, in the mission's time")
    waits_for: str | None = Field(description="of an event-driven thread: which event, of whom")
    error: str | None = Field(description="of the last command that failed")


class PlatformMission(Resource):
    """A run of a mission file; also a work process, whose id is `workProcessId`."""

    mission_id: str
    work_process_id: int
    platform_id: int
    platform_uuid: str
    name: str
    description: str
    status: WorkProcessStatus
    running: bool
    pause: Pause
    threads: list[MissionThread]
    waiting_reasons: list[WaitingReason]
    attention: list[Attention]
    failure: MissionFailure | None
    cancel_reason: str | None
    time_scale: float
    created_at: Moment
    started_at: Moment | None
    ended_at: Moment | None

    @classmethod
    def of(cls, row: Row, waiting: list[dict[str, Any]]) -> Self:
        """From a row of store/mission_file_queries.py, and why it waits."""
        values = dict(row) | {"mission_id": row["plan_id"], "work_process_id": row["id"], "waiting_reasons": waiting}
        return cls.model_validate(values)


class AcceptedMission(PlatformMission):
    """The same as the answer to RUN_MISSION."""

    warnings: list[Issue] = Field(description="what its file may not mean as it says; it runs all the same")


class MissionFileText(Resource):
    """The mission file of a run, as it came."""

    mission_id: str
    mission_yaml: str
