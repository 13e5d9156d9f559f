"""An event as a CloudEvent: version 1.0 of that specification, in its JSON format, structured mode."""

from datetime import UTC
from typing import Any

from missions.event_catalogue import CATALOGUE
from missions.event_schemas import payload_schema_url
from missions.events import Event
from missions.statuses import Severity

CONTENT_TYPE = "application/cloudevents+json"

# The numbers of OpenTelemetry's log model, as the severity extension wants them.
_SEVERITY_NUMBERS = {Severity.INFO: 9, Severity.WARNING: 13, Severity.ERROR: 17, Severity.CRITICAL: 21}


def cloud_event(event: Event, *, source: str, types_url: str) -> dict[str, Any]:
    """A flat JSON object: the attributes, extensions among them, and the payload as `data`.

    `source`: a URI of the whole log, one for each installation (`urn:muster:<installation>`), within which ids and
    sequences are unique; the envelope's own source is the extension `eventsource`. `types_url`: where the API lists the
    types. What is null is absent.
    """
    attributes: dict[str, Any] = {
        "specversion": "1.0",
        "id": event.id,
        "source": source,
        "type": event.type,
        "subject": event.mission_id,
        "time": event.timestamp.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        # A newer version beside this one may write types that are unknown here.
        "dataschema": payload_schema_url(event.type, types_url) if event.type in CATALOGUE else None,
        # As text it has the same order as the number.
        "sequence": None if event.sequence is None else f"{event.sequence:020d}",
        "missionsequence": event.mission_sequence,
        "attempt": event.attempt,
        "partitionkey": event.mission_id,
        "correlationid": event.correlation_id,
        "causationid": event.causation_id,
        "severitytext": event.severity.value,
        "severitynumber": _SEVERITY_NUMBERS[event.severity],
        "eventsource": event.source,
        "eventtarget": event.target,
        "actorkind": event.actor.kind.value,
        "actorid": event.actor.id,
        "actorrole": event.actor.role,
        "sourcemodule": event.meta.source_module,
        "schemaversion": event.meta.schema_version,
    }
    return {name: value for name, value in attributes.items() if value is not None} | {"data": event.payload}
