"""An event as a CloudEvent, held against the specification's rules and read by an implementation that is not ours."""

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from missions.cloud_events import cloud_event
from missions.event_schemas import example
from missions.events import Event, EventType

SOURCE = "urn:muster:3f2a"
TYPES_URL = "http://muster.example/api/v1/events/types"


def made(kind: str = EventType.TASK_FAILED, **values: Any) -> dict[str, Any]:
    event = Event.model_validate(example(EventType(kind)) | values)
    return cloud_event(event, source=SOURCE, types_url=TYPES_URL)


@pytest.mark.parametrize("kind", EventType)
def test_it_follows_the_rules_of_the_specification(kind: EventType) -> None:
    shown = made(kind)
    for required in ("id", "source", "type", "specversion"):
        assert isinstance(shown[required], str)
        assert shown[required]
    assert shown["specversion"] == "1.0"
    assert [name for name in shown if not re.fullmatch(r"[a-z0-9]{1,20}", name)] == []
    attributes = {name: value for name, value in shown.items() if name != "data"}
    assert all(isinstance(value, str | int) and value != "" for value in attributes.values())
    assert all(abs(value) < 2**31 for value in attributes.values() if isinstance(value, int))
    assert re.fullmatch(r"[^:]+:.+", shown["dataschema"])
    assert len(json.dumps(shown)) < 64 * 1024


@pytest.mark.parametrize("kind", EventType)
def test_another_implementation_reads_it(kind: EventType) -> None:
    read = JSONFormat().read(CloudEvent, json.dumps(made(kind)))
    assert (read.get_id(), read.get_source(), read.get_type()) == (example(kind)["id"], SOURCE, kind.value)
    assert read.get_data() == example(kind)["payload"]
    assert read.get_time() == datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    assert read.get_subject() == example(kind)["mission_id"]


def test_every_field_of_the_envelope_has_its_place() -> None:
    cause = example(EventType.TASK_STARTED)["id"]
    shown = made(causation_id=cause, target="monitor", sequence=42, severity="CRITICAL")
    assert shown == {
        "specversion": "1.0", "id": cause, "source": SOURCE, "type": "task.failed", "subject": "7",
        "time": "2026-01-02T03:04:05.678000Z", "datacontenttype": "application/json",
        "dataschema": f"{TYPES_URL}/task.failed#/$defs/TaskFailed",
        "sequence": "00000000000000000042", "missionsequence": 5, "attempt": 1, "partitionkey": "7",
        "correlationid": "7", "causationid": cause, "severitytext": "CRITICAL", "severitynumber": 21,
        "eventsource": "mission_worker", "eventtarget": "monitor",
        "actorkind": "system", "actorid": "muster", "actorrole": "system",
        "sourcemodule": "missions", "schemaversion": 1,
        "data": example(EventType.TASK_FAILED)["payload"],
    }  # fmt: skip


def test_what_is_null_is_absent() -> None:
    shown = made(EventType.RECIPE_CHANGED, sequence=None)
    assert None not in shown.values()
    assert shown.keys().isdisjoint({"subject", "partitionkey", "sequence", "missionsequence", "attempt", "causationid"})


def test_type_of_a_newer_version_has_no_schema_here() -> None:
    shown = made(type="task.unheard_of")
    assert (shown["type"], shown.get("dataschema")) == ("task.unheard_of", None)


def test_sequences_have_the_same_order_as_text() -> None:
    shown = [made(sequence=number)["sequence"] for number in (9, 10, 2**40)]
    assert shown == sorted(shown)


def test_time_is_utc_whatever_the_zone() -> None:
    there = datetime(2026, 1, 2, 5, 4, 5, tzinfo=timezone(timedelta(hours=2)))
    assert made(timestamp=there)["time"] == "2026-01-02T03:04:05Z"
