"""Exchanges, queues, routing keys and policies on RabbitMQ (design 6): the one place where they are named.

helyOS's exchanges keep their names, since agents know them. The queues are our own: helyOS's have other arguments.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel

from settings import Settings
from store.agents import AgentAddress

ORDERED_QUEUE = "muster.agents"
LOSSY_QUEUE = "muster.sensors"
YARD_QUEUE = "muster.yards"
DATA_REQUEST_QUEUE = "muster.data_requests"
DEAD_LETTER_QUEUE = "muster.dead_letters"

AGENT_UUID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What an agent may be called: it becomes part of routing keys and permission patterns."""


class Uplink(StrEnum):
    """Last word of the routing keys that agents publish with: `agent.{uuid}.<word>`."""

    CHECK_IN = "checkin"  # check-outs too
    STATE = "state"
    EVENT = "event"
    MISSION_REQUEST = "mission_req"
    SENSORS = "visualization"
    UPDATE = "update"
    FACT_SHEET = "fact_sheet"
    DATABASE_REQUEST = "database_req"
    SUMMARY_REQUEST = "summary_req"


class Downlink(StrEnum):
    """Last word of the routing keys that we publish with."""

    ASSIGNMENT = "assignment"
    ORDER = "order"
    INSTANT_ACTIONS = "instantActions"
    STREAM = "stream"
    CHECK_IN_RESPONSE = "checkinresponse"  # MQTT only


ORDERED = (Uplink.CHECK_IN, Uplink.STATE, Uplink.EVENT, Uplink.MISSION_REQUEST)
DATA_REQUESTS = (Uplink.DATABASE_REQUEST, Uplink.SUMMARY_REQUEST)
LOSSY = (Uplink.SENSORS, Uplink.UPDATE, Uplink.FACT_SHEET)

_HOUR = 3600 * 1000

ORDERED_ARGUMENTS: dict[str, Any] = {
    "x-queue-type": "quorum",
    # Two intakes may run, one of them works; order per agent would be lost otherwise.
    "x-single-active-consumer": True,
    # RabbitMQ 4 would take 20 by itself. Only a message that kills the process comes back this often.
    "x-delivery-limit": 100,
    "x-dead-letter-exchange": "",
    "x-dead-letter-routing-key": DEAD_LETTER_QUEUE,
}
LOSSY_ARGUMENTS: dict[str, Any] = {
    "x-single-active-consumer": True,
    "x-max-length": 20_000,
    "x-overflow": "drop-head",
    "x-message-ttl": 60_000,
}
# Who asked waits no longer than this.
DATA_REQUEST_ARGUMENTS: dict[str, Any] = {"x-max-length": 1_000, "x-message-ttl": 60_000}
DEAD_LETTER_ARGUMENTS: dict[str, Any] = {"x-max-length": 10_000, "x-message-ttl": 7 * 24 * _HOUR}

REPLY_QUEUES = "amq.gen-"
"""How the queues begin that agents may have answers in: no other queue is written to at an agent's word."""

AGENT_QUEUE_POLICY = "muster-agent-queues"
AGENT_QUEUE_PATTERN = r"^amq\.gen-"
AGENT_QUEUE_MAX_LENGTH = 10_000

BOUNDED_QUEUE_POLICY = "muster-bounded-queues"
_MOST_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class Sender:
    """What a routing key says: whose message, and of which sort."""

    uuid: str
    word: str


def routing_key(uuid: str, word: str) -> str:
    """The routing key of an agent's message."""
    return f"agent.{uuid}.{word}"


def read_routing_key(key: str) -> Sender | None:
    """Take `agent.{uuid}.<word>` apart; None if it has another form or an impossible uuid."""
    parts = key.split(".")
    if len(parts) != 3 or parts[0] != "agent" or not AGENT_UUID.fullmatch(parts[1]):
        return None
    return Sender(parts[1], parts[2])


def read_yard_key(key: str) -> str | None:
    """The uid out of `yard.{uid}.visualization`; None if the key has another form."""
    parts = key.split(".")
    return parts[1] if len(parts) == 3 and parts[0] == "yard" and parts[2] == Uplink.SENSORS else None


def downlink_exchange(settings: Settings, agent: AgentAddress) -> str:
    """The exchange that an agent listens on."""
    return settings.mqtt_exchange if agent.protocol == "MQTT" else settings.downlink_exchange


def stream_exchange(settings: Settings, agent: AgentAddress) -> str:
    """The exchange of an agent's stream; MQTT agents have one exchange for everything."""
    return settings.mqtt_exchange if agent.protocol == "MQTT" else settings.stream_exchange


def agent_queue_policy(settings: Settings) -> dict[str, Any]:
    """The policy of agents' own queues: they outlive the agent, keep filling and would confirm in its stead."""
    return {
        "pattern": AGENT_QUEUE_PATTERN,
        "definition": {
            "expires": round(settings.orphan_queue_expires * 1000),
            "max-length": AGENT_QUEUE_MAX_LENGTH,
        },
        "apply-to": "queues",
        "priority": 1,
    }


def bounded_queue_policy() -> dict[str, Any]:
    """The policy of our queues that may drop their oldest: of large messages far fewer than of small ones."""
    names = (DEAD_LETTER_QUEUE, LOSSY_QUEUE, YARD_QUEUE, DATA_REQUEST_QUEUE)
    return {
        "pattern": f"^({'|'.join(re.escape(name) for name in names)})$",
        "definition": {"max-length-bytes": _MOST_BYTES},
        "apply-to": "queues",
        "priority": 1,
    }


async def declare(channel: AbstractChannel, settings: Settings) -> None:
    """Declare all exchanges and queues, idempotently. Agents declare no exchange themselves."""
    for name in exchanges(settings):
        await channel.declare_exchange(name, ExchangeType.TOPIC, durable=True)
    await channel.declare_queue(DEAD_LETTER_QUEUE, durable=True, arguments=DEAD_LETTER_ARGUMENTS)
    ordered = await channel.declare_queue(ORDERED_QUEUE, durable=True, arguments=ORDERED_ARGUMENTS)
    lossy = await channel.declare_queue(LOSSY_QUEUE, durable=True, arguments=LOSSY_ARGUMENTS)
    asked = await channel.declare_queue(DATA_REQUEST_QUEUE, durable=True, arguments=DATA_REQUEST_ARGUMENTS)
    for word in DATA_REQUESTS:
        await asked.bind(settings.uplink_exchange, routing_key("*", word))
    await ordered.bind(settings.anonymous_exchange, routing_key("*", Uplink.CHECK_IN))
    seen = await channel.declare_queue(YARD_QUEUE, durable=True, arguments=LOSSY_ARGUMENTS)
    for exchange in (settings.uplink_exchange, settings.mqtt_exchange):
        await seen.bind(exchange, f"yard.*.{Uplink.SENSORS}")
        for word in ORDERED:
            await ordered.bind(exchange, routing_key("*", word))
        for word in LOSSY:
            await lossy.bind(exchange, routing_key("*", word))


def exchanges(settings: Settings) -> tuple[str, ...]:
    """All exchanges of the protocol, and the one for looking on, if there is one."""
    return (
        *([settings.debug_exchange] if settings.debug_exchange else []),
        settings.anonymous_exchange,
        settings.uplink_exchange,
        settings.downlink_exchange,
        settings.mqtt_exchange,
        settings.stream_exchange,
    )
