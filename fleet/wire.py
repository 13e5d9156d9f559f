"""The messages of helyOS's protocol (reference A.4, A.8, K.2): out of and into their envelopes; those we send, built.

Every payload is a JSON object whose `message` is JSON text again, with the signature of exactly that text beside it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NoReturn

from fleet.signing import Signer
from missions.errors import MusterError

VERSION = "2.0.0"
MAX_MESSAGE_BYTES = 4 * 1024 * 1024


class BadMessage(MusterError):
    """A message that cannot be used: dead-lettered with its reason."""

    def __init__(self, reason: "Reason", text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text


class Reason(StrEnum):
    """Why a message was dead-lettered; the words of `message_counts`."""

    NOT_JSON = "not_json"
    TOO_LARGE = "too_large"
    BAD_PROPERTIES = "bad_properties"
    NO_UUID = "no_uuid"
    BAD_ROUTING_KEY = "bad_routing_key"
    UUID_MISMATCH = "uuid_mismatch"
    WRONG_SENDER = "wrong_sender"
    BAD_SIGNATURE = "bad_signature"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_AGENT = "unknown_agent"
    UNKNOWN_STATUS = "unknown_status"
    UNKNOWN_ASSIGNMENT = "unknown_assignment"
    UNKNOWN_INSTANT_ACTION = "unknown_instant_action"
    NOT_ITS_ASSIGNMENT = "not_its_assignment"
    ASSIGNMENT_NOT_SENT = "assignment_not_sent"
    INVALID = "invalid"
    NOT_SUPPORTED = "not_supported"
    REFUSED = "refused"
    REFUSED_BY_DATABASE = "refused_by_database"


@dataclass(frozen=True)
class Inner:
    """An agent's message out of its envelope. `text`: what the signature covers."""

    type: str
    uuid: str
    body: dict[str, Any]
    text: str
    signature: str | None


@dataclass(frozen=True)
class AssignmentMessage:
    """What an agent is told of its assignment; `start_time_stamp`: `YYYY-MM-DD HH:MM:SS`, UTC."""

    id: int
    work_process_id: int
    yard_id: int | None
    start_time_stamp: str
    context: Mapping[str, Any]
    data: Any


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def read_envelope(payload: bytes, uuid_if_none: str | None = None) -> Inner:
    """Take an agent's message out of its envelope; raises BadMessage. Un-enveloped JSON is accepted, as in helyOS."""
    if len(payload) > MAX_MESSAGE_BYTES:
        raise BadMessage(Reason.TOO_LARGE, f"{len(payload)} bytes; the limit is {MAX_MESSAGE_BYTES}")
    outer = _object(payload)
    text = outer.get("message")
    if isinstance(text, str):
        inner = _object(text)
        signature = outer.get("signature")
    else:
        inner, text, signature = outer, payload.decode(), None
    uuid, body = inner.get("uuid", uuid_if_none), inner.get("body", {})
    if not isinstance(uuid, str) or not uuid:
        raise BadMessage(Reason.NO_UUID, "the message names no uuid")
    if not isinstance(body, dict):
        raise BadMessage(Reason.INVALID, "body: must be an object")
    return Inner(
        type=str(inner.get("type")),
        uuid=uuid,
        body=body,
        text=text,
        signature=_hexadecimal(signature),
    )


def _object(payload: bytes | str) -> dict[str, Any]:
    try:
        # Only UTF-8: json.loads would take UTF-16 too, and what is no text here is none for the signature either.
        text = payload if isinstance(payload, str) else payload.decode()
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadMessage(Reason.NOT_JSON, str(error)[:300]) from error
    if not isinstance(value, dict):
        raise BadMessage(Reason.NOT_JSON, "not a JSON object")
    return value


def _hexadecimal(signature: Any) -> str | None:
    if isinstance(signature, list):  # the SDK's MQTT check-in
        try:
            return bytes(signature).hex()
        except (ValueError, TypeError):
            return None
    return signature if isinstance(signature, str) else None


# --- What we send ------------------------------------------------------------------------------------------------


def envelope(message: Any, signer: Signer) -> bytes:
    """A signed message, ready to be published."""
    return envelope_of_text(json.dumps(message, separators=(",", ":")), signer)


def envelope_of_text(text: str, signer: Signer) -> bytes:
    """The same of a message that is JSON text already."""
    return json.dumps({"message": text, "signature": signer.sign(text)}).encode()


def reserve(uuid: str, work_process_id: int, operation_types_required: Sequence[str]) -> dict[str, Any]:
    """Ask an agent to reserve itself for a mission."""
    return _resources("reserve_for_mission", uuid, work_process_id, operation_types_required, reserved=True)


def release(uuid: str, work_process_id: int) -> dict[str, Any]:
    """Tell an agent that the mission is over."""
    return _resources("release_from_mission", uuid, work_process_id, (), reserved=False)


def _resources(
    kind: str, uuid: str, work_process_id: int, operation_types: Sequence[str], *, reserved: bool
) -> dict[str, Any]:
    # One more key in the body, and the SDK drops the message.
    return {
        "type": kind,
        "uuid": uuid,
        "body": {
            "work_process_id": work_process_id,
            "operation_types_required": list(operation_types),
            "reserved": reserved,
        },
        "_version": VERSION,
    }


def assignment(uuid: str, message: AssignmentMessage) -> dict[str, Any]:
    """Give an agent its assignment."""
    return {
        "type": "assignment_execution",
        "uuid": uuid,
        "metadata": _metadata(message, "to_dispatch"),
        "body": message.data,
        "_version": VERSION,
    }


def cancel(uuid: str, message: AssignmentMessage) -> dict[str, Any]:
    """Tell an agent to stop an assignment."""
    data = message.data if isinstance(message.data, dict) else {}
    return {
        "type": "assignment_cancel",
        "uuid": uuid,
        "metadata": _metadata(message, "canceling"),
        "body": {
            "assignment_id": message.id,
            "data": {
                "metadata": {
                    "type": "assignment_cancel",
                    "custom_meta": data.get("metadata"),
                    "assignment_id": message.id,
                }
            },
        },
        "_version": VERSION,
    }


def custom_action(uuid: str, command: str, action_id: int) -> dict[str, Any]:
    """A command outside of assignments. helyOS sends no metadata; the SDK hands the whole message on unread."""
    return {
        "type": "custom_action",
        "uuid": uuid,
        "metadata": {"id": action_id},
        "body": command,
        "_version": VERSION,
    }


def stream(uuid: str, text: str) -> dict[str, Any]:
    """A passing message to an agent; it has no type, as in helyOS."""
    return {"uuid": uuid, "metadata": {}, "body": text, "_version": VERSION}


def data_control(uuid: str, action: str, *, rate: float, limit: float) -> dict[str, Any]:
    """Ask an agent to say less; rates in messages per second."""
    parameters = {"rate": round(rate, 1), "limit": limit}
    return {
        "type": "data_control",
        "uuid": uuid,
        "metadata": {},
        "body": json.dumps({"action": action, "parameters": parameters}),
        "_version": VERSION,
    }


def _metadata(message: AssignmentMessage, status: str) -> dict[str, Any]:
    # Exactly these six keys: the SDK's dataclass refuses any other.
    return {
        "id": message.id,
        "work_process_id": message.work_process_id,
        "yard_id": message.yard_id,
        "status": status,
        "start_time_stamp": message.start_time_stamp,
        "context": dict(message.context),
    }


def checkin_answer(uuid: str, kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a check-in or check-out; further keys at the top level make the SDK refuse it."""
    return {"type": kind, "uuid": uuid, "body": dict(body), "_version": VERSION}
