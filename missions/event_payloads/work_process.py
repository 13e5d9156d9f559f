"""`work_process.*`: a mission's statuses and fields."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, Field
from pydantic.alias_generators import to_camel

from missions.event_payloads.base import AgentIds, AgentUuids, Changed, Payload
from missions.event_payloads.task import MissionType, PriorityName
from missions.statuses import PauseMode, WorkProcessStatus

Mode = Annotated[
    PauseMode | None,
    Field(description="`deferred`: before the next step or group; `immediate`: at once", examples=["deferred"]),
]
Code = Annotated[str, Field(description="one of the codes of docs/operators.md", examples=["agent_busy"])]
Text = Annotated[str, Field(description="the same in words", examples=["agent truck-1 reports 'busy', not 'free'"])]
Since = Annotated[AwareDatetime, Field(description="since when, RFC 3339", examples=["2026-01-02T03:04:05.678000Z"])]
About = Annotated[int | None, Field(description="id of the agent that it is about", examples=[1])]


class WorkProcessCreated(Payload):
    """A draft was written down."""

    mission_type: MissionType
    yard_id: int | None = Field(description="id of its yard; null: it needs none", examples=[1])
    yard_uid: str | None = Field(description="uid of its yard", examples=["north"])
    agent_ids: AgentIds
    agent_uuids: AgentUuids
    priority: PriorityName


class WorkProcessUpdated(Payload):
    """A draft was edited."""

    changed: Changed


class WorkProcessStatusChanged(Payload):
    """A mission has another status."""

    from_: WorkProcessStatus = Field(
        validation_alias="from", serialization_alias="from", description="status before", examples=["calculating"]
    )
    to: WorkProcessStatus = Field(description="status now", examples=["executing"])


class _Entry(Payload):
    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Self:
        """Of an entry of the mission's field; what it does not say is null."""
        return cls(**{name: entry[key] for name in cls.model_fields if (key := to_camel(name)) in entry})


class WaitingReason(_Entry):
    """One thing that a mission waits for."""

    code: Code
    text: Text
    agent_id: About = None
    step: str | None = Field(None, description="the step that waits; null: the mission does", examples=[None])
    since: Since


class WorkProcessWaiting(Payload):
    """A mission begins to wait."""

    waiting_reasons: list[WaitingReason] = Field(
        description="what it waits for; the mission itself always shows the reasons of now",
        examples=[[WaitingReason.example()]],
    )


class WorkProcessAgentsChosen(Payload):
    """The agents of a mission that left the choice to Muster."""

    agent_ids: AgentIds
    agent_uuids: AgentUuids


class WorkProcessPauseRequested(Payload):
    """Somebody wants the mission to pause."""

    mode: Mode


class WorkProcessPaused(Payload):
    """The pause holds."""

    mode: Mode


class WorkProcessResumed(Payload):
    """The mission goes on."""

    mode: Mode


class WorkProcessHaltRequested(Payload):
    """The mission is to end without waiting for its agents."""

    reason: str = Field(description="why, in the asker's words; may be empty", examples=["fire alarm"])


class _Attention(_Entry):
    code: Code
    text: Text
    agent_id: About = None
    assignment_id: int | None = Field(None, description="id of the assignment that it is about", examples=[3])
    activity_id: str | None = Field(None, description="activity of the mission's run that fails", examples=[None])
    since: Since


class WorkProcessAttentionRaised(_Attention):
    """Something needs a person."""


class WorkProcessAttentionCleared(_Attention):
    """It needs nobody any more: what was raised."""
