"""Platforms on the wire."""

from typing import Annotated, Any

from fastapi import Path
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, JsonValue, model_validator

from api.models.base import Moment, QueryText, Resource, storable
from missions.mission_files.platform_states import STEPS, TAKEN_ALWAYS, PlatformCommand, PlatformState, accepted
from missions.requests import Name, Request

PlatformName = Annotated[
    str,
    AfterValidator(storable),
    Path(max_length=200, description="the platform's id, uuid or alias", examples=["LJ01D"]),
]


def _as_text(name: object) -> object:
    return str(name) if isinstance(name, int) and not isinstance(name, bool) else name


NamedPlatform = Annotated[QueryText, BeforeValidator(_as_text, json_schema_input_type=int | str)]
"""A platform's id, uuid or alias in a body or query."""


class Instrument(Resource):
    """An instrument of a platform."""

    id: int = Field(examples=[2])
    uuid: str = Field(examples=["SBE37_SIM_02"])
    alias: str | None = Field(examples=["PRE:SBE37_SIM_02"])
    name: str | None
    state: str | None = Field(description="what it last said; null: nothing yet", examples=["COMMAND"])
    state_since: Moment | None
    status: str | None = Field(description="what it last said of itself as an agent", examples=["free"])
    connection_status: str = Field(description="`online` for 10 s after its last message", examples=["online"])
    reserved_for: int | None = Field(description="the work process that holds it")


class RunningMission(Resource):
    """A mission file that the platform runs."""

    mission_id: str = Field(description="the mission's id, as its client chose it", examples=["ctd-2026-11"])
    work_process_id: int = Field(examples=[42])


class Platform(Resource):
    """A platform."""

    id: int = Field(examples=[1])
    uuid: str = Field(examples=["LJ01D"])
    alias: str | None
    name: str | None
    yard_id: int | None
    state: PlatformState = Field(examples=["MISSION_COMMAND"])
    saved_state: PlatformState | None = Field(
        description="to return to when its last mission ends", examples=["COMMAND"]
    )
    state_since: Moment | None = Field(description="null: since it was registered")
    accepted_commands: list[PlatformCommand] = Field(description="what it takes now", examples=[["EXECUTE_RESOURCE"]])
    under_way: int | None = Field(description="work process of the command that is to change its state")
    instruments: list[Instrument]
    missions: list[RunningMission]

    @model_validator(mode="before")
    @classmethod
    def _with_commands(cls, row: Any) -> Any:
        if not isinstance(row, dict) or "accepted_commands" in row:
            return row
        takes = accepted(PlatformState(row["state"]))
        if row["under_way"] is not None:
            takes = [command for command in takes if command in TAKEN_ALWAYS]
        return row | {"accepted_commands": takes}


_OF_MISSIONS = (PlatformCommand.RUN_MISSION, PlatformCommand.ABORT_MISSION)


class PlatformCommandBody(Request):
    """A command."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"command": "GO_ACTIVE"},
                {"command": "EXECUTE_RESOURCE", "name": "TURN_ON_PORT", "values": [1]},
            ]
        }
    )

    command: Annotated[PlatformCommand, Field(strict=False)]
    name: Name | None = Field(None, description="with EXECUTE_RESOURCE: what the platform itself is to do")
    values: list[JsonValue] = Field(default_factory=list, max_length=100, description="with EXECUTE_RESOURCE")

    @model_validator(mode="after")
    def _fits(self) -> "PlatformCommandBody":
        if self.command in _OF_MISSIONS:
            raise ValueError(
                f"{self.command} is not sent here; run missions with POST /api/v1/platforms/{{platform}}/missions, and"
                " abort them there"
            )
        if STEPS[self.command].target is not None and {"name", "values"} & self.model_fields_set:
            raise ValueError(f"{self.command} takes neither `name` nor `values`; leave them out")
        if self.command is PlatformCommand.EXECUTE_RESOURCE and self.name is None:
            raise ValueError("EXECUTE_RESOURCE needs the `name` of what the platform is to do, such as TURN_ON_PORT")
        return self


class PlatformCommandTaken(Resource):
    """What became of a command."""

    work_process_id: int | None = Field(
        description="the work process that does it; null: it is done, for no instrument needed it", examples=[42]
    )
    platform: Platform
