"""The one event envelope (spec 4) and the types of events."""

from datetime import UTC, datetime
from enum import StrEnum
from itertools import count
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from missions.principals import Principal
from missions.statuses import Severity

SCHEMA_VERSION = 1

_ID = "019b7c1e-5c3e-7d50-9d2c-0f6a4b1c2d3e"
_META: JsonDict = {"schema_version": 1, "producer": "muster", "source_module": "missions"}
_ACTOR: JsonDict = {"kind": "system", "id": "muster", "role": "system"}


class EventType(StrEnum):
    """Every type of event, by family."""

    TASK_CREATED = "task.created"
    TASK_STARTED = "task.started"
    TASK_COMPLETED = "task.completed"
    TASK_FAILED = "task.failed"
    TASK_RETRYING = "task.retrying"
    TASK_CANCELLED = "task.cancelled"

    WORK_PROCESS_CREATED = "work_process.created"
    WORK_PROCESS_UPDATED = "work_process.updated"
    WORK_PROCESS_STATUS_CHANGED = "work_process.status_changed"
    WORK_PROCESS_WAITING = "work_process.waiting"
    WORK_PROCESS_AGENTS_CHOSEN = "work_process.agents_chosen"
    WORK_PROCESS_PAUSE_REQUESTED = "work_process.pause_requested"
    WORK_PROCESS_PAUSED = "work_process.paused"
    WORK_PROCESS_RESUMED = "work_process.resumed"
    WORK_PROCESS_HALT_REQUESTED = "work_process.halt_requested"
    WORK_PROCESS_ATTENTION_RAISED = "work_process.attention_raised"
    WORK_PROCESS_ATTENTION_CLEARED = "work_process.attention_cleared"

    MISSION_QUEUE_CREATED = "mission_queue.created"
    MISSION_QUEUE_UPDATED = "mission_queue.updated"
    MISSION_QUEUE_STATUS_CHANGED = "mission_queue.status_changed"
    MISSION_QUEUE_MISSION_STARTED = "mission_queue.mission_started"
    MISSION_QUEUE_DELETED = "mission_queue.deleted"

    QUEUE_LIMITS_CHANGED = "queue.limits_changed"

    RECIPE_CHANGED = "recipe.changed"
    SERVICE_CHANGED = "service.changed"
    SERVICE_HEALTH_CHANGED = "service.health_changed"
    WEBHOOK_CHANGED = "webhook.changed"
    WEBHOOK_DISABLED = "webhook.disabled"
    YARD_CHANGED = "yard.changed"
    YARD_MAP_UPDATED = "yard.map_updated"

    SERVICE_REQUEST_STATUS_CHANGED = "service_request.status_changed"

    ASSIGNMENT_CREATED = "assignment.created"
    ASSIGNMENT_STATUS_CHANGED = "assignment.status_changed"
    ASSIGNMENT_REASSIGNED = "assignment.reassigned"
    ASSIGNMENT_LATE_REPORT = "assignment.late_report"

    MISSION_STARTING = "mission.starting"
    MISSION_STARTED = "mission.started"
    MISSION_STOPPING = "mission.stopping"
    MISSION_STOPPED = "mission.stopped"
    MISSION_THREAD_STARTED = "mission.thread.started"
    MISSION_THREAD_STOPPED = "mission.thread.stopped"
    MISSION_SEQUENCE_STARTED = "mission.sequence.started"
    MISSION_SEQUENCE_STOPPED = "mission.sequence.stopped"
    MISSION_LOAD_ERROR = "mission.load_error"

    AGENT_REGISTERED = "agent.registered"
    AGENT_UPDATED = "agent.updated"
    AGENT_CHECKED_IN = "agent.checked_in"
    AGENT_CHECKED_OUT = "agent.checked_out"
    AGENT_STATUS_CHANGED = "agent.status_changed"
    AGENT_NOT_LISTENING = "agent.not_listening"
    AGENT_INSTANT_ACTION_REQUESTED = "agent.instant_action_requested"
    AGENT_INSTANT_ACTION_SENT = "agent.instant_action_sent"
    AGENT_INSTANT_ACTION_NOT_DELIVERED = "agent.instant_action_not_delivered"
    AGENT_INSTANT_ACTION_ACKNOWLEDGED = "agent.instant_action_acknowledged"
    AGENT_RATE_LIMITED = "agent.rate_limited"
    AGENT_QUARANTINED = "agent.quarantined"
    AGENT_QUARANTINE_CLEARED = "agent.quarantine_cleared"
    AGENT_PLATFORM_STATE_CHANGED = "agent.platform_state_changed"
    AGENT_INSTRUMENT_STATE_CHANGED = "agent.instrument_state_changed"


SOURCE_PATTERN = "^(api|schedule|queue|mission_worker|agent:.+)$"


class EventSource(StrEnum):
    """Who produced an event; agents are `agent:<uuid>`."""

    API = "api"
    SCHEDULE = "schedule"
    """Schedules, from a later version: readers shall know the word before it comes."""
    QUEUE = "queue"
    MISSION_WORKER = "mission_worker"

    @staticmethod
    def agent(uuid: str) -> str:
        """The source word of one agent."""
        return f"agent:{uuid}"


class Action(StrEnum):
    """What became of a recipe, service, webhook, yard or map object: the `action` of its event."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


class NewEvent(BaseModel):
    """An event as a writer makes it; the store adds id, positions and time. Made by missions/event_catalogue.py.

    `number`: tells it from all others of this process. `cause`: the number of the event that made this one happen,
    where that is written with it, and before it.
    """

    model_config = ConfigDict(frozen=True)

    type: EventType
    source: str
    payload: dict[str, Any] = Field(default_factory=dict)
    actor: Principal
    severity: Severity = Severity.INFO
    target: str | None = None
    number: int = Field(default_factory=count(1).__next__)
    cause: int | None = None

    def caused_by(self, cause: "NewEvent") -> "NewEvent":
        """The same event, as the consequence of another one that is written with it."""
        return self.model_copy(update={"cause": cause.number})


class Meta(BaseModel):
    """How an event was made."""

    model_config = ConfigDict(frozen=True)

    schema_version: int = Field(description="grows when the envelope or a payload changes incompatibly", examples=[1])
    producer: str = Field(description="the product: `muster`", examples=["muster"])
    source_module: str = Field(
        description="part of it that wrote the event: `api`, `fleet` (what agents say) or `missions`",
        examples=["missions"],
    )


class Event(BaseModel):
    """An event as readers get it: spec 4's envelope, with two positions."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(description="UUIDv7; the same however often the event is delivered", examples=[_ID])
    type: str = Field(description="family and what happened, with a dot between")
    source: str = Field(
        description="who produced it: `api`, `queue`, `mission_worker`, `agent:<uuid>`; later also `schedule`",
        examples=["mission_worker"],
        json_schema_extra={"pattern": SOURCE_PATTERN},
    )
    target: str | None = Field(description="whom it is for; null: everybody", examples=[None])
    timestamp: datetime = Field(description="when it happened, RFC 3339", examples=["2026-01-02T03:04:05.678000Z"])
    payload: dict[str, Any] = Field(description="what happened; each type has its own fields")
    mission_id: str | None = Field(description="id of the mission, as text; null: it concerns none", examples=["7"])
    task_id: str | None = Field(description="the same as `mission_id`", examples=["7"])
    correlation_id: str | None = Field(description="the same for all events of one mission: its id", examples=["7"])
    causation_id: str | None = Field(
        description="id of the event that made this one happen, where that is known", examples=[None]
    )
    severity: Severity = Field(description="how much it matters to a person", examples=["INFO"])
    actor: Principal = Field(description="who acted", examples=[_ACTOR])
    meta: Meta = Field(description="how it was made", examples=[_META])
    sequence: int | None = Field(
        description="position in the whole log, given after the commit; null until then", examples=[42]
    )
    mission_sequence: int | None = Field(
        description="position among the mission's events: 1, 2, 3 … without gaps; null: it concerns none", examples=[5]
    )
    attempt: int | None = Field(description="the mission's attempt, from 1; null: it concerns no mission", examples=[1])


def module_of(source: str) -> str:
    """The part of Muster that writes events of this source."""
    if source == EventSource.API:
        return "api"
    return "fleet" if source.startswith("agent:") else "missions"


def epoch(moment: datetime) -> float:
    """Seconds since 1970, as spec 4's payloads want it."""
    return moment.timestamp()


def utc_now() -> datetime:
    """The present moment, aware."""
    return datetime.now(UTC)
