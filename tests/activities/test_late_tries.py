"""Tries of activities that outlive their run: the clean-up run has ended the mission, and nothing goes out any more."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import func, insert, select
from temporalio.testing import ActivityEnvironment

from activities.dispatch_assignments import Dispatcher
from activities.mission_files.command import ThreadCommands
from activities.mission_files.platform_command import PlatformCommands
from activities.parts import Parts
from activities.reserve_agents import Reservations
from fleet.downlink import Delivery
from missions.contracts import DispatchAssignments, ResendAssignment, ReserveAgents
from missions.mission_files.contracts import SendCommand
from missions.mission_files.platform_contracts import SendPlatformCommand
from missions.mission_files.reader import read_mission_file
from missions.mission_files.thread_status import Sequence
from settings import Settings
from store.database import Database
from store.device_tables import mission_files, mission_threads
from store.tables import agents, assignments, reservation_requests, service_requests, work_processes, yards
from tests.support.rows import Rows

FILE = """
platform: {platformID: LJ01D}
mission:
  - instrumentID: ['PRE:CTD']
    schedule: {startTime: 2026-01-01T00:00:00, loop: {quantity: 3, value: 1, units: hrs}}
    missionSequence: [{command: 'PRE:CTD, execute_resource(ACQUIRE_SAMPLE)'}]
"""


class World(Rows):
    """A mission of one agent, with a step that is planned, and all that is said to anybody."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.said: list[str] = []

    def __getattr__(self, word: str) -> Callable[..., Awaitable[Delivery]]:
        async def say(*_: Any, **__: Any) -> Delivery:
            self.said.append(word)
            return Delivery.DELIVERED

        return say

    async def make(self, status: str) -> None:
        yard = await self.made(yards, uid=secrets.token_hex(6))
        self.agent = await self.made(agents, uuid=secrets.token_hex(6), yard_id=yard, status="free", idempotent=True)
        self.mission = await self.made(
            work_processes,
            work_process_type_name="drive",
            status=status,
            yard_id=yard,
            yard_uid="y",
            agent_ids=[self.agent],
            created_by={},
            workflow_id=secrets.token_hex(6),
        )
        answer = {"results": [{"agent_id": self.agent, "assignment": {}}]}
        request = {"uses": "microservice", "preset": {}, "status": "ready", "attempt": 1}
        self.request = await self.made(
            service_requests, work_process_id=self.mission, step="plan", response=answer, **request
        )
        plan = read_mission_file(FILE).plan
        assert plan is not None
        async with self.database.transaction() as connection:
            await connection.execute(
                insert(mission_files).values(
                    work_process_id=self.mission,
                    platform_id=self.agent,
                    plan_id=secrets.token_hex(6),
                    content="",
                    plan=plan.model_dump(mode="json"),
                    devices={"PRE:CTD": self.agent},
                    thread_count=1,
                )
            )
            thread = {"work_process_id": self.mission, "number": 0, "workflow_id": secrets.token_hex(6)}
            await connection.execute(insert(mission_threads).values(**thread))

    def parts(self) -> Parts:
        # Stand-ins for what is told; nobody here asks for the last parts.
        return Parts(Settings(), self.database, self, self, None, None, None, None)  # type: ignore[arg-type]  # unused

    async def written(self) -> int:
        async with self.database.statement() as connection:
            return sum(
                [
                    await connection.scalar(
                        select(func.count()).select_from(table).where(table.c.work_process_id == self.mission)
                    )
                    for table in (assignments, reservation_requests)
                ]
            )


async def dispatch(world: World, of: dict[str, int]) -> Any:
    call = DispatchAssignments(**of, service_request_id=world.request, step="plan", group=0)
    return await ActivityEnvironment().run(Dispatcher(world.parts()).dispatch_assignments, call)


async def resend(world: World, of: dict[str, int]) -> Any:
    key = await world.made(
        assignments,
        work_process_id=world.mission,
        attempt=1,
        step="other",
        result_index=0,
        dispatch_group=0,
        agent_id=world.agent,
        workflow_id="w",
        data={},
        status="to_dispatch",
        intent_at=func.now(),
    )
    call = ResendAssignment(**of, assignment_id=key)
    return await ActivityEnvironment().run(Dispatcher(world.parts()).resend_assignment, call)


async def reserve(world: World, of: dict[str, int]) -> Any:
    return await ActivityEnvironment().run(Reservations(world.parts()).reserve_agents, ReserveAgents(**of))


async def command(world: World, of: dict[str, int]) -> Any:
    call = SendCommand(work_process_id=world.mission, number=0, sequence=Sequence.MAIN, index=0, serial=1)
    return await ActivityEnvironment().run(ThreadCommands(world.parts()).send_command, call)


async def platform_command(world: World, of: dict[str, int]) -> Any:
    call = SendPlatformCommand(**of, platform_id=world.agent, command="GO_ACTIVE")
    return await ActivityEnvironment().run(PlatformCommands(world.parts()).send_platform_command, call)


@pytest.mark.parametrize("status", ["failed", "canceled"])
@pytest.mark.parametrize("late", [dispatch, resend, reserve, command, platform_command])
async def test_late_try_does_nothing_for_an_ended_mission(database: Database, late: Any, status: str) -> None:
    world = World(database)
    await world.make(status)
    await late(world, {"work_process_id": world.mission, "attempt": 1, "transition": 3})
    assert world.said == []
    assert await world.written() == (1 if late is resend else 0)


async def test_all_goes_out_while_the_mission_is_open(database: Database) -> None:
    """So the world of these tests is one in which something could be said."""
    world = World(database)
    await world.make("executing")
    for late in (dispatch, resend, command):
        await late(world, {"work_process_id": world.mission, "attempt": 1, "transition": 3})
    assert world.said == ["assign"] * 3
