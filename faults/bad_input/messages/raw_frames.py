"""AMQP frames by hand: what no client library would send, but whoever has an account can."""

import struct
from collections.abc import Mapping

FRAME_MAX = 131_072
_METHOD, _HEADER, _BODY, _END = 1, 2, 3, b"\xce"
_BASIC, _PUBLISH = 60, 40

# Name of a property: its bit among the flags. They follow each other in this order (AMQP 0-9-1, class basic).
_FLAGS = {
    "content_type": 15,
    "content_encoding": 14,
    "headers": 13,
    "delivery_mode": 12,
    "priority": 11,
    "correlation_id": 10,
    "reply_to": 9,
    "expiration": 8,
    "message_id": 7,
    "timestamp": 6,
    "type": 5,
    "user_id": 4,
    "app_id": 3,
}

Properties = Mapping[str, bytes]
"""Values as they go over the wire, by the names of AMQP."""


def short(text: bytes) -> bytes:
    """A short string, whatever its bytes are."""
    return bytes([len(text)]) + text


def publish(channel: int, exchange: str, key: bytes, body: bytes, properties: Properties) -> bytes:
    """All frames of one published message."""
    method = struct.pack(">HHH", _BASIC, _PUBLISH, 0) + short(exchange.encode()) + short(key) + b"\0"
    flags = 0
    values = b""
    for name, bit in _FLAGS.items():
        if name in properties:
            flags |= 1 << bit
            values += properties[name]
    header = struct.pack(">HHQH", _BASIC, 0, len(body), flags) + values
    parts = [_frame(_METHOD, channel, method), _frame(_HEADER, channel, header)]
    step = FRAME_MAX - 8
    parts += [_frame(_BODY, channel, body[at : at + step]) for at in range(0, len(body), step)]
    return b"".join(parts)


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + _END
