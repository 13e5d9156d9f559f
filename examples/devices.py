"""The devices of `make demo-files`: platforms and CTDs on the simulator, and one CTD on the helyOS SDK."""

import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx

from cli.stack.processes import Processes
from examples.crew import AGENTS_PYTHON, HERE, YARD, CannotRun
from examples.instruments.registration import register
from examples.instruments.simulator import Instruments, Simulated
from examples.watch import eventually
from settings import Settings

_PATIENCE = 30.0
_UP = ("INITIALIZE", "GO_ACTIVE", "RUN")
"""The commands that bring a platform with its instruments to COMMAND."""


class Devices:
    """Those of the demo, and what they were told."""

    def __init__(self, api: httpx.AsyncClient, instruments: Instruments, sdk_log: Path) -> None:
        self._api, self._instruments, self._sdk_log = api, instruments, sdk_log

    def __getitem__(self, uuid: str) -> Simulated:
        """One of the simulator's."""
        return self._instruments.running[uuid]

    def told(self, mission: int) -> Mapping[str, Counter[str]]:
        """Which commands of a mission each device was sent, and how often: by the devices' own notes."""
        told: dict[str, Counter[str]] = {}
        for device in self._instruments.running.values():
            told[device.uuid] = Counter(sent.name for sent in device.commands if sent.mission == mission)
        for line in self._of_sdk():
            if line.get("mission") == mission:
                told.setdefault(line["agent"], Counter())[line["name"]] += 1
        return told

    async def bring_up(self, platform: str) -> None:
        """Bring a platform and its instruments to COMMAND, from wherever an earlier demo left it."""
        for mission in (await self._platform(platform))["missions"]:
            await self._api.post(f"/platforms/{platform}/missions/{mission['missionId']}/abort", json={})
        await self._until(platform, lambda shown: not shown["missions"], "its missions do not end")
        if (await self._platform(platform))["state"] != "UNINITIALIZED":
            await self._command(platform, "RESET", "UNINITIALIZED")
        for command, state in zip(_UP, ("INACTIVE", "IDLE", "COMMAND"), strict=True):
            await self._command(platform, command, state)

    async def until_sdk_listens(self) -> None:
        """Wait until the instrument on the SDK has checked in."""

        async def listens() -> bool:
            return any("listens" in line for line in self._of_sdk())

        if not await eventually(listens, _PATIENCE):
            raise CannotRun(f"The instrument on the SDK did not check in. Its log: {self._sdk_log}")

    def _of_sdk(self) -> list[dict[str, Any]]:
        """What it wrote; the SDK prints lines of its own between."""
        lines = self._sdk_log.read_text(errors="replace").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]

    async def _command(self, platform: str, command: str, expected: str) -> None:
        answer = await self._api.post(f"/platforms/{platform}/commands", json={"command": command})
        if answer.is_error:
            raise CannotRun(f"{platform} refused {command}: {answer.text}")
        does_it = answer.json()["workProcessId"]
        await self._until(platform, lambda shown: True, f"{command} does not end")
        state = (await self._platform(platform))["state"]
        if state != expected:
            raise CannotRun(f"{platform} is in {state}, not in {expected}: {await self._why(command, does_it)}")

    async def _why(self, command: str, work_process: int) -> str:
        """Why a command was not done."""
        shown = (await self._api.get(f"/work-processes/{work_process}")).raise_for_status().json()
        text = shown["failure"]["text"] if shown["failure"] else f"{command} is {shown['status']}"
        return f"{text} (work process {work_process})"

    async def _until(self, platform: str, is_so: Callable[[dict[str, Any]], bool], else_: str) -> None:
        """Wait until it is so, and no command is under way that would change the state."""
        shown: dict[str, Any] = {}

        async def there() -> bool:
            shown.update(await self._platform(platform))
            return shown["underWay"] is None and is_so(shown)

        if not await eventually(there, _PATIENCE):
            raise CannotRun(f"{platform} is stuck in {shown['state']}: {else_}.")

    async def _platform(self, platform: str) -> dict[str, Any]:
        return dict((await self._api.get(f"/platforms/{platform}")).raise_for_status().json())


async def in_the_way(
    api: httpx.AsyncClient, platforms: Mapping[str, Sequence[str]], missions: Collection[str]
) -> list[str]:
    """What somebody else has on these platforms: other instruments than these, other missions than the demo's."""
    found = []
    for platform, ours in platforms.items():
        answer = await api.get(f"/platforms/{platform}")
        if answer.status_code == 404:
            continue
        shown = answer.raise_for_status().json()
        found += [f"{platform} carries {one['uuid']}" for one in shown["instruments"] if one["uuid"] not in ours]
        found += [
            f"{platform} runs {one['missionId']}" for one in shown["missions"] if one["missionId"] not in missions
        ]
    return found


@contextlib.asynccontextmanager
async def devices(
    settings: Settings,
    api: httpx.AsyncClient,
    processes: Processes,
    *,
    amqp_url: str,
    platforms: Mapping[str, Sequence[str]],
    on_sdk: str,
) -> AsyncIterator[Devices]:
    """Start platforms and their CTDs, one of these (`on_sdk`) on the SDK, and register them; stop them at the end."""
    if not AGENTS_PYTHON.exists():
        raise CannotRun(f"{AGENTS_PYTHON} is missing: run `make setup`.")
    yard = await api.post("/yards", json={"uid": YARD, "name": "Demo yard", "unit": "m"})
    if yard.status_code != 409:
        yard.raise_for_status()
    settings = settings.model_copy(update={"amqp_url": amqp_url})
    await processes.stop_leftovers([on_sdk])
    try:
        sdk_log = await _start_sdk(settings, processes, on_sdk)
        async with Instruments(settings, YARD, sampling=1, patience=_PATIENCE) as instruments:
            started = Devices(api, instruments, sdk_log)
            for platform, ctds in platforms.items():
                await instruments.start(platform, "platform")
                for uuid in ctds:
                    if uuid != on_sdk:
                        await instruments.start(uuid, state="UNINITIALIZED")
            await started.until_sdk_listens()
            for platform, ctds in platforms.items():
                await register(api, platform, list(ctds))
                await started.bring_up(platform)
            yield started
    finally:
        await processes.stop(on_sdk)


async def _start_sdk(settings: Settings, processes: Processes, uuid: str) -> Path:
    amqp = urlsplit(settings.amqp_url)
    child = await processes.spawn(
        uuid,
        [
            *(AGENTS_PYTHON, "-u", HERE / "instruments" / "sdk_ctd.py", "--uuid", uuid, "--yard", YARD),
            *("--host", amqp.hostname or "127.0.0.1", "--port", str(amqp.port or 5672)),
            *("--vhost", unquote(amqp.path[1:]) or "/", "--state", "UNINITIALIZED"),
        ],
        env={
            "REGISTRATION_TOKEN": settings.agent_registration_token.get_secret_value(),
            "AGENT_ANONYMOUS_EXCHANGE": settings.anonymous_exchange,
            "AGENTS_UL_EXCHANGE": settings.uplink_exchange,
            "AGENTS_DL_EXCHANGE": settings.downlink_exchange,
        },
    )
    return child.log
