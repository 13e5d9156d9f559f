"""What the consumers make of events; that missions really emit such events is seen in tests/workflows."""

import json
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from examples.consumers.alert_rules import OverTime, QueueDepth, RetryStorm, Stall
from examples.consumers.alerting import Alerting
from examples.consumers.analytics import Analytics
from examples.consumers.dashboard import Dashboard
from examples.consumers.feed import Cursor, Seen, envelope
from examples.consumers.retries import RetryAnalysis
from missions.cloud_events import cloud_event
from missions.event_schemas import example
from missions.events import Event, EventType

_numbers = count(1)


def event(kind: str, mission: str = "1", **payload: Any) -> dict[str, Any]:
    return {
        "id": str(next(_numbers)),
        "type": f"task.{kind}",
        "mission_id": mission,
        "severity": payload.pop("severity", "INFO"),
        "payload": {"task_id": mission, "mission_type": "agent.chat", **payload},
    }


def created(mission: str = "1", at: float = 0) -> dict[str, Any]:
    return event("created", mission, priority="NORMAL", created_at=at)


def started(mission: str = "1", at: float = 0, retry_count: int = 0, **other: Any) -> dict[str, Any]:
    return event("started", mission, priority="NORMAL", score=20.0, retry_count=retry_count, started_at=at, **other)


def completed(mission: str = "1", at: float = 0, ms: float = 100) -> dict[str, Any]:
    return event("completed", mission, duration_ms=ms, completed_at=at)


def failed(mission: str = "1", at: float = 0, retry_count: int = 1, will_retry: bool = False, **other: Any) -> Any:
    more = {"error": "no", "error_type": "planning_failed", "max_retries": 3, "duration_ms": 5.0, **other}
    return event("failed", mission, retry_count=retry_count, will_retry=will_retry, failed_at=at, **more)


def retrying(mission: str = "1", at: float = 0, retry_count: int = 1, delay: float = 1) -> dict[str, Any]:
    return event(
        "retrying",
        mission,
        retry_count=retry_count,
        max_retries=3,
        next_attempt=retry_count + 1,
        retried_at=at,
        delay_ms=delay * 1000,
        next_attempt_at=at + delay,
    )


def cancelled(mission: str = "1", at: float = 0) -> dict[str, Any]:
    made = event("cancelled", mission, cancelled_by="client:api", cancelled_at=at, reason="")
    del made["payload"]["mission_type"]  # spec 4's payload has none
    return made


def test_dashboard_shows_what_runs_and_counts_the_ends() -> None:
    dashboard = Dashboard()
    for one in (started("1"), started("2"), started("3"), started("4")):
        dashboard.take(one)
    for one in (completed("1"), failed("2"), failed("3", will_retry=True), retrying("3"), cancelled("4")):
        dashboard.take(one)
    assert dashboard.running == {}
    assert list(dashboard.waiting_for_retry) == ["3"]
    assert dashboard.ended == {"succeeded": 1, "failed": 1, "cancelled": 1}
    dashboard.take(started("3", retry_count=1))
    assert list(dashboard.running) == ["3"]
    assert dashboard.waiting_for_retry == {}
    assert dashboard.recent[0] == ("4", "agent.chat", "cancelled")


def test_mission_cancelled_between_attempts_waits_no_more() -> None:
    dashboard = Dashboard()
    for one in (started(), failed(will_retry=True), retrying(), cancelled()):
        dashboard.take(one)
    assert dashboard.waiting_for_retry == {}
    assert dashboard.ended == {"cancelled": 1}


def test_analytics_takes_durations_of_successes_only() -> None:
    analytics = Analytics()
    for number in range(1, 11):
        analytics.take(started(str(number)))
        analytics.take(completed(str(number), at=number * 60, ms=number * 100))
    analytics.take(started("11"))
    analytics.take(failed("11", at=660))
    figures = analytics.by_type["agent.chat"]
    assert (figures.started, figures.succeeded, figures.failed) == (11, 10, 1)
    assert figures.mean == 550
    assert figures.p50 == 550
    assert 900 < figures.p95 <= 1000
    assert round(figures.success_rate, 3) == 0.909
    assert figures.per_minute == 1.0


def test_analytics_counts_an_attempt_that_goes_on_once() -> None:
    analytics = Analytics()
    for one in (started(), failed(will_retry=True), started(retry_count=1), completed()):
        analytics.take(one)
    figures = analytics.by_type["agent.chat"]
    assert (figures.started, figures.succeeded, figures.failed) == (2, 1, 0)


def test_retry_analysis_tells_how_many_failures_came_before_a_success() -> None:
    analysis = RetryAnalysis()
    for one in (failed("1", will_retry=True), retrying("1"), completed("1"), completed("2")):
        analysis.take(one)
    for count_ in (1, 2):
        analysis.take(failed("3", retry_count=count_, will_retry=True))
        analysis.take(retrying("3", retry_count=count_))
    analysis.take(failed("3", retry_count=3))
    one = analysis.by_type["agent.chat"]
    assert (one.ended, one.retried) == (3, 2)
    assert one.succeeded_after == {1: 1}
    assert one.given_up_after == {3: 1}
    assert one.errors == {"planning_failed": 4}
    assert analysis.failures == {}


def test_alerting_tells_of_final_failures_and_of_repeated_ones() -> None:
    told: list[tuple[str, str]] = []
    alerting = Alerting(lambda severity, text: told.append((severity, text)), rules=())
    alerting.take(failed(will_retry=True, severity="WARNING"))
    assert told == []
    alerting.take(failed(retry_count=2, will_retry=True, severity="WARNING"))
    alerting.take(failed(retry_count=3, severity="CRITICAL"))
    assert [severity for severity, _ in told] == ["WARNING", "CRITICAL"]
    assert "failed for good after 3 attempts" in told[1][1]


def waiting(mission: str = "1", at: float = 0, step: str | None = None) -> dict[str, Any]:
    made = event("", mission, waiting_reasons=[{"code": "slot", "step": step}])
    return made | {"type": "work_process.waiting", "timestamp": datetime.fromtimestamp(at, UTC).isoformat()}


def test_queue_depth_counts_who_stands_in_line() -> None:
    rule = QueueDepth(most=2)
    for mission in ("1", "2", "3"):
        rule.take(created(mission))
    assert rule.complaints(0) == {}  # perhaps for tomorrow
    for mission in ("1", "2", "3"):
        rule.take(waiting(mission))
    assert list(rule.complaints(0)) == ["queue depth"]
    rule.take(started("1"))
    assert rule.complaints(0) == {}
    rule.take(waiting("1", step="plan"))  # for a service
    assert rule.complaints(0) == {}
    rule.take(failed("1", will_retry=True))
    rule.take(waiting("1"))
    assert list(rule.complaints(0)) == ["queue depth"]
    rule.take(cancelled("2"))
    assert rule.complaints(0) == {}


def test_stall_is_waiting_while_nobody_begins() -> None:
    rule = Stall(seconds=60)
    assert rule.complaints(1000) == {}
    rule.take(waiting("1", at=1000))
    assert rule.complaints(1060) == {}
    assert list(rule.complaints(1061)) == ["stall"]
    rule.take(waiting("2", at=1061))
    rule.take(started("1", at=1062))
    assert rule.complaints(1122) == {}
    assert list(rule.complaints(1123)) == ["stall"]
    rule.take(started("2", at=1124))
    assert rule.complaints(9999) == {}


def test_pause_before_a_retry_is_no_stall() -> None:
    rule = Stall(seconds=60)
    rule.take(failed(will_retry=True))
    rule.take(retrying(at=0, delay=600))
    assert rule.complaints(650) == {}


def test_over_time_is_told_by_mission_with_the_limit_of_its_type() -> None:
    rule = OverTime(limit=100, limits={"agent.chat": 10})
    rule.take(started("1", at=0))
    rule.take(started("2", at=0, mission_type="data.process"))
    assert list(rule.complaints(11)) == ["over time: 1"]
    assert list(rule.complaints(101)) == ["over time: 1", "over time: 2"]
    rule.take(completed("1"))
    rule.take(failed("2", will_retry=True))
    assert rule.complaints(101) == {}


def test_retry_storm_is_many_missions_that_retry_at_once() -> None:
    rule = RetryStorm(window=60, share=0.5, fewest=3)
    for mission in ("1", "2", "3"):
        rule.take(started(mission, at=0))
        rule.take(retrying(mission, at=1))
    assert list(rule.complaints(2)) == ["retry storm"]
    for mission in ("4", "5", "6"):
        rule.take(started(mission, at=2))
    assert rule.complaints(3) == {}  # half of them is no storm
    rule.take(retrying("4", at=3))
    assert list(rule.complaints(4)) == ["retry storm"]
    assert rule.complaints(100) == {}


def test_each_trouble_is_told_once_and_so_is_its_end() -> None:
    told: list[tuple[str, str]] = []
    alerting = Alerting(lambda severity, text: told.append((severity, text)), rules=(OverTime(limit=10),))
    alerting.take(started(at=0))
    for now in (5, 11, 12, 13):
        alerting.look(now)
    alerting.take(completed())
    alerting.look(14)
    alerting.look(15)
    assert [severity for severity, _ in told] == ["WARNING", "INFO"]
    assert told[1][1].startswith("over: mission 1")


def test_event_that_comes_again_is_dropped() -> None:
    seen, one = Seen(most=2), started()
    assert [seen.is_new(one), seen.is_new(one)] == [True, False]
    for _ in range(2):
        seen.is_new(started())
    assert seen.is_new(one)  # long ago: who keeps every id needs endless memory


@pytest.mark.parametrize("kind", [EventType.TASK_FAILED, EventType.RECIPE_CHANGED])
def test_event_of_a_queue_reads_the_same_in_both_forms(kind: EventType) -> None:
    shown = example(kind)
    assert envelope(shown) == shown
    written = cloud_event(Event.model_validate(shown), source="urn:muster:1", types_url="http://muster/types")
    read = envelope(json.loads(json.dumps(written)))
    assert read == {name: shown[name] for name in read}
    assert {"id", "type", "timestamp", "severity", "mission_id", "payload", "attempt"} <= read.keys()


def test_cursor_goes_on_where_the_last_start_ended(tmp_path: Any) -> None:
    file = tmp_path / "cursor"
    assert Cursor(file).position == ""
    Cursor(file).move("42")
    assert Cursor(file).position == "42"
