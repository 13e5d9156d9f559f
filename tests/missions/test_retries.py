"""Which failures are tried again, and how long the next attempt waits."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from missions import retries
from missions.errors import FailureCode as F
from missions.limits import LONGEST
from missions.recipes import MissionOptions
from missions.retry_delays import retry_delay
from missions.statuses import Severity

RETRYABLE = {
    F.PLANNING_FAILED, F.PLANNER_TIMEOUT, F.AGENT_UNKNOWN, F.AGENT_NOT_LISTENING, F.RESERVATION_TIMEOUT,
    F.ASSIGNMENT_FAILED, F.ASSIGNMENT_TIMEOUT, F.ASSIGNMENT_NOT_STARTED, F.AGENT_SILENT, F.AGENT_HELD,
}  # fmt: skip


@pytest.mark.parametrize("code", F)
def test_what_is_tried_again(code: F) -> None:
    for recipe_says_so in (False, True):
        again = retries.is_retryable(code, executed=False, execution_failures=recipe_says_so)
        assert again is (code in RETRYABLE)
    assert retries.is_retryable(code, executed=True, execution_failures=True) is (code in RETRYABLE)
    assert not retries.is_retryable(code, executed=True, execution_failures=False), "agents may have worked"


@pytest.mark.parametrize(
    ("max_retries", "failures", "follows", "severity"),
    [
        (0, 1, False, Severity.ERROR),
        (1, 1, False, Severity.CRITICAL),
        (3, 1, True, Severity.WARNING),
        (3, 2, True, Severity.WARNING),
        (3, 3, False, Severity.CRITICAL),
    ],
)
def test_max_retries_counts_attempts_in_all(max_retries: int, failures: int, follows: bool, severity: Severity) -> None:
    again = retries.will_retry(F.PLANNING_FAILED, failures, max_retries, executed=False, execution_failures=False)
    assert again is follows
    assert retries.severity(failures, max_retries, will_retry=again) is severity


def test_failure_that_is_not_tried_again_though_attempts_are_left_is_an_error() -> None:
    assert not retries.will_retry(F.STEP_INPUT_INVALID, 1, 3, executed=False, execution_failures=True)
    assert retries.severity(1, 3, will_retry=False) is Severity.ERROR


seconds = st.floats(0.001, LONGEST)


@given(seconds, st.floats(1, 100), seconds, st.integers(1, 100), st.integers())
def test_delay_is_any_part_of_the_capped_exponential(
    initial: float, backoff: float, cap: float, failures: int, seed: int
) -> None:
    options = MissionOptions(retry_initial_interval=initial, retry_backoff=backoff, retry_max_interval=cap)
    waits = retry_delay(options, failures, Random(seed))
    assert 0 <= waits <= min(cap, initial * backoff ** (failures - 1))
    assert waits == retry_delay(options, failures, Random(seed)), "the seed decides"


def test_delays_fill_all_that_they_may() -> None:
    options, random = MissionOptions(retry_initial_interval=1, retry_backoff=2, retry_max_interval=10), Random(1)
    longest = [max(retry_delay(options, failures, random) for _ in range(500)) for failures in (1, 2, 3, 4, 5, 6)]
    assert longest == pytest.approx([1, 2, 4, 8, 10, 10], rel=0.05)
    some = sorted(retry_delay(options, 3, random) for _ in range(500))
    assert some[0] < 0.1
    assert max(later - earlier for earlier, later in pairwise(some)) < 0.2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("maxRetries", wrong) for wrong in (-1, 101, 1.5, 2.0, "3", True, None)),
        *(("retryBackoff", wrong) for wrong in (0.5, 101, float("inf"))),
        *(("retryInitialInterval", wrong) for wrong in (0, -1, LONGEST + 1)),
        ("retryMaxInterval", 0),
        ("retryExecutionFailures", "yes"),
    ],
)
def test_recipe_may_not_say(field: str, value: object) -> None:
    with pytest.raises(ValidationError):
        MissionOptions.model_validate({field: value})
