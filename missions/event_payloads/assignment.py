"""`assignment.*`: one agent's part of a mission."""

from typing import Annotated

from pydantic import Field

from missions.event_payloads.base import AgentId, AgentUuid, Payload
from missions.statuses import AssignmentStatus

AssignmentId = Annotated[int, Field(description="id of the assignment", examples=[3])]
Step = Annotated[str, Field(description="the step whose service planned it", examples=["plan"])]


class _OfAssignment(Payload):
    assignment_id: AssignmentId
    agent_id: AgentId
    agent_uuid: AgentUuid
    step: Step


class AssignmentCreated(_OfAssignment):
    """A planner's result became an assignment."""

    index: int = Field(description="its place in the planner's results, from 0", examples=[0], ge=0)


class AssignmentStatusChanged(_OfAssignment):
    """An assignment has another status."""

    from_: AssignmentStatus = Field(
        validation_alias="from", serialization_alias="from", description="status before", examples=["executing"]
    )
    to: AssignmentStatus = Field(description="status now", examples=["succeeded"])


class AssignmentReassigned(_OfAssignment):
    """A silent agent's assignment was given up for a new one, of another agent."""

    to_assignment_id: int = Field(description="id of the new assignment", examples=[4])
    to_agent_id: int = Field(description="id of the agent that gets it", examples=[2])
    to_agent_uuid: str = Field(description="uuid of the agent that gets it", examples=["truck-2"])


class AssignmentLateReport(_OfAssignment):
    """An agent reports on an assignment that has ended otherwise; only the first such report is told."""

    status: AssignmentStatus = Field(description="how it ended, which stays", examples=["canceled"])
    reported: str = Field(description="what the agent says", examples=["succeeded"])
