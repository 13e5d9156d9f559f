"""What reports of instruments and platforms do beside ending their commands: events, and the instrument's state."""

import secrets
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from missions.events import utc_now
from missions.mission_files.contracts import ThreadSignal
from store.agent_reports import Applied, AssignmentReport, StateReport, apply
from store.connection import Connection
from store.database import Database
from store.instrument_states import Told, sensed
from store.tables import agents, assignments
from tests.support.device_rows import DeviceRows
from tests.support.rows import Rows

COMMAND = {"command": {"method": "execute_resource", "name": "STOP_AUTOSAMPLE", "args": [], "kwargs": {}}}


class World(DeviceRows):
    """With commands that were sent."""

    async def sent(self, agent: int, data: Any = COMMAND, step: str = "thread-0", status: str = "executing") -> int:
        now = utc_now()
        return await Rows(self.database).made(
            assignments,
            work_process_id=self.mission,
            attempt=1,
            step=step,
            result_index=secrets.randbelow(2**30),
            dispatch_group=0,
            agent_id=agent,
            workflow_id=f"wf-of-{self.mission}",
            status=status,
            intent_at=now,
            dispatched_at=now,
            data=data,
        )

    async def report(self, agent: int, assignment: int, status: str, result: Any = None) -> Applied:
        async with self.database.transaction() as connection:
            uuid = await connection.scalar(select(agents.c.uuid).where(agents.c.id == agent))
        now = utc_now()
        said = AssignmentReport(assignment, status, result)
        return await apply(self.database, [StateReport(str(uuid), "ready", now, now, assignment=said)], {uuid: agent})

    async def sensed(self, state: str, **before: float) -> None:
        async with self.database.transaction() as connection:
            await sensed(connection, {self.instrument: Told(state, utc_now() - timedelta(**before))})


@pytest.fixture
async def world(database: Database) -> World:
    made = await DeviceRows.make(database)
    return World(**vars(made))


@pytest.mark.parametrize("source", ["instrument", "platform"])
@pytest.mark.parametrize("step", ["thread-0", "plan"])
async def test_a_command_that_succeeds_is_an_event_of_its_agent_by_whomever_it_was_sent(
    world: World, source: str, step: str
) -> None:
    agent = world.instrument if source == "instrument" else world.platform
    await world.arm(0, "DRIVER_EVENT_STOP_AUTOSAMPLE", agent)
    await world.arm(1, "STOP_AUTOSAMPLE", agent)
    assert await world.take(0, 0) is None
    applied = await world.report(agent, await world.sent(agent, step=step), "succeeded")
    assert [one.signal for one in applied.wakeups] == ["assignment_ended", ThreadSignal.EVENT_RAISED]
    assert (await world.kept(0), await world.kept(1)) == (1, 1)


async def test_a_command_that_is_not_done_is_no_event_and_one_that_is_done_is_one_event(world: World) -> None:
    await world.arm(0, "STOP_AUTOSAMPLE")
    for status in ("failed", "canceled", "executing", "rejected"):
        await world.report(world.instrument, await world.sent(world.instrument), status)
    assert await world.kept(0) == 0
    command = await world.sent(world.instrument)
    for _ in range(3):
        await world.report(world.instrument, command, "succeeded")
    await world.report(world.instrument, await world.sent(world.instrument, status="canceling"), "succeeded")
    assert await world.kept(0) == 2


@pytest.mark.parametrize("data", [{}, None, [1], {"command": "STOP_AUTOSAMPLE"}, {"command": {"name": None}}])
async def test_what_is_no_command_is_no_event(world: World, data: Any) -> None:
    await world.arm(0, "STOP_AUTOSAMPLE")
    command = await world.sent(world.instrument, data)
    applied = await world.report(world.instrument, command, "succeeded", {"state": "COMMAND"})
    assert [one.signal for one in applied.wakeups] == ["assignment_ended"]
    assert (await world.kept(0), await world.state()) == (0, None)


async def test_reports_of_other_agents_cost_no_statement_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.arm(0, "STOP_AUTOSAMPLE")
    statements: list[str] = []
    execute = Connection.execute

    async def noting(self: Connection, statement: Any, *parameters: Any) -> Any:
        statements.append(str(statement))
        return await execute(self, statement, *parameters)

    async def said() -> list[str]:
        command = await world.sent(world.instrument)
        with monkeypatch.context() as patch:
            patch.setattr(Connection, "execute", noting)
            await world.report(world.instrument, command, "succeeded", {"state": "COMMAND"})
        taken = statements[:]
        statements.clear()
        return taken

    of_instrument = await said()
    async with world.database.transaction() as connection:
        await connection.execute(update(agents).where(agents.c.id == world.instrument).values(agent_class="vehicle"))
    of_vehicle = await said()
    assert [one for one in of_instrument if "mission_threads" in one or "instruments" in one]
    assert not [one for one in of_vehicle if "mission_threads" in one or "instruments" in one]
    assert await world.kept(0) == 1


async def test_the_state_in_a_report_is_the_instruments(world: World) -> None:
    for status, state in (("executing", "BUSY"), ("succeeded", "COMMAND"), ("failed", "STREAMING")):
        await world.report(
            world.instrument, await world.sent(world.instrument), status, {"state": state, "value": 1, "error": None}
        )
        assert await world.state() == state


async def test_a_late_report_still_tells_the_state(world: World) -> None:
    given_up = await world.sent(world.instrument, status="canceled")
    await world.report(world.instrument, given_up, "succeeded", {"state": "COMMAND"})
    assert await world.state() == "COMMAND"


@pytest.mark.parametrize("result", ["COMMAND", {"state": ""}, {"state": 5}, {"state": "x" * 101}, {"state": "a\u0000"}])
async def test_an_odd_state_costs_the_command_nothing(world: World, result: Any) -> None:
    applied = await world.report(world.instrument, await world.sent(world.instrument), "succeeded", result)
    assert [one.signal for one in applied.wakeups] == ["assignment_ended"]
    assert (applied.rejected, await world.state()) == ([], None)


async def test_what_a_platform_says_is_not_its_state(world: World) -> None:
    await world.report(world.platform, await world.sent(world.platform), "succeeded", {"state": "COMMAND"})
    assert await world.state() is None


async def test_a_state_among_sensors_that_was_said_before_the_report_comes_too_late(world: World) -> None:
    await world.sensed("BUSY", seconds=2)
    await world.report(world.instrument, await world.sent(world.instrument), "succeeded", {"state": "COMMAND"})
    await world.sensed("BUSY", seconds=1)
    assert await world.state() == "COMMAND"
    await world.sensed("STREAMING")
    assert await world.state() == "STREAMING"
    await world.sensed("BUSY", seconds=30)
    assert await world.state() == "STREAMING"
    await world.report(world.instrument, await world.sent(world.instrument), "succeeded", {"state": "STREAMING"})
    await world.sensed("COMMAND", seconds=1)
    assert await world.state() == "STREAMING"
