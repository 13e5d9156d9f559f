"""Messages that cannot be read, or only their envelope: any bytes, broken JSON, another's uuid, a megabyte."""

import json
from collections.abc import Sequence
from typing import Any

from examples.thin_agent import envelope
from faults.bad_input.messages.fates import Message, dead
from faults.bad_input.messages.making import LOSSY, ORDERED, TYPES, Making, Speaker
from fleet.wire import MAX_MESSAGE_BYTES, Reason

_LARGE = 1024 * 1024


def any_bytes(made: Making, speaker: Speaker, words: Sequence[str] = ORDERED) -> Message:
    """No JSON."""
    rng = made.chance
    content = rng.randbytes(rng.choice([0, 1, 3, 50, 400, 2000]))
    if rng.random() < 0.3:
        content = rng.choice([b"\xff\xfe", b"\xef\xbb\xbf", b"\x00"]) + content
    # By chance it may be a number; that is no object either.
    return made.says(speaker, "any bytes", rng.choice(words), content, *dead(Reason.NOT_JSON))


def any_bytes_lossy(made: Making, speaker: Speaker) -> Message:
    """The same among the readings."""
    return any_bytes(made, speaker, LOSSY)


def broken_json(made: Making, speaker: Speaker, words: Sequence[str] = ORDERED) -> Message:
    """JSON cut off, too deep, of another charset, with numbers that are none, or no object."""
    rng = made.chance
    word = rng.choice(words)
    good = envelope(TYPES[word], speaker.uuid, {"status": speaker.status, "a": "ü"})
    inner = json.dumps({"type": TYPES[word], "uuid": speaker.uuid, "body": {"status": speaker.status}})
    nested = rng.choice([1_500, 20_000, 100_000])
    content = rng.choice(
        [
            good[: rng.randrange(1, len(good))],
            good.replace(b"agent", b"\xed\xa0\x80", 1) if b"agent" in good else b"{",
            good.replace(b"{", b"{\xc3\x28", 1),
            good + b"}",
            good[:-1] + b',"x": NaN}',
            good[:-1] + b',"x": -Infinity}',
            b'{"x": ' + b"9" * 5_000 + b"}",
            b"[" * nested,
            b'{"a":' * nested + b"1" + b"}" * nested,
            json.dumps({"message": inner[:-1]}).encode(),
            json.dumps({"message": inner[:-1] + ', "n": NaN}'}).encode(),
            json.dumps({"message": "[" * nested}).encode(),
            json.dumps({"message": rng.choice(["[]", "3", '"a"', "null", "", "\u0000", "\ud800"])}).encode(),
            rng.choice([b"[]", b"null", b"true", b'"text"', b"17", b"1e999", b"[" + good + b"]"]),
            inner.encode("utf-16"),
            b'{"message": "{\\"uuid\\": \\"\x00\\"}"}',
        ]
    )
    return made.says(speaker, "broken JSON", word, content, *dead(Reason.NOT_JSON))


def broken_json_lossy(made: Making, speaker: Speaker) -> Message:
    """The same among the readings."""
    return broken_json(made, speaker, LOSSY)


def wrong_outside(made: Making, speaker: Speaker) -> Message:
    """It says of no type, from nobody or from another one, or has a body that is no object."""
    rng = made.chance
    word = rng.choice([*ORDERED, *LOSSY])
    inner: dict[str, Any] = {"type": TYPES[word], "uuid": speaker.uuid, "body": {"status": speaker.status}}
    lot = rng.randrange(5)
    if lot == 0:
        inner["uuid"] = rng.choice([None, 7, [], {}, "", [speaker.uuid], True])
        reason = Reason.NO_UUID
    elif lot == 1:
        del inner["uuid"]
        inner |= made.junk()
        reason = Reason.NO_UUID
    elif lot == 2:
        inner["uuid"] = rng.choice([made.facts.holder, f"{speaker.uuid} ", "*", "#", "\x00", "\ud800", "x" * 9_000])
        reason = Reason.UUID_MISMATCH
    elif lot == 3:
        inner["body"] = rng.choice([None, 7, "free", [{"status": "free"}], True, 1.5])
        reason = Reason.INVALID
    else:
        inner["type"] = rng.choice([None, 7, [], {}, "song", "", "AGENT_STATE", "\ud800", "x" * 9_000])
        reason = Reason.UNKNOWN_TYPE
    text = json.dumps(inner)
    if lot == 2 and rng.random() < 0.3:  # keys twice: the last one counts
        text = f'{{"uuid": {json.dumps(speaker.uuid)}, {text[1:]}'
    # Without its envelope it is taken too.
    content = text.encode() if rng.random() < 0.2 else made.enveloped(text)
    return made.says(speaker, "wrong outside", word, content, *dead(reason))


def huge(made: Making, speaker: Speaker) -> Message:
    """More than is read, or a field of a megabyte."""
    rng = made.chance
    if rng.random() < 0.1:
        content = b'{"a": "' + b"y" * MAX_MESSAGE_BYTES + b'"}'
        return made.says(speaker, "more than is read", "state", content, *dead(Reason.TOO_LARGE))
    if rng.random() < 0.5:
        content = made.written("agent_state", speaker, {"status": "z" * _LARGE})
        return made.says(speaker, "1 MB of status", "state", content, *dead(Reason.UNKNOWN_STATUS))
    content = made.written("agent_sensors", speaker, {"x": "z" * _LARGE})
    return made.says(speaker, "1 MB of x", "visualization", content, *dead(Reason.INVALID))
