"""The AsyncAPI document: the events on the message broker, made from their models."""

from typing import Any

from pydantic.json_schema import models_json_schema

from missions.event_catalogue import CATALOGUE
from missions.event_schemas import envelope, example, family
from missions.events import EventType

_AMQP = "0.3.0"  # version of the bindings
_DESCRIPTION = """
The events of Muster, as they go to a topic exchange of RabbitMQ: the routing key is the type, so `task.#` or
`task.failed` bind a queue to what it wants (`mission.*` would leave out `mission.thread.started`, `mission.#` does
not). At least once, in order for each mission; duplicates carry the same `id`.

As CloudEvents, if that is set, the same fields are attributes and the payload is `data`.
"""


def async_api(exchange: str) -> dict[str, Any]:
    """The whole document. `exchange`: by setting; empty, where there is none: as it would be called."""
    _, definitions = models_json_schema(
        [(envelope(kind), "serialization") for kind in CATALOGUE], ref_template="#/components/schemas/{model}"
    )
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Muster: events", "version": "1", "description": _DESCRIPTION.strip()},
        "defaultContentType": "application/json",
        "servers": {
            "broker": {
                "host": "{host}:5672",
                "protocol": "amqp",
                "protocolVersion": "0.9.1",
                "description": "RabbitMQ",
                "variables": {"host": {"default": "localhost", "description": "where your broker runs"}},
            }
        },
        "channels": {"events": _channel(exchange or "muster.events")},
        "operations": {
            "sendEvents": {
                "action": "send",
                "channel": {"$ref": "#/channels/events"},
                "summary": "Muster tells what happens.",
                "messages": [{"$ref": f"#/channels/events/messages/{kind}"} for kind in CATALOGUE],
                "bindings": {"amqp": {"deliveryMode": 2, "timestamp": True, "bindingVersion": _AMQP}},
            }
        },
        "components": {
            "messages": {kind.value: _message(kind) for kind in CATALOGUE},
            "schemas": definitions["$defs"],
        },
    }


def _channel(exchange: str) -> dict[str, Any]:
    topic = {"name": exchange, "type": "topic", "durable": True, "autoDelete": False}
    return {
        "address": "{type}",
        "title": f"the topic exchange {exchange}",
        "parameters": {
            "type": {
                "description": "the event's type",
                "enum": [kind.value for kind in CATALOGUE],
                "location": "$message.payload#/type",
            }
        },
        "messages": {kind.value: {"$ref": f"#/components/messages/{kind}"} for kind in CATALOGUE},
        "bindings": {"amqp": {"is": "routingKey", "exchange": topic, "bindingVersion": _AMQP}},
    }


def _message(kind: EventType) -> dict[str, Any]:
    described = CATALOGUE[kind]
    return {
        "name": kind.value,
        "title": described.payload.__doc__,
        "summary": f"Comes when {described.when}.",
        "contentType": "application/json",
        "tags": [{"name": family(kind)}],
        "correlationId": {"location": "$message.payload#/correlation_id"},
        "payload": {"$ref": f"#/components/schemas/{envelope(kind).__name__}"},
        "examples": [{"name": kind.value, "payload": example(kind)}],
    }
