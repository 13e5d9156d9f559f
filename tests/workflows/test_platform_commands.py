"""A platform's commands, with simulated devices: who is told, when the platform moves, and when it stays."""

import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
from temporalio.worker import Replayer

from engine.client import DATA_CONVERTER
from examples.instruments.simulator import Instruments, Kind, Simulated
from missions.events import EventSource
from missions.mission_files.platform_states import PlatformState
from missions.principals import MUSTER
from settings import Settings
from store import instruments, platforms
from store.database import Database
from tests.support.site import YARD, Mission, Site, until
from tests.workflows.isolated import SANDBOX
from worker import WORKFLOW_INTERCEPTORS, WORKFLOWS


class Station:
    """A platform with two instruments."""

    def __init__(self, site: Site, database: Database, devices: Instruments) -> None:
        self.site, self._database, self._devices = site, database, devices
        self.uuid = f"LJ{secrets.token_hex(3)}"

    async def make(self) -> None:
        body = {"uuid": self.uuid, "agentClass": "platform"}
        self.id = (await self.site.post("/agents", body))["id"]
        self.ids: list[int] = []
        self.instruments: list[Simulated] = []
        for number in (1, 2):
            uuid = f"{self.uuid}-{number}"
            body = {"uuid": uuid, "agentClass": "instrument", "parentId": self.id}
            self.ids.append((await self.site.post("/agents", body))["id"])
            self.instruments.append(await self._devices.start(uuid, Kind.CTD, state="UNINITIALIZED"))
        self.platform = await self._devices.start(self.uuid, Kind.PLATFORM)
        for agent_id in (self.id, *self.ids):
            await self._until_free(agent_id)

    async def _until_free(self, agent_id: int) -> None:
        async def free() -> bool:
            return bool((await self.site.get(f"/agents/{agent_id}"))["status"] == "free")

        await until(free, 15)

    async def stand(self, platform: str, *states: str) -> None:
        """The platform and its instruments are in these states, and Muster knows."""
        async with self._database.transaction() as connection:
            locked = await platforms.lock(connection, self.id)
            await platforms.set_state(
                connection,
                locked,
                PlatformState(platform),
                cause="the test",
                source=EventSource.MISSION_WORKER,
                principal=MUSTER,
            )
            await instruments.note_states(connection, dict(zip(self.ids, states, strict=True)))
        for device, state in zip(self.instruments, states, strict=True):
            await device.set_state(state)

    async def command(self, command: str, status: int = 202, **more: Any) -> Mission:
        taken = await self.site.post(f"/platforms/{self.uuid}/commands", {"command": command, **more}, status=status)
        return Mission(self.site, taken["workProcessId"] or 0)

    async def read(self) -> Any:
        return await self.site.get(f"/platforms/{self.uuid}")

    def told(self) -> list[list[str]]:
        return [[command.name for command in device.commands] for device in self.instruments]


@pytest.fixture(scope="session")
async def devices(site: Site) -> AsyncIterator[Instruments]:
    async with Instruments(Settings(amqp_url=site.addresses.amqp_url), YARD) as running:
        yield running


@pytest.fixture
async def station(site: Site, devices: Instruments) -> AsyncIterator[Station]:
    database = Database(Settings(database_url=site.addresses.database_url))
    station = Station(site, database, devices)
    await station.make()
    yield station
    await database.close()


async def test_the_platform_moves_once_its_instruments_have_done_the_command(station: Station) -> None:
    command = await station.command("INITIALIZE")
    await command.until("succeeded")
    assert await command.statuses() == [
        "dispatched",
        "preparing resources",
        "executing",
        "assignments_completed",
        "succeeded",
    ]
    assert station.told() == [["INITIALIZE"], ["INITIALIZE"]]
    shown = await station.read()
    assert (shown["state"], shown["underWay"]) == ("INACTIVE", None)
    assert [one["reservedFor"] for one in shown["instruments"]] == [None, None]
    assert await command.run_status() == "COMPLETED"
    await Replayer(
        workflows=WORKFLOWS,
        workflow_runner=SANDBOX,
        interceptors=WORKFLOW_INTERCEPTORS,
        data_converter=DATA_CONVERTER,
    ).replay_workflow(await (await command.run()).fetch_history())
    tasks = [event["type"] for event in await command.events() if event["type"].startswith("task.")]
    assert tasks == ["task.created", "task.started", "task.completed"]


async def test_only_the_instruments_that_need_it_are_told(station: Station) -> None:
    await station.stand("MONITORING", "STREAMING", "IDLE")
    command = await station.command("STOP_MONITORING")
    await command.until("succeeded")
    assert station.told() == [["STOP_AUTOSAMPLE"], []]
    assert (await station.read())["state"] == "COMMAND"
    assert station.instruments[0].state == "COMMAND"


async def test_a_platform_whose_instrument_fails_stays_where_it_is(station: Station) -> None:
    await station.stand("IDLE", "IDLE", "IDLE")
    station.instruments[1].inject("fail", "RUN")
    command = await station.command("RUN")
    shown = await command.until("failed")
    assert f"{station.uuid}-2 did not do RUN: " in shown["failure"]["text"]
    assert shown["failure"]["agentId"] == station.ids[1]
    after = await station.read()
    assert (after["state"], after["underWay"]) == ("IDLE", None)

    station.instruments[1].well()
    await station.stand("IDLE", "COMMAND", "IDLE")
    await (await station.command("RUN")).until("succeeded")
    assert station.told() == [["RUN"], ["RUN", "RUN"]]
    assert (await station.read())["state"] == "COMMAND"


async def test_a_command_waits_for_the_mission_that_holds_an_instrument(site: Site, station: Station) -> None:
    await station.stand("INACTIVE", "INACTIVE", "INACTIVE")
    recipe, _ = await site.recipe(lambda call: {"status": "pending", "request_id": "x"})
    body = {"workProcessTypeName": recipe, "status": "dispatched", "yardUid": YARD, "agentIds": station.ids[:1]}
    mission = Mission(site, (await site.post("/work-processes", body))["id"])
    await mission.until("calculating")

    command = await station.command("GO_ACTIVE")
    await command.until_waiting("agent_reserved")
    assert station.told() == [[], []]
    assert (await station.read())["state"] == "INACTIVE"
    await mission.cancel()
    await command.until("succeeded")
    assert station.told() == [["GO_ACTIVE"], ["GO_ACTIVE"]]
    assert (await station.read())["state"] == "IDLE"


async def test_a_command_that_is_cancelled_leaves_the_platform_where_it_is(station: Station) -> None:
    await station.stand("INACTIVE", "INACTIVE", "INACTIVE")
    station.instruments[0].inject("never", "GO_ACTIVE")
    command = await station.command("GO_ACTIVE")

    async def sent() -> bool:
        return station.told()[0] == ["GO_ACTIVE"]

    await until(sent, 15)
    await command.cancel()
    await command.until("canceled")
    shown = await station.read()
    assert (shown["state"], shown["acceptedCommands"]) == ("INACTIVE", ["GO_ACTIVE", "RESET"])
    assert station.instruments[0].canceled


async def test_the_platforms_own_agent_gets_what_the_platform_is_to_do(station: Station) -> None:
    await station.stand("COMMAND", "COMMAND", "COMMAND")
    command = await station.command("EXECUTE_RESOURCE", name="TURN_ON_PORT", values=[1])
    await command.until("succeeded")
    (told,) = station.platform.commands
    assert (told.method, told.name, told.args) == ("execute_resource", "TURN_ON_PORT", [1])
    assert station.platform.mission is None
    assert (await station.read())["state"] == "COMMAND"
    bad = await station.command("EXECUTE_RESOURCE", name="NO_SUCH_THING")
    shown = await bad.until("failed")
    assert f"{station.uuid} did not do NO_SUCH_THING: " in shown["failure"]["text"]
