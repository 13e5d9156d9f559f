"""The `task.*` events of spec 4, with exactly its payload fields."""

from datetime import datetime

from missions.errors import Failure
from missions.event_catalogue import event
from missions.event_payloads.task import (
    TaskCancelled,
    TaskCompleted,
    TaskCreated,
    TaskFailed,
    TaskRetrying,
    TaskStarted,
)
from missions.events import EventSource, NewEvent, epoch
from missions.principals import MUSTER, Principal
from missions.priorities import Priority
from missions.retries import severity


def created(
    work_process_id: int, mission_type: str, priority: int, now: datetime, *, source: str, actor: Principal
) -> NewEvent:
    """The mission was dispatched for the first time."""
    payload = TaskCreated(
        task_id=str(work_process_id),
        mission_type=mission_type,
        priority=Priority(priority).name,
        created_at=epoch(now),
    )
    return event(payload, source=source, actor=actor)


def started(
    work_process_id: int, mission_type: str, priority: int, score: float, retry_count: int, now: datetime
) -> NewEvent:
    """An attempt got its agents, or needs none. `score`: at the grant."""
    payload = TaskStarted(
        task_id=str(work_process_id),
        mission_type=mission_type,
        priority=Priority(priority).name,
        score=round(score, 3),
        retry_count=retry_count,
        started_at=epoch(now),
    )
    return event(payload, source=EventSource.MISSION_WORKER, actor=MUSTER)


def _duration_ms(started_at: datetime | None, now: datetime) -> float:
    return 0.0 if started_at is None else round((now - started_at).total_seconds() * 1000, 3)


def completed(work_process_id: int, mission_type: str, started_at: datetime | None, now: datetime) -> NewEvent:
    """The mission succeeded."""
    payload = TaskCompleted(
        task_id=str(work_process_id),
        mission_type=mission_type,
        duration_ms=_duration_ms(started_at, now),
        completed_at=epoch(now),
    )
    return event(payload, source=EventSource.MISSION_WORKER, actor=MUSTER)


def failed(
    work_process_id: int,
    mission_type: str,
    failure: Failure,
    *,
    retry_count: int,
    max_retries: int,
    will_retry: bool,
    started_at: datetime | None,
    now: datetime,
) -> NewEvent:
    """An attempt failed. `retry_count`: failures so far; `max_retries`: attempts in all."""
    payload = TaskFailed(
        task_id=str(work_process_id),
        mission_type=mission_type,
        error=failure.text,
        error_type=failure.code,
        retry_count=retry_count,
        max_retries=max_retries,
        will_retry=will_retry,
        duration_ms=_duration_ms(started_at, now),
        failed_at=epoch(now),
    )
    return event(
        payload,
        source=EventSource.MISSION_WORKER,
        actor=MUSTER,
        severity=severity(retry_count, max_retries, will_retry=will_retry),
    )


def retrying(
    work_process_id: int,
    mission_type: str,
    *,
    retry_count: int,
    max_retries: int,
    delay: float,
    next_attempt_at: datetime,
    now: datetime,
) -> NewEvent:
    """Another attempt follows, `delay` seconds from now; Muster's additions: `delay_ms`, `next_attempt_at`."""
    payload = TaskRetrying(
        task_id=str(work_process_id),
        mission_type=mission_type,
        retry_count=retry_count,
        max_retries=max_retries,
        next_attempt=retry_count + 1,
        retried_at=epoch(now),
        delay_ms=round(delay * 1000, 3),
        next_attempt_at=epoch(next_attempt_at),
    )
    return event(payload, source=EventSource.MISSION_WORKER, actor=MUSTER)


def cancelled(work_process_id: int, cancelled_by: str, reason: str, now: datetime) -> NewEvent:
    """The mission was cancelled; its agents are released."""
    payload = TaskCancelled(
        task_id=str(work_process_id), cancelled_by=cancelled_by, cancelled_at=epoch(now), reason=reason
    )
    return event(payload, source=EventSource.MISSION_WORKER, actor=MUSTER)
