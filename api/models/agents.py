"""Agents on the wire."""

from enum import StrEnum
from typing import Annotated, Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import AfterValidator, ConfigDict, Field, SecretStr, model_validator

from api.models.base import Moment, PageQuery, QueryText, Resource
from missions.requests import Id, Name, Request, Words
from missions.statuses import AgentClass, AgentStatus

AGENT_UUID = r"^[A-Za-z0-9_-]{1,64}$"
"""What an agent's uuid may be made of: it is part of routing keys and of the broker's permission patterns."""


def _no_number(alias: str) -> str:
    if alias.isascii() and alias.isdecimal():
        raise ValueError("an alias of digits alone would be read as an agent's id; write a letter too")
    return alias


Alias = Annotated[str, Field(pattern=r"^[^\s,(){}]{1,200}$"), AfterValidator(_no_number)]
"""Another name of an agent: one word, as it stands before the comma of a mission file's command."""


class Protocol(StrEnum):
    """What an agent speaks."""

    AMQP = "AMQP"
    MQTT = "MQTT"


def _rsa_key(pem: str) -> str:
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if pem and not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("it is no public RSA key in PEM form; send what begins with -----BEGIN PUBLIC KEY-----")
    return pem


AgentUuid = Annotated[str, Field(pattern=AGENT_UUID)]
PublicKey = Annotated[Words, AfterValidator(_rsa_key)]


class AgentFields(Request):
    """What clients may set; only fields that were sent count."""

    yard_id: Id | None = Field(None, description="null: in no yard, so it cannot be reserved")
    name: Words | None = Field(None, examples=["Truck 1"])
    code: Words | None = None
    description: Words | None = None
    agent_class: Annotated[AgentClass, Field(strict=False)] = AgentClass.VEHICLE
    agent_type: Words | None = Field(None, examples=["truck"])
    alias: Alias | None = Field(
        None,
        description="another name, such as mission files write: one word, no number, used once (`PRE:` or not)",
    )
    parent_id: Id | None = Field(None, description="of an instrument: id of its platform")
    parent_uuid: AgentUuid | None = Field(None, description="instead of `parentId`: the platform's uuid")
    operation_types: list[Name] = Field(default_factory=list, max_length=100)
    acknowledge_reservation: bool = Field(True, description="wait for its `ready` after a reserve")
    idempotent: bool = Field(False, description="may be sent the same assignment twice")
    allow_anonymous_checkin: bool = True
    verify_signature: bool = Field(False, description="take only messages signed with its key")
    public_key: PublicKey | None = Field(None, description="RSA, as PEM")

    @model_validator(mode="after")
    def _one_parent(self) -> "AgentFields":
        if {"parent_id", "parent_uuid"} <= self.model_fields_set:
            raise ValueError("`parentId` and `parentUuid` both name the platform; send one of them")
        return self

    def columns(self) -> dict[str, Any]:
        """The table's columns that were sent, and `parent_uuid`."""
        return {name: getattr(self, name) for name in AgentFields.model_fields if name in self.model_fields_set}


class Account(Request):
    """An account at the broker, with the agent's uuid as its user name."""

    password: SecretStr = Field(min_length=8, max_length=200)


class AgentRegister(AgentFields):
    """A new agent."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"uuid": "truck-1", "name": "Truck 1", "agentType": "truck", "yardId": 1}]}
    )

    uuid: str = Field(pattern=AGENT_UUID, examples=["truck-1"])
    protocol: Annotated[Protocol, Field(strict=False)] = Protocol.AMQP
    account: Account | None = Field(None, description="make an account at the broker too")

    @model_validator(mode="after")
    def _key_to_verify_with(self) -> "AgentRegister":
        if self.verify_signature and not self.public_key:
            raise ValueError("`verifySignature` needs a key to verify with; send `publicKey`")
        return self

    def columns(self) -> dict[str, Any]:
        """The table's columns that were sent, with the uuid."""
        return super().columns() | {"uuid": self.uuid, "protocol": self.protocol}


class AgentPatch(AgentFields):
    """Changes of an agent."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Truck One", "yardId": 2}]})


class AgentQuery(PageQuery):
    """Which agents to list."""

    yard_id: Id | None = None
    uuid: QueryText | None = None
    status: AgentStatus | None = None
    agent_class: AgentClass | None = None
    agent_type: QueryText | None = None
    parent_id: Id | None = Field(None, description="of instruments: the id of their platform")


class Pose(Resource):
    """Where the agent says it is, in its own unit and frame."""

    x: float | None
    y: float | None
    z: float | None
    orientations: list[float] | None


class Agent(Resource):
    """An agent."""

    id: int = Field(examples=[1])
    uuid: str = Field(examples=["truck-1"])
    name: str | None
    code: str | None
    description: str | None
    agent_class: str
    agent_type: str | None
    alias: str | None = Field(description="another name, such as mission files write", examples=["PRE:SBE37_SIM_02"])
    parent_id: int | None = Field(description="of an instrument: its platform")
    parent_uuid: str | None = Field(description="uuid of its platform")
    instrument_state: str | None = Field(description="of an instrument: what it last said", examples=["COMMAND"])
    platform_state: str | None = Field(description="of a platform: its state", examples=["MONITORING"])
    yard_id: int | None
    status: str | None = Field(description="what it last said of itself; only the agent sets it", examples=["free"])
    status_since: Moment | None
    connection_status: str = Field(description="`online` for 10 s after its last message", examples=["online"])
    last_message_time: Moment | None
    protocol: str
    operation_types: list[str]
    acknowledge_reservation: bool
    idempotent: bool
    allow_anonymous_checkin: bool
    verify_signature: bool
    public_key: str | None
    has_rbmq_account: bool = Field(description="whether it has an account at the broker")
    pose: Pose
    resources: Any
    reserved_for: int | None = Field(description="the work process that holds it")
    rate_limited_at: Moment | None = Field(description="when it last said more than it may; the excess was dropped")
    not_listening_since: Moment | None
    quarantined_since: Moment | None
    quarantine_reason: str | None
    created_at: Moment
    modified_at: Moment

    @model_validator(mode="before")
    @classmethod
    def _with_pose(cls, row: Any) -> Any:
        return {"pose": row} | row if isinstance(row, dict) and "x" in row else row


class AgentLink(Resource):
    """Another agent, and how the two hang together."""

    id: int
    uuid: str
    connection_geometry: Any = Field(description="where the follower hangs on its leader, in words of your own")


class FollowerConnection(Request):
    """How a follower hangs on its leader; planners get it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"connectionGeometry": {"hitch": {"x": -3200, "y": 0}}}]})

    connection_geometry: dict[str, Any] | None = Field(description="null: not known")


class FullAgent(Agent):
    """An agent with its big details."""

    leaders: list[AgentLink] = Field(description="who drives it, and may speak for it")
    followers: list[AgentLink] = Field(description="whom it drives, as it says")

    factsheet: Any = None
    geometry: Any = None
    sensors: Any = None
    assignment: Any = None
    data_format: str | None = None
    unit: str | None = None
    coordinate_frame: str | None = None
    reference_point: str | None = None
