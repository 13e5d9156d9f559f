"""Events as CloudEvents 1.0 in structured JSON."""

from typing import Any

from missions.events import Event

CONTENT_TYPE = "application/cloudevents+json"


def structured(event: Event, source: str) -> dict[str, Any]:
    """The event as a CloudEvent, ready for `json.dumps`; its envelope is the data. `source`: one for each log."""
    attributes = {
        "specversion": "1.0",
        "id": event.id,
        "type": event.type,
        "source": source,
        "subject": event.mission_id,
        "time": event.timestamp.isoformat(),
        "datacontenttype": "application/json",
        # Extensions: ordered as text, hence the zeros.
        "sequence": None if event.sequence is None else f"{event.sequence:020}",
        "partitionkey": event.mission_id,
        "correlationid": event.correlation_id,
        "causationid": event.causation_id,
        "missionseq": event.mission_sequence,
        "data": event.model_dump(mode="json"),
    }
    return {name: value for name, value in attributes.items() if value is not None}
