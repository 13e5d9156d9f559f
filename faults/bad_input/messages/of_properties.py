"""Good states with properties of AMQP that cannot be read, or that mean nothing to us."""

import struct

from faults.bad_input.messages.fates import Fate, Message, dead
from faults.bad_input.messages.making import Making, Speaker
from faults.bad_input.messages.raw_frames import short
from fleet.wire import Reason


def _table(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


_UNREADABLE: list[dict[str, bytes]] = [
    {"timestamp": struct.pack(">Q", 2**64 - 1)},
    {"correlation_id": short(b"\xff\xfe\xff")},
    {"reply_to": short(b"\xc3\x28")},
    {"content_type": short(b"\x80" * 200)},
    {"headers": _table(b"\x02\xff\xfe" + b"I" + struct.pack(">i", 1))},
]
_LAWFUL: list[dict[str, bytes]] = [
    {"timestamp": struct.pack(">Q", 0)},
    {"timestamp": struct.pack(">Q", 1_900_000_000_000)},
    {"priority": b"\xff"},
    {"content_encoding": short(b"gzip"), "content_type": short(b"text/html")},
    {"reply_to": short(b"muster.agents")},
    {"reply_to": short("a b\n\u202e".encode()), "correlation_id": short(b"x" * 255)},
    {"message_id": short(b"\x00" * 255), "app_id": short(b"app"), "type": short(b"\r\n")},
    {"headers": _table(b"\x05x-key" + b"S" + struct.pack(">I", 60_000) + b"y" * 60_000)},
    {"headers": _table(b"\x01a" + b"F" + _table(b"\x01b" + b"t\x01"))},
    {"headers": _table(b"")},
    {"headers": _table(b"\x01a" + b"S" + struct.pack(">I", 2) + b"\xff\xff")},
    {"delivery_mode": b"\2"},
]


def odd_properties(made: Making, speaker: Speaker) -> Message:
    """Half of them unreadable, half lawful."""
    content = made.written("agent_state", speaker, {"status": speaker.status})
    if made.chance.random() < 0.5:
        odd = made.chance.choice(_UNREADABLE)
        return made.says(speaker, "unreadable properties", "state", content, *dead(Reason.BAD_PROPERTIES), odd)
    return made.says(speaker, "odd properties", "state", content, Fate.TAKEN, "", made.chance.choice(_LAWFUL))
