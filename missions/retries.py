"""Which failures of a mission are tried again, and how much a failure matters."""

from datetime import datetime

from missions.errors import FailureCode
from missions.statuses import Severity

RETRY = "retry"
"""The waiting reason of a mission between two attempts."""

_RETRYABLE = frozenset(
    {
        FailureCode.PLANNING_FAILED,
        FailureCode.PLANNER_TIMEOUT,
        FailureCode.AGENT_UNKNOWN,
        FailureCode.AGENT_NOT_LISTENING,
        FailureCode.AGENT_HELD,
        FailureCode.RESERVATION_TIMEOUT,
        FailureCode.ASSIGNMENT_FAILED,
        FailureCode.ASSIGNMENT_TIMEOUT,
        FailureCode.ASSIGNMENT_NOT_STARTED,
        FailureCode.AGENT_SILENT,
    }
)


def is_retryable(code: FailureCode, *, executed: bool, execution_failures: bool) -> bool:
    """Whether another attempt may end better, and may be made. `execution_failures`: `retryExecutionFailures`.

    `executed`: assignments were sent in this attempt. Whatever it failed by then, agents may have done a part of the
    work, and the recipe has to say that it may be done again.
    """
    return code in _RETRYABLE and (execution_failures or not executed)


def will_retry(
    code: FailureCode, retry_count: int, max_retries: int, *, executed: bool, execution_failures: bool
) -> bool:
    """Whether another attempt follows. `retry_count`: failures so far; `max_retries`: attempts in all (spec 4)."""
    retryable = is_retryable(code, executed=executed, execution_failures=execution_failures)
    return retry_count < max_retries and retryable


def severity(retry_count: int, max_retries: int, *, will_retry: bool) -> Severity:
    """Of `task.failed` (spec 4's matrix): CRITICAL where retries were asked for and are used up."""
    if will_retry:
        return Severity.WARNING
    return Severity.CRITICAL if 0 < max_retries <= retry_count else Severity.ERROR


def waits(why: str, begins: datetime, *, paused: bool) -> str:
    """What a mission says between two attempts. `why`: which attempt failed, and how."""
    at = f"{begins:%Y-%m-%d %H:%M:%S %Z}"
    return f"{why}; the next one begins {f'once the mission is resumed, not before {at}' if paused else f'at {at}'}"
