"""The statuses and policies of missions, steps, assignments and agents, in the words of helyOS."""

from enum import StrEnum


class WorkProcessStatus(StrEnum):
    """Where a mission stands (spec 1 and 2, with helyOS's transitional statuses)."""

    DRAFT = "draft"
    DISPATCHED = "dispatched"
    PREPARING_RESOURCES = "preparing resources"
    CALCULATING = "calculating"
    EXECUTING = "executing"
    ASSIGNMENTS_COMPLETED = "assignments_completed"
    SUCCEEDED = "succeeded"
    ASSIGNMENT_FAILED = "assignment_failed"
    PLANNING_FAILED = "planning_failed"
    FAILED = "failed"
    CANCELING = "canceling"
    CANCELED = "canceled"

    @classmethod
    def read(cls, text: str) -> "WorkProcessStatus":
        """Read a client's word; spec 2 spells `cancelling` as well."""
        return cls.CANCELING if text == "cancelling" else cls(text)


class QueueStatus(StrEnum):
    """Where a mission queue stands: helyOS's words, with PAUSED, CANCELING and CANCELED.

    RUN: it was asked to run and has not begun, since its time has not come or its workflow has not started yet.
    """

    STOPPED = "stopped"
    RUN = "run"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELING = "canceling"
    CANCELED = "canceled"


class AssignmentStatus(StrEnum):
    """Where one assignment of one agent stands."""

    NOT_READY_TO_DISPATCH = "not_ready_to_dispatch"
    WAIT_DEPENDENCIES = "wait_dependencies"
    TO_DISPATCH = "to_dispatch"
    EXECUTING = "executing"
    ACTIVE = "active"
    SUCCEEDED = "succeeded"
    COMPLETED = "completed"
    REJECTED = "rejected"
    FAILED = "failed"
    ABORTED = "aborted"
    CANCELING = "canceling"
    CANCELED = "canceled"

    @property
    def in_helyos(self) -> str:
        """The word that helyOS's agents wait for: it notes each `succeeded` as `completed` at once."""
        return (AssignmentStatus.COMPLETED if self is AssignmentStatus.SUCCEEDED else self).value


class InstantActionStatus(StrEnum):
    """What became of a command to an agent; NOT_LISTENING: it came back from the broker."""

    TO_SEND = "to_send"
    SENT = "sent"
    NOT_LISTENING = "not_listening"
    ACKNOWLEDGED = "acknowledged"
    FAILED = "failed"


class InstantActionChannel(StrEnum):
    """Where an agent gets a command: with its other instructions, or as a passing message on its stream."""

    INSTANT_ACTIONS = "instantActions"
    STREAM = "stream"


class ServiceRequestStatus(StrEnum):
    """Where one step's request to its service stands."""

    NOT_READY_FOR_SERVICE = "not_ready_for_service"
    WAIT_DEPENDENCIES = "wait_dependencies"
    READY_FOR_SERVICE = "ready_for_service"
    DISPATCHING_SERVICE = "dispatching_service"
    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"
    TIME_OUT = "time-out"
    CANCELED = "canceled"
    SKIPPED = "skipped"


class ServiceDomain(StrEnum):
    """What the results of a service are."""

    ASSIGNMENT_PLANNER = "Assignment planner"
    MAP_SERVER = "Map server"
    STORAGE_SERVER = "Storage server"


class AgentClass(StrEnum):
    """What an agent is."""

    VEHICLE = "vehicle"
    TOOL = "tool"
    ASSISTANT = "assistant"
    CHARGE_STATION = "charge_station"
    PLATFORM = "platform"
    """Carries instruments, and runs mission files with them."""
    INSTRUMENT = "instrument"


COMMANDED = (AgentClass.INSTRUMENT, AgentClass.PLATFORM)
"""Those that take commands of mission files, and whose events threads wait for."""


class AgentStatus(StrEnum):
    """What an agent says of itself; only the agent ever sets it."""

    NOT_AUTOMATABLE = "not_automatable"
    FREE = "free"
    READY = "ready"
    BUSY = "busy"


class Pause(StrEnum):
    """Whether a mission goes on. REQUESTED until the pause holds."""

    NONE = "none"
    REQUESTED = "requested"
    PAUSED = "paused"


class PauseMode(StrEnum):
    """How a mission pauses: before its next step or group; or at once, its agents at work being told as well."""

    DEFERRED = "deferred"
    IMMEDIATE = "immediate"


class OnAgentSilent(StrEnum):
    """What becomes of the assignment of an agent that is silent for too long; attention is raised in any case."""

    WAIT = "wait"
    FAIL = "fail"
    REASSIGN = "reassign"


class OnBusy(StrEnum):
    """What a mission does whose instruments another one holds, or waits for before it."""

    WAIT = "wait"
    REFUSE = "refuse"


class FailurePolicy(StrEnum):
    """What a failed assignment does to its mission; DEFAULT takes the next wider scope's policy."""

    DEFAULT = "DEFAULT"
    FAIL_MISSION = "FAIL_MISSION"
    CONTINUE_MISSION = "CONTINUE_MISSION"
    RELEASE_FAILED = "RELEASE_FAILED"


class UnconfirmedStart(StrEnum):
    """What to do with an assignment of which nobody knows whether it arrived, and whose agent says nothing of it."""

    HOLD = "hold"
    FAIL = "fail"
    RESEND = "resend"


class Severity(StrEnum):
    """How much an event matters to a person."""

    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"
