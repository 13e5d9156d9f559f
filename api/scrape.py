"""Metrics in Prometheus's text format, read from the store; whoever asks soon after gets the same."""

import asyncio
import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.worker_roles import WORKER_ROLES
from missions.event_catalogue import CATALOGUE
from missions.repairs import Repair
from missions.statuses import WorkProcessStatus
from missions.transitions import WORK_PROCESS_OPEN
from store.database import Database
from store.metrics import Metrics, read_metrics

_KEPT = 2.0
"""Seconds: who asks more often gets what the last one got."""


# What never was is 0, not absent: rules need a value to compare, and a first failure must be an increase.
_NO_MISSIONS = {status.value: 0 for status in WORK_PROCESS_OPEN - {WorkProcessStatus.DRAFT}}
_NO_REPAIRS = {repair.value: 0 for repair in Repair}
_NO_TASK_EVENTS = {
    (kind.value, severity.value): 0
    for kind, described in CATALOGUE.items()
    if kind.startswith("task.")
    for severity in described.severities
}


class Scrape:
    """The last answer, shared by all who ask."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = asyncio.Lock()
        self._text = b""
        self._fresh_until = 0.0

    async def text(self) -> bytes:
        """The metrics, at most `_KEPT` seconds old; raises PartUnavailable."""
        async with self._lock:
            if time.monotonic() >= self._fresh_until:
                async with self._database.statement() as connection:
                    found = await read_metrics(connection)
                registry = CollectorRegistry(auto_describe=False)
                registry.register(_Collected(found))
                self._text = generate_latest(registry)
                self._fresh_until = time.monotonic() + _KEPT
            return self._text


class _Collected(Collector):
    def __init__(self, found: Metrics) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        found = self._found
        yield _by("missions", "Open missions.", "status", _NO_MISSIONS | found.missions)
        numbers = {waits_for.value: line.number for waits_for, line in found.waiting.items()}
        oldest = {waits_for.value: line.oldest for waits_for, line in found.waiting.items()}
        yield _by("missions_waiting", "Missions that wait for agents or for a slot.", "waits_for", numbers)
        yield _by("missions_waiting_oldest_seconds", "How long the oldest of them waits.", "waits_for", oldest)
        yield _one("mission_retries_waiting", "Missions that wait for their next attempt.", found.retries_waiting)
        yield _by("agents", "Agents by what they last reported.", "status", found.agents)
        yield _by("workers", "Worker processes that live.", "role", dict.fromkeys(WORKER_ROLES, 0) | found.workers)
        yield _one("wakeups_left_over", "Wake-ups of runs not delivered for 5 s.", found.wakeups)
        yield _one("events_last_position", "Position of the newest event.", found.last_position)
        yield _one("events_unpositioned", "Events without a position yet.", found.unpositioned)
        outlets = {backlog.name: backlog for backlog in found.backlogs if backlog.enabled}
        for name, text, value in (
            ("event_outlet_backlog", "Events not delivered yet.", lambda b: b.behind),
            ("event_outlet_backlog_seconds", "Age of the oldest event not delivered yet.", lambda b: b.age),
            ("event_outlet_failing", "1 while the outlet cannot deliver.", lambda b: b.error is not None),
            ("event_outlet_parked", "Events put aside and not replayed.", lambda b: b.parked),
        ):
            yield _by(name, text, "outlet", {outlet: float(value(b)) for outlet, b in outlets.items()})
        messages = CounterMetricFamily(
            "muster_agent_messages_not_taken", "Agents' messages that were not taken.", labels=["outcome", "reason"]
        )
        for (outcome, reason), count in sorted(found.messages.items()):
            messages.add_metric([outcome, reason], count)
        yield messages
        tasks = CounterMetricFamily("muster_task_events", "Events of missions' attempts.", labels=["type", "severity"])
        for (kind, severity), count in sorted((_NO_TASK_EVENTS | found.task_events).items()):
            tasks.add_metric([kind, severity], count)
        yield tasks
        repairs = CounterMetricFamily("muster_repairs", "Runs and rows that were repaired.", labels=["kind"])
        for kind, count in sorted((_NO_REPAIRS | found.repairs).items()):
            repairs.add_metric([kind], count)
        yield repairs


def _one(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"muster_{name}", text, value=value)


def _by(name: str, text: str, label: str, values: "dict[str, float] | dict[str, int]") -> Metric:
    family = GaugeMetricFamily(f"muster_{name}", text, labels=[label])
    for word, value in sorted(values.items()):
        family.add_metric([word], value)
    return family
