"""The messages of helyOS's protocol (reference A.4, A.8, K.2): what agents send, read; what we send, built.

Every payload is a JSON object whose `message` is JSON text again, with the signature of exactly that text beside it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, NoReturn, TypeVar, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from fleet.signing import Signer
from missions.errors import MusterError, UserError
from missions.requests import find_unstorable

VERSION = "2.0.0"
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
_MOST_DIGITS = len(str(2**63))

DatabaseId = Annotated[int, Field(ge=0, le=2**63 - 1)]
Body = TypeVar("Body", bound=BaseModel)
Finite = Annotated[float, Field(allow_inf_nan=False)]


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


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class AssignmentBody(_Body):
    """An agent's report on one assignment."""

    id: DatabaseId | None = None
    status: str | None = None
    result: Any = None

    @model_validator(mode="before")
    @classmethod
    def _older_form(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("assignment_status"), dict):
            return value["assignment_status"]
        return value


class InstantActionBody(_Body):
    """An agent's word on a `custom_action`, by the id in its metadata. Not of helyOS, whose agents have none."""

    id: DatabaseId
    status: str = ""
    result: Any = None


class StateBody(_Body):
    """Body of `agent_state`."""

    status: str
    resources: dict[str, Any] | None = None
    assignment: AssignmentBody | None = None
    wp_clearance: dict[str, Any] | None = None
    instant_action: InstantActionBody | None = None

    @field_validator("instant_action", mode="wrap")
    @classmethod
    def _or_nothing(cls, value: Any, read: ValidatorFunctionWrapHandler) -> InstantActionBody | None:
        # Other software may use the word for something else: that must not cost the agent its state.
        try:
            return cast(InstantActionBody | None, read(value))
        except ValidationError:
            return None

    @field_validator("status")
    @classmethod
    def _lower(cls, status: str) -> str:
        return status.lower()

    @property
    def work_process_id(self) -> int | None:
        """The mission that the agent says it is reserved for; ids come as numbers or as text."""
        for source, names in (
            (self.resources, ("work_process_id",)),
            (self.wp_clearance, ("work_process_id", "wp_id")),
        ):
            for name in names:
                value = (source or {}).get(name)
                if isinstance(value, str | int) and not isinstance(value, bool) and str(value).isdecimal():
                    # int() raises for thousands of digits.
                    return int(value) if len(str(value)) <= _MOST_DIGITS and int(value) < 2**63 else None
        return None


class EventBody(_Body):
    """Body of `agent_event`: something that happened at an instrument or a platform (design 7)."""

    event_id: str = Field(min_length=1, max_length=200)
    value: Any = None

    @property
    def names(self) -> tuple[str, ...]:
        """What the event is called: a thread that waits for either is meant."""
        return (self.event_id, self.value) if isinstance(self.value, str) else (self.event_id,)


class Pose(_Body):
    """Metres in the yard's frame; orientations in radians, of the agent and its trailers."""

    x: Finite | None = None
    y: Finite | None = None
    z: Finite | None = None
    orientations: list[Finite] | None = None


class Profile(_Body):
    """What an agent may say of itself at check-in, in sensors and in updates."""

    name: str | None = None
    code: str | None = None
    agent_type: str | None = None
    is_actuator: bool | None = None
    pose: Pose | None = None
    x: Finite | None = None
    y: Finite | None = None
    z: Finite | None = None
    orientations: list[Finite] | None = None
    factsheet: Any = None
    geometry: Any = None
    sensors: Any = None
    sensors_data_format: str | None = None
    geometry_data_format: str | None = None
    data_format: str | None = None
    unit: str | None = None
    coordinate_frame: str | None = None
    reference_point: str | None = None

    def fields(self) -> dict[str, Any]:
        """The fields that it names, as store.agents.write_profiles takes them."""
        said = self.model_dump(exclude={"pose"}, exclude_none=True)
        return said | (self.pose.model_dump(exclude_none=True) if self.pose else {})


class UpdateBody(_Body):
    """What `agent_update` says beside the profile: whom the agent leads, all of them; None: nothing new."""

    followers: list[str] | None = Field(None, max_length=100)


class CheckInBody(Profile):
    """Body of `checkin`."""

    yard_uid: str | None = None
    yard_id: str | int | None = None
    status: str = "free"
    public_key: str | None = None
    public_key_format: str | None = None
    registration_token: str | None = None

    @property
    def yard(self) -> str | None:
        """The yard's uid; old agents call it yard_id."""
        if self.yard_uid is not None:
            return self.yard_uid
        return None if self.yard_id is None else str(self.yard_id)

    def fields(self) -> dict[str, Any]:
        """The profile alone."""
        names = set(Profile.model_fields)
        return {name: value for name, value in super().fields().items() if name in names}


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


# Only a text that looks like this can hold what PostgreSQL refuses: NUL, halves of surrogate pairs, numbers beyond all
# bounds. So the values of all others need not be walked through.
_SUSPECT = re.compile(r"\\u(?:0000|[dD][89a-fA-F])|[\ud800-\udfff]|\d[eE]\+?\d{3}|\d{300}")


def refuse_unstorable(inner: Inner, said: Mapping[str, Any] | None) -> None:
    """Raise BadMessage for the first value of `said`, which comes from this message, that PostgreSQL would refuse.

    Else the whole batch would have to be written in halves until the one is found.
    """
    if said and _SUSPECT.search(inner.text):
        found = find_unstorable(said)
        if found is not None:
            raise BadMessage(Reason.INVALID, f"body: {found.path[:200] or 'it'} {found.detail}; {found.remedy}")


def read_body(model: type[Body], body: dict[str, Any]) -> Body:
    """Validate a body; raises BadMessage naming the field."""
    try:
        return model.model_validate(body)
    except UserError as error:  # of what clients send: it names the place itself
        raise BadMessage(Reason.INVALID, f"body: {error.detail}; {error.remedy}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadMessage(Reason.INVALID, f"body.{where}: {first['msg']}") from error


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
