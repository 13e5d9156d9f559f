"""The `task.*` events carry exactly the payload fields of spec 4."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from missions import task_events
from missions.errors import Failure, FailureCode
from missions.events import EventType
from missions.principals import Principal, PrincipalKind
from missions.statuses import Severity

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
BEFORE = NOW - timedelta(milliseconds=1234.5)
CLIENT = Principal(kind=PrincipalKind.CLIENT, id="web")
FAILURE = Failure(code=FailureCode.PLANNER_TIMEOUT, text="no answer")


def failed(*, max_retries: int, will_retry: bool, retry_count: int = 1) -> Any:
    return task_events.failed(
        7, "driving", FAILURE, retry_count=retry_count, max_retries=max_retries, will_retry=will_retry,
        started_at=BEFORE, now=NOW,
    )  # fmt: skip


def test_created() -> None:
    event = task_events.created(7, "driving", 30, NOW, source="api", actor=CLIENT)
    assert (event.type, event.source, event.actor, event.severity) == (
        EventType.TASK_CREATED, "api", CLIENT, Severity.INFO,
    )  # fmt: skip
    assert event.payload == {
        "task_id": "7", "mission_type": "driving", "priority": "HIGH", "created_at": 1767323045.678,
    }  # fmt: skip


def test_started() -> None:
    event = task_events.started(7, "driving", 20, 20.51239, 0, NOW)
    assert (event.type, event.source, event.severity) == (EventType.TASK_STARTED, "mission_worker", Severity.INFO)
    assert event.payload == {
        "task_id": "7", "mission_type": "driving", "priority": "NORMAL", "score": 20.512, "retry_count": 0,
        "started_at": 1767323045.678,
    }  # fmt: skip


def test_completed() -> None:
    event = task_events.completed(7, "driving", BEFORE, NOW)
    assert (event.type, event.severity) == (EventType.TASK_COMPLETED, Severity.INFO)
    assert event.payload == {
        "task_id": "7", "mission_type": "driving", "duration_ms": 1234.5, "completed_at": 1767323045.678,
    }  # fmt: skip


def test_mission_that_never_started_took_no_time() -> None:
    assert task_events.completed(7, "driving", None, NOW).payload["duration_ms"] == 0


def test_failed() -> None:
    event = failed(max_retries=3, will_retry=True)
    assert event.type is EventType.TASK_FAILED
    assert event.payload == {
        "task_id": "7", "mission_type": "driving", "error": "no answer", "error_type": "planner_timeout",
        "retry_count": 1, "max_retries": 3, "will_retry": True, "duration_ms": 1234.5, "failed_at": 1767323045.678,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("max_retries", "retry_count", "will_retry", "severity"),
    [
        (3, 1, True, Severity.WARNING),
        (0, 1, False, Severity.ERROR),
        (3, 3, False, Severity.CRITICAL),
        (3, 1, False, Severity.ERROR),
    ],
    ids=["another try follows", "no retries were asked for", "retries are used up", "nothing that is tried again"],
)
def test_severity_of_a_failure(max_retries: int, retry_count: int, will_retry: bool, severity: Severity) -> None:
    event = failed(max_retries=max_retries, will_retry=will_retry, retry_count=retry_count)
    assert event.severity is severity


def test_retrying() -> None:
    event = task_events.retrying(
        7, "driving", retry_count=1, max_retries=3, delay=1.5, next_attempt_at=NOW + timedelta(seconds=1.5), now=NOW
    )
    assert (event.type, event.severity) == (EventType.TASK_RETRYING, Severity.INFO)
    assert event.payload == {
        "task_id": "7", "mission_type": "driving", "retry_count": 1, "max_retries": 3, "next_attempt": 2,
        "retried_at": 1767323045.678, "delay_ms": 1500.0, "next_attempt_at": 1767323047.178,
    }  # fmt: skip


def test_cancelled() -> None:
    event = task_events.cancelled(7, "client:web", "changed our mind", NOW)
    assert (event.type, event.severity) == (EventType.TASK_CANCELLED, Severity.INFO)
    assert event.payload == {
        "task_id": "7", "cancelled_by": "client:web", "cancelled_at": 1767323045.678, "reason": "changed our mind",
    }  # fmt: skip
