"""A platform comes to where it takes mission files, also when a fault hits one of the commands on the way."""

from typing import Any, cast

from faults.load.client import Client
from faults.load.preparation import activate
from faults.stage.crew import platforms
from missions.mission_files.platform_states import STEPS, PlatformCommand, PlatformState


class Api:
    """Of one platform; its first `INITIALIZE` is cancelled and changes nothing."""

    def __init__(self, state: PlatformState) -> None:
        self.state = state
        self.told: list[str] = []

    async def post(self, path: str, body: dict[str, Any], *, fine: tuple[int, ...]) -> dict[str, Any]:
        command = PlatformCommand(body["command"])
        first = command not in self.told
        self.told.append(command)
        if self.state not in STEPS[command].sources:
            assert 409 in fine
        elif not (command == PlatformCommand.INITIALIZE and first):
            self.state = STEPS[command].target or self.state
        return {}

    async def get(self, path: str) -> dict[str, Any]:
        return {"underWay": None, "state": self.state}


async def test_a_command_that_was_cancelled_is_given_again() -> None:
    api = Api(PlatformState.IDLE)
    await activate(cast(Client, api), platforms()[0])
    assert api.state == PlatformState.COMMAND
    assert api.told == ["RESET", "INITIALIZE", "INITIALIZE", "GO_ACTIVE", "RUN"]


async def test_a_platform_that_never_began_needs_no_reset() -> None:
    api = Api(PlatformState.UNINITIALIZED)
    await activate(cast(Client, api), platforms()[0])
    assert api.state == PlatformState.COMMAND
