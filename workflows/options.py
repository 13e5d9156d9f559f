"""How activities are called: time-outs and retries, by name. No activity is called without one."""

from dataclasses import replace
from datetime import timedelta
from typing import TypedDict

from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType

from missions.contracts import ActivityPreset
from missions.errors import ILLEGAL_TRANSITION
from missions.limits import LONGEST


class ActivityOptions(TypedDict, total=False):
    """The engine's options of one activity call."""

    start_to_close_timeout: timedelta
    schedule_to_close_timeout: timedelta
    heartbeat_timeout: timedelta
    retry_policy: RetryPolicy
    cancellation_type: ActivityCancellationType


# A fault of a part passes, and nothing else can end the mission well: so these are tried until they succeed.
_PATIENT = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=5),
    non_retryable_error_types=[ILLEGAL_TRANSITION],
)

# Short: after a killed worker the next try starts when the start-to-close time is over.
SHORT: ActivityOptions = {"start_to_close_timeout": timedelta(seconds=4), "retry_policy": _PATIENT}

# Where the mission is being stopped, nothing is left that a fault of ours could lead to: it is told, and tried on.
ENDING: ActivityOptions = {
    **SHORT,
    "retry_policy": replace(_PATIENT, non_retryable_error_types=None),
}

# Reserving re-sends for some seconds to agents that do not listen yet; dispatching may turn 10 MB into rows.
WITH_HEARTBEAT: ActivityOptions = {
    "start_to_close_timeout": timedelta(seconds=60),
    "heartbeat_timeout": timedelta(seconds=4),
    "retry_policy": _PATIENT,
}


def _seconds(value: float) -> timedelta:
    # A plan that an earlier version stored may hold any number; past the longest, with the preset's own margin on top.
    return timedelta(seconds=min(value, 2 * LONGEST))


def of_preset(preset: ActivityPreset) -> ActivityOptions:
    """The options of a recipe's own activity type, as they were resolved at dispatch."""
    options: ActivityOptions = {
        "start_to_close_timeout": _seconds(preset.start_to_close),
        "retry_policy": RetryPolicy(
            initial_interval=_seconds(preset.initial_interval),
            maximum_interval=_seconds(preset.maximum_interval),
            maximum_attempts=preset.maximum_attempts,
            non_retryable_error_types=[ILLEGAL_TRANSITION],
        ),
        # The mission goes on to its cancel path at once; the service's job is stopped there.
        "cancellation_type": ActivityCancellationType.TRY_CANCEL,
    }
    if preset.heartbeat is not None:
        options["heartbeat_timeout"] = _seconds(preset.heartbeat)
    if preset.schedule_to_close is not None:
        options["schedule_to_close_timeout"] = _seconds(preset.schedule_to_close)
    return options
