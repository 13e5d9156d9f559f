"""The state of a platform, while missions begin and end."""

import asyncio
import secrets

import pytest
from sqlalchemy import insert, select, update

from missions.errors import Conflict, NotFound
from missions.events import EventSource
from missions.mission_files.platform_states import PlatformCommand, PlatformState
from missions.principals import MUSTER
from settings import Settings
from store import instruments, platform_commands, platforms
from store.database import Database
from store.device_tables import mission_files
from store.device_tables import platforms as platforms_table
from store.tables import agents, events, reservations, work_processes
from tests.support.locks import until_somebody_waits_for_a_lock
from tests.support.rows import Rows

pytestmark = pytest.mark.stack

WHO = {"source": EventSource.MISSION_WORKER, "principal": MUSTER}


class Station(Rows):
    """A platform, as it was just registered."""

    async def make(self) -> None:
        self.name = secrets.token_hex(6)
        self.platform = await self.made(agents, uuid=self.name, agent_class="platform")

    async def bring_to(self, state: PlatformState) -> None:
        async with self.database.transaction() as connection:
            platform = await platforms.lock(connection, self.platform)
            await platforms.set_state(connection, platform, state, cause="the test", **WHO)

    async def locked(self) -> platforms.Platform:
        async with self.database.transaction() as connection:
            return await platforms.lock(connection, self.platform)

    async def state(self) -> str:
        async with self.database.statement() as connection:
            return await platforms.state(connection, self.platform)

    async def begin(self) -> int:
        mission = await self.made(
            work_processes, work_process_type_name="mission-file", status="executing", created_by={}
        )
        async with self.database.transaction() as connection:
            await connection.execute(
                insert(mission_files).values(
                    work_process_id=mission,
                    platform_id=self.platform,
                    plan_id=f"plan-{mission}",
                    content="",
                    plan={},
                    devices={},
                    thread_count=1,
                )
            )
            await platforms.enter_mission(connection, self.platform, cause="it begins", **WHO)
        return mission

    async def end(self, mission: int) -> None:
        async with self.database.transaction() as connection:
            of_mission = mission_files.c.work_process_id == mission
            await connection.execute(update(mission_files).where(of_mission).values(running=False))
            await platforms.leave_mission(connection, self.platform, cause="it ends", **WHO)

    async def told(self) -> list[tuple[str, str, str]]:
        async with self.database.statement() as connection:
            rows = await connection.execute(
                select(events.c.payload)
                .where(
                    events.c.type == "agent.platform_state_changed", events.c.payload["agent_uuid"].astext == self.name
                )
                .order_by(events.c.id)
            )
            return [(one["from"], one["to"], one["cause"]) for one in rows.scalars()]


@pytest.fixture
async def station(database: Database) -> Station:
    station = Station(database)
    await station.make()
    return station


async def test_a_platform_begins_uninitialized(station: Station) -> None:
    assert await station.state() == "UNINITIALIZED"
    locked = await station.locked()
    assert (locked.uuid, locked.state, locked.saved_state) == (station.name, "UNINITIALIZED", None)


@pytest.mark.parametrize(("base", "busy"), [("COMMAND", "MISSION_COMMAND"), ("MONITORING", "MISSION_STREAMING")])
async def test_it_returns_to_where_it_was_when_the_last_mission_ends(station: Station, base: str, busy: str) -> None:
    await station.bring_to(PlatformState(base))
    first, second = await station.begin(), await station.begin()
    assert await station.state() == busy
    await station.end(first)
    assert await station.state() == busy
    await station.end(second)
    assert await station.state() == base
    assert (await station.told())[1:] == [(base, busy, "it begins"), (busy, base, "it ends")]
    await station.end(second)  # tried again
    assert len(await station.told()) == 3


async def test_two_missions_that_end_at_once_do_not_wait_for_each_other(station: Station) -> None:
    await station.bring_to(PlatformState.COMMAND)
    missions = [await station.begin() for _ in range(4)]
    await asyncio.gather(*(station.end(mission) for mission in missions))
    assert await station.state() == "COMMAND"


async def test_who_waits_for_a_platform_sees_what_the_one_before_wrote(station: Station) -> None:
    await station.bring_to(PlatformState.COMMAND)
    command = await station.made(
        work_processes, work_process_type_name="platform-command", status="draft", created_by={}
    )
    async with station.database.transaction() as connection:
        platform = await platforms.lock(connection, station.platform)
        waiting = asyncio.create_task(station.locked())
        await until_somebody_waits_for_a_lock(station.database)
        await platforms.set_state(connection, platform, PlatformState.IDLE, cause="the test", **WHO)
        await platforms.note_command(connection, station.platform, command)
    seen = await waiting
    assert (seen.state, seen.under_way) == ("IDLE", command)


@pytest.mark.parametrize("state", ["UNINITIALIZED", "INACTIVE", "IDLE", "STOPPED"])
async def test_no_mission_begins_in_another_state(station: Station, state: str) -> None:
    await station.bring_to(PlatformState(state))
    with pytest.raises(Conflict, match=f"is {state}, where it takes no RUN_MISSION; it takes ") as refused:
        await station.begin()
    assert refused.value.remedy
    assert await station.state() == state


async def test_no_mission_begins_while_a_command_is_to_change_the_state(station: Station) -> None:
    await station.bring_to(PlatformState.COMMAND)
    command = await station.made(
        work_processes, work_process_type_name="platform-command", status="executing", created_by={}
    )
    async with station.database.transaction() as connection:
        await platforms.note_command(connection, station.platform, command)
    with pytest.raises(Conflict, match="on its way to another state") as refused:
        await station.begin()
    assert f"work process {command}" in refused.value.remedy
    async with station.database.transaction() as connection:
        of_command = work_processes.c.id == command
        await connection.execute(update(work_processes).where(of_command).values(status="failed"))
    await station.begin()
    assert await station.state() == "MISSION_COMMAND"


async def test_a_command_waits_for_no_instrument_where_missions_shall_not(station: Station) -> None:
    held = await station.made(agents, uuid=f"{station.name}-1", agent_class="instrument", parent_id=station.platform)
    holder = await station.made(work_processes, work_process_type_name="drive", status="executing", created_by={})
    async with station.database.transaction() as connection:
        await connection.execute(insert(reservations).values(agent_id=held, work_process_id=holder, attempt=1))
    order = platform_commands.Order(PlatformCommand.INITIALIZE)
    for busy in ("refuse", "wait"):
        async with station.database.transaction() as connection:
            giving = platform_commands.give(
                connection, station.platform, order, settings=Settings(instruments_busy=busy), **WHO
            )
            if busy == "wait":
                assert await giving
                continue
            with pytest.raises(Conflict, match=f"held by work process {holder}"):
                await giving


async def test_an_agent_of_another_class_is_no_platform(station: Station) -> None:
    async with station.database.transaction() as connection:
        truck = await station.made(agents, uuid=secrets.token_hex(6))
        with pytest.raises(NotFound):
            await platforms.lock(connection, truck)
        row = select(platforms_table.c.agent_id).where(platforms_table.c.agent_id == truck)
        assert await connection.scalar(row) is None


async def test_an_instruments_state_is_told_when_it_changes(station: Station) -> None:
    ids = [await station.made(agents, uuid=f"{station.name}-{n}", agent_class="instrument") for n in (1, 2)]
    async with station.database.transaction() as connection:
        assert await instruments.states(connection, ids) == dict.fromkeys(ids)
        assert await instruments.note_states(connection, {ids[0]: "IDLE"}) == {ids[0]}
        assert await instruments.note_states(connection, {ids[0]: "IDLE"}) == set()
        assert await instruments.note_states(connection, {ids[0]: "COMMAND", ids[1]: "BUSY"}) == set(ids)
        assert await instruments.note_states(connection, {ids[0]: "COMMAND", ids[1]: "IDLE"}) == {ids[1]}
        assert await instruments.states(connection, ids) == {ids[0]: "COMMAND", ids[1]: "IDLE"}
        rows = await connection.execute(
            select(events.c.payload, events.c.source)
            .where(
                events.c.type == "agent.instrument_state_changed",
                events.c.payload["agent_uuid"].astext.startswith(station.name),
            )
            .order_by(events.c.id)
        )
        told = [(row.payload["agent_id"], row.payload["from"], row.payload["to"], row.source) for row in rows]
    sources = [f"agent:{station.name}-{n}" for n in (1, 2)]
    assert told == [
        (ids[0], None, "IDLE", sources[0]),
        (ids[0], "IDLE", "COMMAND", sources[0]),
        (ids[1], None, "BUSY", sources[1]),
        (ids[1], "BUSY", "IDLE", sources[1]),
    ]
