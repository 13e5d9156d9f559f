"""The one event envelope (spec 4) and the types of events."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from missions.principals import Principal
from missions.statuses import Severity

SCHEMA_VERSION = 1


class EventType(StrEnum):
    """Every type of event, by family."""

    TASK_CREATED = "task.created"
    TASK_STARTED = "task.started"
    TASK_COMPLETED = "task.completed"
    TASK_FAILED = "task.failed"
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


class EventSource(StrEnum):
    """Who produced an event; agents are `agent:<uuid>`."""

    API = "api"
    MISSION_WORKER = "mission_worker"

    @staticmethod
    def agent(uuid: str) -> str:
        """The source word of one agent."""
        return f"agent:{uuid}"


class Action(StrEnum):
    """What became of a recipe, service, webhook or yard: the `action` of its `….changed` event."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


class NewEvent(BaseModel):
    """An event as a writer makes it; the store adds id, positions and time."""

    model_config = ConfigDict(frozen=True)

    type: EventType
    source: str
    payload: dict[str, Any] = Field(default_factory=dict)
    actor: Principal
    severity: Severity = Severity.INFO
    target: str | None = None
    causation_id: str | None = None
    source_module: str = "missions"


class Event(BaseModel):
    """An event as readers get it.

    `sequence`: global position, given after the commit (None until then). `mission_sequence`: 1, 2, 3 … of its mission.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    type: str
    source: str
    target: str | None
    timestamp: datetime
    payload: dict[str, Any]
    mission_id: str | None
    task_id: str | None
    correlation_id: str | None
    causation_id: str | None
    severity: Severity
    actor: Principal
    meta: dict[str, Any]
    sequence: int | None
    mission_sequence: int | None


def epoch(moment: datetime) -> float:
    """Seconds since 1970, as spec 4's payloads want it."""
    return moment.timestamp()


def utc_now() -> datetime:
    """The present moment, aware."""
    return datetime.now(UTC)
