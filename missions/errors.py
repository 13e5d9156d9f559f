"""What can go wrong, once: error → retried? → HTTP status → mission status.

MusterError
├── UserError                     refused, nothing stored; says field, value and remedy
│   ├── InvalidInput              422
│   ├── NotFound                  404
│   ├── Conflict                  409
│   ├── Gone                      410
│   └── TooLarge                  413
├── MissionError                  ends the mission; carries a Failure
│   └── PlanningFailed            not retried, → planning_failed
└── PartUnavailable               503; retried by the engine
"""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

ILLEGAL_TRANSITION = "IllegalTransition"
"""The type of a fault of ours that another try would meet again; it ends the mission (store/work_process_status.py)."""


class FailureCode(StrEnum):
    """Why a mission failed: a closed list, one line for operators each (docs/operators.md)."""

    DISPATCH_REFUSED = "dispatch_refused"
    PLANNING_FAILED = "planning_failed"
    PLANNER_TIMEOUT = "planner_timeout"
    STEP_INPUT_INVALID = "step_input_invalid"
    AGENT_UNKNOWN = "agent_unknown"
    AGENT_NOT_LISTENING = "agent_not_listening"
    AGENT_HELD = "agent_held"
    RESERVATION_TIMEOUT = "reservation_timeout"
    ASSIGNMENT_FAILED = "assignment_failed"
    ASSIGNMENT_TIMEOUT = "assignment_timeout"
    ASSIGNMENT_NOT_STARTED = "assignment_not_started"
    AGENT_SILENT = "agent_silent"
    MISSION_TIMEOUT = "mission_timeout"
    THREAD_ABORTED = "thread_aborted"
    TERMINATED = "terminated"
    RUN_LOST = "run_lost"
    INTERNAL = "internal"


class Failure(BaseModel):
    """Why a mission failed, as users read it."""

    model_config = ConfigDict(frozen=True)

    code: FailureCode
    text: str
    step: str | None = None
    url: str | None = None
    assignment_id: int | None = None
    agent_id: int | None = None


class MusterError(Exception):
    """Base of all errors that Muster raises on purpose."""


class UserError(MusterError):
    """A user's mistake: names the field, the value and the remedy."""

    status = 400
    title = "Bad request"

    def __init__(self, detail: str, *, field: str | None = None, value: object = None, remedy: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field
        self.value = value
        self.remedy = remedy


class InvalidInput(UserError):
    """A value that cannot be accepted."""

    status = 422
    title = "Invalid input"


class NotFound(UserError):
    """Something that does not exist."""

    status = 404
    title = "Not found"


class Conflict(UserError):
    """Something that the present state forbids."""

    status = 409
    title = "Conflict"


class Gone(UserError):
    """Something that was there and is kept no more."""

    status = 410
    title = "Gone"


class TooLarge(UserError):
    """A request body over the limit."""

    status = 413
    title = "Too large"


class MissionError(MusterError):
    """Ends the mission with its failure."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self.failure = failure


class PlanningFailed(MissionError):
    """A step could not be planned."""


class PartUnavailable(MusterError):
    """A part (database, broker, engine) does not answer; try again."""

    def __init__(self, part: str, cause: str) -> None:
        super().__init__(f"{part} does not answer: {cause}")
        self.part = part
        self.cause = cause
