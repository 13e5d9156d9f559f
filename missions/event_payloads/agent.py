"""`agent.*`: who does the work. Poses and sensor values are not events."""

from typing import Annotated, Any

from pydantic import Field

from missions.event_payloads.base import AgentId, AgentUuid, Changed, Payload
from missions.mission_files.platform_states import PlatformState
from missions.statuses import AgentStatus

YardId = Annotated[int | None, Field(description="id of the yard; null: in none", examples=[1])]


class AgentPayload(Payload):
    """What all of them name."""

    agent_id: AgentId
    agent_uuid: AgentUuid


class AgentRegistered(AgentPayload):
    """An agent is known from now on."""

    yard_id: YardId


class AgentUpdated(AgentPayload):
    """An agent's lasting fields changed."""

    changed: Changed
    follower_id: int | None = Field(None, description="of `followers`: the one that is described anew", examples=[None])


class AgentCheckedIn(AgentPayload):
    """An agent stands in a yard and is about to listen."""

    yard_id: int = Field(description="id of the yard", examples=[1])
    yard_uid: str = Field(description="uid of the yard", examples=["north"])
    protocol: str = Field(description="AMQP or MQTT", examples=["AMQP"])


class AgentCheckedOut(AgentPayload):
    """An agent left its yard."""

    yard_id: int = Field(description="id of the yard that it left", examples=[1])


class AgentStatusChanged(AgentPayload):
    """An agent says another status of itself."""

    from_: AgentStatus | None = Field(
        validation_alias="from", serialization_alias="from", description="status before; null: none", examples=["free"]
    )
    to: AgentStatus = Field(description="status now", examples=["ready"])


class AgentNotListening(AgentPayload):
    """What was sent to an agent came back, or it did not answer."""


class _OfInstantAction(AgentPayload):
    instant_action_id: int = Field(description="id of the command", examples=[9])
    work_process_id: int | None = Field(description="id of the mission that sends it; null: a client", examples=[None])


class AgentInstantActionRequested(_OfInstantAction):
    """A command to an agent was written down."""

    command: str = Field(description="the command, as it is sent", examples=["pause"])


class AgentInstantActionSent(_OfInstantAction):
    """The broker has the command, and the agent's queue is there."""


class AgentInstantActionNotDelivered(_OfInstantAction):
    """The command came back: the agent does not listen."""


class AgentInstantActionAcknowledged(_OfInstantAction):
    """The agent answered a command."""

    status: str = Field(description="the agent's word", examples=["acknowledged"])
    result: Any = Field(None, description="what the agent adds", examples=[{"done": True}])


class AgentRateLimited(AgentPayload):
    """An agent begins to say too much; what is above the limit is dropped."""

    limit_of: str = Field(
        description="`REDUCE_MSG_RATE`: all its messages; `REDUCE_UPDATE_RATE`: its updates",
        examples=["REDUCE_UPDATE_RATE"],
    )
    rate: float = Field(description="messages per second that came", examples=[312.5])
    limit: float = Field(description="messages per second that are taken", examples=[150.0])


class AgentQuarantined(AgentPayload):
    """An agent is not reserved any more, for it may still be at work."""

    reason: str = Field(description="why", examples=["did not confirm the cancel of work process 7"])


class AgentQuarantineCleared(AgentPayload):
    """An agent may be reserved again."""

    reason: str = Field(description="why", examples=["the agent reported free"])


class AgentPlatformStateChanged(AgentPayload):
    """A platform is in another state."""

    from_: PlatformState = Field(
        validation_alias="from", serialization_alias="from", description="state before", examples=["COMMAND"]
    )
    to: PlatformState = Field(description="state now", examples=["MISSION_COMMAND"])
    cause: str = Field(description="why, in words", examples=["mission ctd-2026-11 begins"])


class AgentInstrumentStateChanged(AgentPayload):
    """An instrument says another state of itself: one of its life cycle, or a word of its own."""

    from_: str | None = Field(
        validation_alias="from", serialization_alias="from", description="state before; null: none", examples=["IDLE"]
    )
    to: str = Field(description="state now", examples=["COMMAND"])
