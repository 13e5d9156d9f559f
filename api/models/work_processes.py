"""Missions on the wire (spec 2, and Muster's own fields)."""

from typing import Annotated, Any

from pydantic import AliasChoices, ConfigDict, Field, WithJsonSchema, field_validator
from pydantic.config import JsonDict

from api.models.base import Moment, PageQuery, QueryText, Resource
from missions import retries
from missions.priorities import Priority
from missions.requests import Id, MissionChanges, NewMission, Request, SentTime, Words
from missions.statuses import Pause, PauseMode, WorkProcessStatus
from missions.transitions import CLIENT_MAY_CREATE, CLIENT_MAY_WRITE

_EXAMPLE: JsonDict = {
    "workProcessTypeName": "driving",
    "status": "dispatched",
    "yardId": 1,
    "agentIds": [1],
    "waitFreeAgent": True,
    "data": {"goal": {"x": 3.0, "y": 4.0}},
    "priority": "NORMAL",
}


def _client_status(value: object, allowed: frozenset[WorkProcessStatus]) -> WorkProcessStatus:
    words = " or ".join(f"`{status}`" for status in WorkProcessStatus if status in allowed)
    try:
        status = WorkProcessStatus.read(value) if isinstance(value, str) else None
    except ValueError:
        status = None
    if status not in allowed:
        raise ValueError(f"a client may not write the status {value!r} here; send {words}")
    return status


class WorkProcessCreate(NewMission):
    """A new mission; `draft` saves it, `dispatched` starts it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    status: Annotated[WorkProcessStatus, WithJsonSchema({"type": "string", "enum": ["draft", "dispatched"]})] = Field(
        description="`draft` or `dispatched`"
    )

    @field_validator("status", mode="before")
    @classmethod
    def _status(cls, value: object) -> object:
        return _client_status(value, CLIENT_MAY_CREATE)


class WorkProcessPatch(MissionChanges):
    """Changes: fields of a draft, and/or `dispatched`; or `canceling` (also `cancelling`) alone."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "canceling"}, {"priority": "HIGH"}]})

    status: Annotated[
        WorkProcessStatus | None, WithJsonSchema({"type": "string", "enum": ["dispatched", "canceling", "cancelling"]})
    ] = Field(None, description="`dispatched` or `canceling`")

    @field_validator("status", mode="before")
    @classmethod
    def _status(cls, value: object) -> object:
        return _client_status(value, CLIENT_MAY_WRITE)


class CancelBody(Request):
    """Why a mission is cancelled."""

    reason: Words = Field("", examples=["the order was withdrawn"])


class PauseBody(Request):
    """How a mission is paused."""

    mode: Annotated[PauseMode, Field(strict=False)] = Field(
        PauseMode.DEFERRED,
        description="`deferred`: before the next step or group; `immediate`: agents at work are told as well",
    )


class WorkProcessQuery(PageQuery):
    """Which missions to list."""

    status: list[QueryText] = Field(default_factory=list, description="repeat it for several")
    type: QueryText | None = Field(None, description="name of the recipe")
    yard_id: Id | None = None
    agent_id: Id | None = None
    mission_queue_id: Id | None = None
    created_after: SentTime | None = Field(None, description="RFC 3339 with zone")

    @field_validator("status")
    @classmethod
    def _known(cls, words: list[str]) -> list[str]:
        known = list(WorkProcessStatus)
        for word in words:
            if word not in known and word != "cancelling":
                raise ValueError(f"{word!r} is no status; use one of {', '.join(known)}")
        return [WorkProcessStatus.read(word).value for word in words]


class WaitingReason(Resource):
    """One reason why a mission waits."""

    code: str = Field(examples=["agent_reserved"])
    text: str = Field(examples=["agent truck-1 is reserved by work process 7"])
    agent_id: int | None = None
    step: str | None = Field(None, description="of a step that waits")
    since: Moment | None = None


class Attention(Resource):
    """Trouble that needs a person."""

    code: str
    text: str
    agent_id: int | None = None
    assignment_id: int | None = None
    since: Moment | None = None


class MissionFailure(Resource):
    """Why a mission failed."""

    code: str = Field(examples=["planning_failed"])
    text: str
    step: str | None = None
    url: str | None = None
    assignment_id: int | None = None
    agent_id: int | None = None


class Cancel(Resource):
    """Who cancelled, when and why."""

    requested_at: Moment
    reason: str | None = None
    requested_by: dict[str, Any] | None = None
    halt: bool = Field(False, description="the agents' confirmations are not awaited")


class Links(Resource):
    """Where else to look."""

    temporal_ui: str | None = None


class WorkProcess(Resource):
    """A mission."""

    id: int = Field(examples=[42])
    status: str = Field(examples=["executing"])
    work_process_type_name: str = Field(examples=["driving"])
    work_process_type_id: int | None
    yard_id: int | None
    yard_uid: str | None
    agent_ids: list[int]
    agent_uuids: list[str]
    agent_selector: Any = Field(description="which agents would do; `agentIds` are those that it chose")
    data: Any
    wait_free_agent: bool
    description: str | None
    process_type: str | None
    operation_types_required: list[str]
    on_assignment_failure: str
    fallback_mission: str | None
    priority: str = Field(examples=["NORMAL"])
    mission_queue_id: int | None
    run_order: int | None
    sched_start_at: Moment | None
    sched_end_at: Moment | None
    dispatched_at: Moment | None
    started_at: Moment | None
    ended_at: Moment | None
    created_at: Moment
    modified_at: Moment
    attempt: int = Field(description="counts from 1; between two attempts the one that is to come")
    max_retries: int | None = Field(description="attempts in all: 3 means three; null: the recipe's, until dispatch")
    next_attempt_at: Moment | None = Field(
        description="between two attempts: when the next one begins; null in a pause"
    )
    pause: str = Field(description="`none`; `requested` until it holds, then `paused`")
    pause_mode: str | None = Field(description="of the pause that is wished: `deferred` or `immediate`")
    waiting_reasons: list[WaitingReason]
    attention: list[Attention]
    failure: MissionFailure | None
    cancel: Cancel | None
    created_by: dict[str, Any]
    version: int = Field(description="also the ETag")
    workflow_id: str | None
    run_id: str | None
    links: Links

    @classmethod
    def of(cls, row: dict[str, Any], waiting: list[dict[str, Any]], links: Links) -> "WorkProcess":
        """The mission of a row, with why it waits."""
        requested_at = row["cancel_requested_at"]
        cancel = None
        if requested_at is not None:
            cancel = Cancel(
                requested_at=requested_at,
                reason=row["cancel_reason"],
                requested_by=row["cancel_requested_by"],
                halt=row["halt"],
            )
        between, paused = row["status"] == WorkProcessStatus.DISPATCHED, row["pause"] != Pause.NONE
        return cls.model_validate(
            row
            | {
                "priority": priority_name(row["priority"]),
                # What a step waits for is written on the mission, and true while steps run; so is what is said between
                # two attempts, and true until the next one begins.
                "waiting_reasons": waiting + (_as_written(row) if row["status"] in _WAITS_AS_WRITTEN else []),
                "next_attempt_at": row["next_attempt_at"] if between and not paused else None,
                "cancel": cancel,
                "links": links,
            }
        )


_WAITS_AS_WRITTEN = (WorkProcessStatus.DISPATCHED, WorkProcessStatus.CALCULATING, WorkProcessStatus.EXECUTING)


def _as_written(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Of a mission between two attempts with when the next one begins, which a pause puts off."""
    begins, paused = row["next_attempt_at"], row["pause"] != Pause.NONE
    return [
        one | {"text": retries.waits(one["text"], begins, paused=paused)} if one["code"] == retries.RETRY else one
        for one in row["waiting_reasons"]
    ]


def priority_name(value: int) -> str:
    """The name of a stored priority; an odd number of an earlier version stays one."""
    return next((priority.name for priority in Priority if priority == value), str(value))


class Assignment(Resource):
    """What one agent has to do for a mission."""

    id: int
    work_process_id: int
    service_request_id: int | None
    yard_id: int | None
    agent_id: int
    agent_uuid: str
    status: str = Field(examples=["executing"])
    attempt: int
    step: str
    group: int = Field(
        validation_alias=AliasChoices("group", "dispatch_group"), description="its place in `dispatch_order`"
    )
    result_index: int = Field(description="its place in the planner's results")
    data: Any
    result: Any
    error: str | None
    on_assignment_failure: str
    start_time_stamp: str | None
    dispatched_at: Moment | None
    first_report_at: Moment | None
    cancel_sent_at: Moment | None
    ended_at: Moment | None
    created_at: Moment
    modified_at: Moment


class ServiceRequest(Resource):
    """One step's request to its service, without the bulk."""

    id: int
    work_process_id: int
    attempt: int
    step: str
    status: str = Field(examples=["ready"])
    uses: str
    depends_on_steps: list[str]
    service_id: int | None
    service_type: str | None
    service_url: str | None
    request_uid: str | None = Field(description="the service's job id")
    result_timeout: float | None
    failure: MissionFailure | None
    dispatched_at: Moment | None
    result_at: Moment | None
    created_at: Moment
    modified_at: Moment


class FullServiceRequest(ServiceRequest):
    """One step's request with what was sent and answered; null where nothing was."""

    input: Any
    config: Any
    request: Any = None
    response: Any = None
