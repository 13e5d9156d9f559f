"""The typed contracts between the workflow of a platform's command and its activities."""

from enum import StrEnum

from pydantic import Field, JsonValue

from missions.contracts import ActivityInput, Contract, Outcome, WorkProcessStart
from missions.errors import Failure
from missions.mission_files.contracts import CommandSent

PLATFORM_COMMAND = "platform-command"
"""The recipe name under which platforms' commands stand among the work processes."""

PLATFORM_COMMAND_RUN = "PlatformCommand"
"""The type of their workflow."""


class PlatformActivity(StrEnum):
    """The activities of a platform's command."""

    SEND_PLATFORM_COMMAND = "send_platform_command"
    SETTLE_PLATFORM_COMMAND = "settle_platform_command"


class PlatformCommandStart(WorkProcessStart):
    """Input of the run: what every mission has, and the command. `name`, `values`: of EXECUTE_RESOURCE."""

    platform_id: int = 0
    platform: str = Field("", description="its uuid")
    command: str = ""
    name: str = ""
    values: list[JsonValue] = Field(default_factory=list)
    command_timeout: float = Field(60.0, description="seconds until all who were told have answered")


class SendPlatformCommand(ActivityInput):
    """Send the command to those that need it: instruments that are reserved for it, or the platform itself."""

    platform_id: int
    command: str
    name: str = ""
    values: list[JsonValue] = Field(default_factory=list)


class CommandSentTo(CommandSent):
    """One of them was sent it."""

    agent: str = Field(description="its uuid")


class PlatformCommandSent(Contract):
    """SUPERSEDED: a cancel came first."""

    outcome: Outcome
    commands: list[CommandSentTo] = Field(default_factory=list)


class SettlePlatformCommand(ActivityInput):
    """Look what came of it, and write the platform's new state if all went well."""

    platform_id: int
    command: str


class PlatformCommandSettled(Contract):
    """WAITING: these agents have not said their last word. SUPERSEDED: a cancel came first."""

    outcome: Outcome
    waiting: list[str] = Field(default_factory=list, description="uuids")
    failure: Failure | None = None
