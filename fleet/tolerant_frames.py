"""Keeps one message with unreadable properties or an unreadable routing key from cutting the connection of everybody.

pamqp raises where it cannot decode a property (a timestamp beyond the year 9999, text that is no UTF-8) or the routing
key, aiormq then closes the connection, the broker delivers the message again, and so on: any agent could stop the
intake of all (seen with pamqp 4.0 and aiormq 7.2). aio_pika raises for a delivery mode that it does not know, before
anybody sees the message, which then keeps its place among the unacknowledged for good. So such a message gets one
header that says what is wrong with it, or a routing key of nobody, and is dead-lettered.
"""

import struct

from pamqp import commands, header

UNREADABLE = "x-muster-unreadable"
"""Header of a message whose properties could not be decoded: why."""

_unmarshal = header.ContentHeader.unmarshal
_unmarshal_delivery = commands.Basic.Deliver.unmarshal
_DELIVERY_MODES = (None, 0, 1, 2)


def _tolerant(self: header.ContentHeader, data: bytes) -> None:
    try:
        _unmarshal(self, data)
        if self.properties.delivery_mode not in _DELIVERY_MODES:
            raise ValueError(f"delivery mode {self.properties.delivery_mode}")
    except Exception as error:
        # Size and class of the message are read before its properties, so the frames that follow stay in step.
        self.properties = commands.Basic.Properties(headers={UNREADABLE: f"{type(error).__name__}: {error}"})


def _tolerant_delivery(self: commands.Basic.Deliver, data: bytes) -> None:
    try:
        _unmarshal_delivery(self, data)
    except UnicodeDecodeError:
        self.consumer_tag, rest = _short_text(data)
        self.delivery_tag, bits = struct.unpack_from(">QB", rest)
        self.redelivered = bool(bits & 1)
        self.exchange, rest = _short_text(rest[9:])
        self.routing_key, _ = _short_text(rest)


def _short_text(data: bytes) -> tuple[str, bytes]:
    """AMQP's short string, bytes that are no UTF-8 escaped; and what follows it."""
    end = 1 + data[0]
    return data[1:end].decode(errors="backslashreplace"), data[end:]


def install() -> None:
    """Make this process tolerant; may be called again."""
    # The library has no other place to say how it reads a frame.
    header.ContentHeader.unmarshal = _tolerant  # type: ignore[method-assign]
    commands.Basic.Deliver.unmarshal = _tolerant_delivery  # type: ignore[method-assign, assignment]
