"""Instant actions on the wire."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from api.models.base import Moment, Resource
from missions.requests import Request, Words
from missions.statuses import InstantActionChannel


class InstantActionCreate(Request):
    """A command to an agent, outside of assignments."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"command": "pause operation", "sender": "ann"}]})

    command: Annotated[str, Field(min_length=1, max_length=10_000)] | dict[str, Any] = Field(
        description="what the agent is told; an object is sent as JSON text", examples=["pause operation"]
    )
    channel: Annotated[InstantActionChannel, Field(strict=False)] = Field(
        InstantActionChannel.INSTANT_ACTIONS,
        description="`stream`: a passing message on the agent's stream, which the SDK does not listen to",
    )
    sender: Words | None = Field(None, description="kept for you")


class InstantAction(Resource):
    """A command and what became of it."""

    id: int = Field(examples=[1])
    agent_id: int
    agent_uuid: str = Field(examples=["truck-1"])
    yard_id: int | None = Field(description="where the agent stood")
    work_process_id: int | None
    sender: str | None
    command: str = Field(description="the text that the agent gets", examples=["pause operation"])
    channel: str = Field(examples=["instantActions"])
    status: str = Field(
        description="`to_send`, `sent`, `not_listening`, then `acknowledged` or `failed` if the agent says so",
        examples=["to_send"],
    )
    result: Any
    error: str | None
    sent_at: Moment | None
    acknowledged_at: Moment | None
    created_at: Moment
