"""What the payloads of events share."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

AgentId = Annotated[int, Field(description="id of the agent", examples=[1])]
AgentUuid = Annotated[str, Field(description="uuid of the agent", examples=["truck-1"])]
AgentIds = Annotated[list[int], Field(description="ids of the agents, in the mission's order", examples=[[1, 2]])]
AgentUuids = Annotated[
    list[str], Field(description="uuids of the agents, in the same order", examples=[["truck-1", "truck-2"]])
]
WorkProcessId = Annotated[int, Field(description="id of the work process (mission)", examples=[7])]
Changed = Annotated[list[str], Field(description="names of the fields that changed", examples=[["name"]])]
UnixSeconds = Annotated[float, Field(description="seconds since 1970, UTC", examples=[1767323045.678])]


class Payload(BaseModel):
    """The payload of one type of event; each field has a meaning and an example."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    def as_json(self) -> dict[str, Any]:
        """As it stands in the log."""
        return self.model_dump(mode="json", by_alias=True)

    @classmethod
    def example(cls) -> dict[str, Any]:
        """One that may come, made of its fields' examples."""
        return {
            field.serialization_alias or name: (field.examples or [None])[0] for name, field in cls.model_fields.items()
        }
