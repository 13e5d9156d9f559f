"""Which failures of a mission are tried again, and how much a failure matters."""

from missions.errors import FailureCode
from missions.statuses import Severity

_ALWAYS = frozenset(
    {
        FailureCode.PLANNING_FAILED,
        FailureCode.PLANNER_TIMEOUT,
        FailureCode.AGENT_UNKNOWN,
        FailureCode.AGENT_NOT_LISTENING,
        FailureCode.RESERVATION_TIMEOUT,
    }
)
# Agents may have done a part of the work, so the recipe has to say that it may be done again.
_IF_THE_RECIPE_SAYS_SO = frozenset(
    {
        FailureCode.ASSIGNMENT_FAILED,
        FailureCode.ASSIGNMENT_TIMEOUT,
        FailureCode.ASSIGNMENT_NOT_STARTED,
        FailureCode.AGENT_SILENT,
    }
)


def is_retryable(code: FailureCode, *, execution_failures: bool) -> bool:
    """Whether another attempt may end better; `execution_failures`: the recipe's `retryExecutionFailures`."""
    return code in _ALWAYS or (execution_failures and code in _IF_THE_RECIPE_SAYS_SO)


def will_retry(code: FailureCode, retry_count: int, max_retries: int, *, execution_failures: bool) -> bool:
    """Whether another attempt follows. `retry_count`: failures so far; `max_retries`: attempts in all (spec 4)."""
    return retry_count < max_retries and is_retryable(code, execution_failures=execution_failures)


def severity(retry_count: int, max_retries: int, *, will_retry: bool) -> Severity:
    """Of `task.failed` (spec 4's matrix): CRITICAL where retries were asked for and are used up."""
    if will_retry:
        return Severity.WARNING
    return Severity.CRITICAL if 0 < max_retries <= retry_count else Severity.ERROR
