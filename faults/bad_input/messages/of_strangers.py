"""Check-ins over the account that everybody knows: refused, or no check-in at all."""

from collections.abc import Callable
from typing import Any

from examples.thin_agent import envelope
from faults.bad_input.messages.fates import Fate, Message, dead
from faults.bad_input.messages.making import Making
from faults.bad_input.messages.raw_frames import short
from fleet.wire import Reason


def stranger(made: Making, uuid: str) -> Message:
    """The next one; `uuid`: whose name it uses."""
    return made.chance.choice(_KINDS)(made, uuid)


def _refused(made: Making, uuid: str) -> Message:
    token = made.settings.agent_registration_token.get_secret_value()
    refused: list[tuple[str, dict[str, Any]]] = [
        ("token", {"registration_token": f"wrong-{made.chance.random()}"}),
        ("token", {"registration_token": None}),
        ("token", {}),
        ("invalid", {"registration_token": 17}),
        ("invalid", {"registration_token": token, "yard_uid": "nowhere"}),
        ("invalid", {"registration_token": token, "yard_uid": None}),
        ("invalid", {"registration_token": token, "status": "dancing"}),
        ("invalid", {"registration_token": token, "status": "x" * 5_000}),
        ("invalid", {"registration_token": token, "x": "here"}),
    ]
    reason, said = made.chance.choice(refused)
    content = envelope("checkin", uuid, _body(made, uuid) | said)
    return _knocks(made, "check-in refused", uuid.encode(), content, Fate.REFUSED, reason)


def _unknown(made: Making, uuid: str) -> Message:
    nobody = f"stranger-{made.chance.randrange(10**9)}"
    content = envelope("checkout", nobody, _body(made, uuid))
    return _knocks(made, "check-in refused", nobody.encode(), content, Fate.REFUSED, "unknown_agent")


def _of_no_type(made: Making, uuid: str) -> Message:
    content = envelope("song", uuid, _body(made, uuid))
    return _knocks(made, "check-in of no type", uuid.encode(), content, *dead(Reason.UNKNOWN_TYPE))


def _under_no_name(made: Making, uuid: str) -> Message:
    name = made.chance.choice([b"\xff\xfe", b"a b", b"x" * 65, b"\xc3\x28", b"a/b", b"'"])
    content = envelope("checkin", uuid, _body(made, uuid))
    return _knocks(made, "check-in under no name", name, content, *dead(Reason.BAD_ROUTING_KEY))


def _of_another(made: Making, uuid: str) -> Message:
    content = envelope("checkin", f"{uuid}x", _body(made, uuid))
    return _knocks(made, "check-in of another", uuid.encode(), content, *dead(Reason.UUID_MISMATCH))


def _any_bytes(made: Making, uuid: str) -> Message:
    content = b"\xff" + made.chance.randbytes(made.chance.randrange(1, 200))
    return _knocks(made, "check-in of any bytes", uuid.encode(), content, *dead(Reason.NOT_JSON))


_KINDS: tuple[Callable[[Making, str], Message], ...] = (
    *9 * (_refused,),
    _unknown,
    _of_no_type,
    _under_no_name,
    _of_another,
    *3 * (_any_bytes,),
)


def _body(made: Making, uuid: str) -> dict[str, Any]:
    return {"yard_uid": made.facts.yard_uid, "status": "free", "name": uuid}


def _knocks(made: Making, kind: str, name: bytes, content: bytes, fate: Fate, reason: str) -> Message:
    key = b"agent." + name + b".checkin"
    properties = {"reply_to": short(b"amq.gen-nobody")} if made.chance.random() < 0.3 else {}
    return Message(kind, made.settings.anonymous_exchange, key, content, fate, reason, properties)
