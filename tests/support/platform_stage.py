"""A platform with simulated CTDs on a whole site, and mission files that run on it."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from cli.stack.addresses import Addresses
from examples.instruments.simulator import Instruments, Simulated
from settings import Settings
from tests.support.site import YARD, Mission, Site, running_site, until

PLATFORM = "LJ01D"
CTDS = ("SBE37_SIM_02", "SBE37_SIM_03", "SBE37_SIM_04")
TIME_SCALE = 60.0
"""A minute of the mission is a second."""

# Real seconds, whatever the mission's time; a retry's pause of 5 s is in the mission's time.
SETTINGS = {
    "MUSTER_MISSION_TIME_SCALE": "true",
    "MUSTER_COMMAND_TIMEOUT": "1.5",
    "MUSTER_INACTIVE_TIMEOUT": "1",
    "MUSTER_CANCEL_RESEND_INTERVAL": "0.5",
}


class Stage:
    """The site, and its devices by uuid."""

    def __init__(self, site: Site, instruments: Instruments) -> None:
        self.site, self.instruments = site, instruments
        self.ids: dict[str, int] = {}

    async def device(self, uuid: str, kind: str, **fields: Any) -> Simulated:
        """Start a device and register what it is."""
        simulated = await self.instruments.start(uuid, kind)

        async def known() -> Any:
            return (await self.site.get(f"/agents?uuid={uuid}"))["items"]

        self.ids[uuid] = (await until(known, 10))[0]["id"]
        answer = await self.site.api.patch(f"/agents/{self.ids[uuid]}", json=fields)
        assert answer.status_code == 200, answer.text
        return simulated

    async def ask(self, question: str, *values: Any) -> Any:
        """One value of the database, for what the API does not show."""
        connection = await asyncpg.connect(self.site.addresses.database_url)
        try:
            return await connection.fetchval(question, *values)
        finally:
            await connection.close()

    async def platform(self, uuid: str = "") -> "Platform":
        """A platform in the state COMMAND with three CTDs and a camera."""
        mark = secrets.token_hex(2)
        uuid = uuid or f"P{mark}"
        device = await self.device(uuid, "platform", agentClass="platform")
        platform = Platform(self, uuid, device)
        kinds = {f"CTD{mark}2": "ctd", f"CTD{mark}3": "ctd", f"CTD{mark}4": "ctd", f"CAM{mark}": "camera"}
        *platform.ctds, platform.camera = await asyncio.gather(
            *(
                self.device(name, kind, agentClass="instrument", alias=f"PRE:{name}", parentId=self.ids[uuid])
                for name, kind in kinds.items()
            )
        )
        await platform.put_in_state("COMMAND")
        return platform


class Platform:
    """A platform and its instruments."""

    def __init__(self, stage: Stage, uuid: str, device: Simulated) -> None:
        self.stage, self.site, self.uuid, self.device = stage, stage.site, uuid, device
        self.ctds: list[Simulated] = []
        self.camera: Simulated

    async def put_in_state(self, state: str) -> None:
        """Have it in a state, whatever its commands would say."""
        connection = await asyncpg.connect(self.site.addresses.database_url)
        await connection.execute(
            "INSERT INTO platforms (agent_id, state) VALUES ($1, $2)"
            " ON CONFLICT (agent_id) DO UPDATE SET state = excluded.state",
            self.stage.ids[self.uuid],
            state,
        )
        await connection.close()

    async def state(self) -> str:
        """Its state, as the API shows it."""
        shown = await self.site.get(f"/platforms/{self.uuid}")
        return str(shown["state"])

    async def until_state(self, state: str) -> None:
        """Lead it to COMMAND by its commands, or wait for a state."""

        async def there() -> bool:
            return await self.state() == state

        await until(there, 20)

    def named(self, text: str) -> str:
        """A file's text with this platform's names for `LJ01D`, `SBE37_SIM_02` to `_04` and the camera's."""
        for number, ctd in zip((2, 3, 4), self.ctds, strict=True):
            text = text.replace(f"SBE37_SIM_0{number}", ctd.uuid)
        text = text.replace("HDCamera03A", self.uuid).replace("HDCAM", self.camera.uuid)
        return text.replace("LJ01D", self.uuid)

    async def run(self, text: str, mission_id: str = "", **fields: Any) -> "FileMission":
        """RUN_MISSION."""
        mission_id = mission_id or f"m-{secrets.token_hex(3)}"
        body = {"missionId": mission_id, "missionYaml": self.named(text), "timeScale": TIME_SCALE, **fields}
        shown = await self.site.post(f"/platforms/{self.uuid}/missions", body)
        return FileMission(self, mission_id, shown["workProcessId"])


class FileMission(Mission):
    """One run of a mission file, seen from outside."""

    def __init__(self, platform: Platform, mission_id: str, work_process_id: int) -> None:
        super().__init__(platform.site, work_process_id)
        self.platform, self.mission_id = platform, mission_id

    @property
    def path(self) -> str:
        """Of the mission in the API."""
        return f"/platforms/{self.platform.uuid}/missions/{self.mission_id}"

    async def shown(self) -> Any:
        """The mission with its threads."""
        return await self.site.get(self.path)

    async def thread(self, number: int) -> Any:
        """One thread of it."""
        return (await self.shown())["threads"][number]

    async def until_thread(self, number: int, **fields: Any) -> Any:
        """Wait until a thread shows these values."""
        last: Any = None

        async def there() -> Any:
            nonlocal last
            last = await self.thread(number)
            return last if all(last[name] == value for name, value in fields.items()) else None

        return await until(there, 20, lambda: f"{last}\n{self.site.worker.log()[-3000:]}")

    async def abort(self) -> None:
        """ABORT_MISSION."""
        await self.site.post(f"{self.path}/abort", {}, status=200)

    async def life(self) -> list[str]:
        """Its `mission.*` events, each in short: `T0 STOPPED FAILED`, `S1 STARTED`, `M STARTED`."""
        return [_short(event["payload"]) for event in await self.events() if event["type"].startswith("mission.")]

    async def of_thread(self, number: int) -> list[str]:
        """Those of one thread and its sequences."""
        return [one for one in await self.life() if one[1:].startswith(f"{number} ")]

    async def frame(self) -> list[str]:
        """Those of the mission itself."""
        return [one for one in await self.life() if one.startswith("M ")]

    async def descriptions(self, prefix: str) -> list[str]:
        """The descriptions of the events that are so in short."""
        events = [event["payload"] for event in await self.events() if event["type"].startswith("mission.")]
        return [payload["description"] for payload in events if _short(payload).startswith(prefix)]


def _short(payload: dict[str, Any]) -> str:
    scope = {"mission": "M", "thread": "T", "sequence": "S"}[payload["scope"]]
    status = "" if payload["execution_status"] == "OK" else f" {payload['execution_status']}"
    return f"{scope}{payload['mission_thread_id']} {payload['sub_type']}{status}"


@asynccontextmanager
async def platform_stage(services: Addresses, folder: Path, **more: str) -> AsyncIterator[Stage]:
    """A site for mission files; `more`: settings."""
    async with running_site(services, folder, **SETTINGS, **more) as site:
        settings = Settings(amqp_url=site.addresses.amqp_url)
        async with Instruments(settings, YARD, time_scale=TIME_SCALE) as instruments:
            yield Stage(site, instruments)
