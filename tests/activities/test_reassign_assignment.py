"""A silent agent's assignment for another agent: what is written, and in which order the agents are told."""

import secrets
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from activities.finish_mission import Finisher
from activities.parts import Parts
from activities.reassign_assignment import Reassigner
from fleet.downlink import AgentAddress, AssignmentMessage, Delivery
from missions.contracts import (
    AssignmentReassigned,
    FinishMission,
    Outcome,
    ReassignAssignment,
    ReserveSubstitute,
    SubstituteReserved,
)
from missions.events import EventSource
from missions.principals import MUSTER
from missions.statuses import PauseMode
from settings import Settings
from store import pauses
from store.database import Database
from store.tables import (
    agents,
    assignments,
    instant_actions,
    reservation_requests,
    reservations,
    work_processes,
    yards,
)
from store.wakeups import Wakeup
from tests.support.rows import Rows


class World(Rows):
    """A mission whose agent is silent, and what its agents are told: a downlink and a waker in one."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.said: list[tuple[str, int]] = []
        self.quarantined_at_cancel = False

    async def reserve(self, agent: AgentAddress, **_: Any) -> Delivery:
        self.said.append(("reserve", agent.id))
        return Delivery.DELIVERED

    async def release(self, agent: AgentAddress, *, work_process_id: int) -> Delivery:
        self.said.append(("release", agent.id))
        return Delivery.DELIVERED

    async def cancel(self, agent: AgentAddress, message: AssignmentMessage) -> Delivery:
        self.said.append(("cancel", message.id))
        self.quarantined_at_cancel = await self.of_agent(agent.id, agents.c.quarantined_since) is not None
        return Delivery.DELIVERED

    async def send(self, batch: Sequence[Wakeup]) -> None:
        """Nobody waits."""

    async def make(self) -> None:
        self.yard = await self.made(yards, uid=secrets.token_hex(6))
        self.silent = await self.agent(status="busy")
        self.mission = await self.made(
            work_processes,
            work_process_type_name="drive",
            status="executing",
            yard_id=self.yard,
            yard_uid="y",
            agent_ids=[self.silent],
            created_by={},
            workflow_id=secrets.token_hex(8),
        )
        await self.made(
            reservation_requests,
            work_process_id=self.mission,
            attempt=1,
            status="granted",
            priority=20,
            enqueued_at=func.now(),
            score_key=func.now(),
            round=1,
        )
        async with self.database.transaction() as connection:
            await connection.execute(
                insert(reservations).values(
                    agent_id=self.silent, work_process_id=self.mission, attempt=1, ready_at=func.now()
                )
            )
        self.assignment = await self.planned(self.silent, 0)

    async def agent(self, **values: Any) -> int:
        fields = {"status": "free", "available": True} | values
        return await self.made(agents, uuid=secrets.token_hex(6), yard_id=self.yard, **fields)

    async def planned(self, agent: int, index: int) -> int:
        return await self.made(
            assignments,
            work_process_id=self.mission,
            attempt=1,
            step="plan",
            result_index=index,
            dispatch_group=0,
            agent_id=agent,
            workflow_id="w",
            status="executing",
            intent_at=func.now(),
        )

    def parts(self) -> Parts:
        # Stand-ins for what it tells; the last three parts it never asks for.
        return Parts(Settings(), self.database, self, self, None, None, None, None)  # type: ignore[arg-type]

    async def look(self, *refused: int) -> SubstituteReserved:
        call = ReserveSubstitute(
            work_process_id=self.mission,
            attempt=1,
            transition=9,
            assignment_id=self.assignment,
            refused=list(refused),
        )
        return await Reassigner(self.parts()).reserve_substitute(call)

    async def reassign(self, to: int, assignment: int | None = None) -> AssignmentReassigned:
        call = ReassignAssignment(
            work_process_id=self.mission,
            attempt=1,
            transition=9,
            assignment_id=assignment or self.assignment,
            agent_id=to,
        )
        return await Reassigner(self.parts()).reassign_assignment(call)

    async def change(self, table: Any, where: Any, **values: Any) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(update(table).where(where).values(**values))

    async def of_agent(self, agent: int, column: Any) -> Any:
        async with self.database.transaction() as connection:
            return await connection.scalar(select(column).where(agents.c.id == agent))

    async def held(self) -> list[int]:
        async with self.database.transaction() as connection:
            mine = select(reservations.c.agent_id).where(reservations.c.work_process_id == self.mission)
            return sorted((await connection.execute(mine)).scalars())

    async def pause(self) -> None:
        """Pause the mission at once: its agents at work are told."""
        async with self.database.transaction() as connection:
            await pauses.request(
                connection, self.mission, PauseMode.IMMEDIATE, principal=MUSTER, source=EventSource.MISSION_WORKER
            )
            await pauses.tell_agents(connection, self.mission)

    async def resume(self) -> None:
        async with self.database.transaction() as connection:
            await pauses.resume(connection, self.mission, principal=MUSTER, source=EventSource.MISSION_WORKER)

    async def told_to_go_on(self) -> list[int]:
        async with self.database.transaction() as connection:
            told = select(instant_actions.c.agent_id).where(
                instant_actions.c.work_process_id == self.mission, instant_actions.c.command == pauses.RESUME_COMMAND
            )
            return list((await connection.execute(told.order_by(instant_actions.c.id))).scalars())


@pytest.fixture
async def world(database: Database) -> World:
    world = World(database)
    await world.make()
    return world


async def test_after_one_that_did_not_answer_the_next_look_finds_another(world: World) -> None:
    deaf = await world.agent()
    assert (await world.look()).agent_id == deaf
    assert (await world.look(deaf)).outcome is Outcome.WAITING
    assert world.said == [("reserve", deaf), ("release", deaf)]
    assert await world.of_agent(deaf, agents.c.not_listening_since) is not None
    other = await world.agent()
    found = await world.look()
    assert (found.outcome, found.agent_id) == (Outcome.DONE, other)


async def test_one_that_has_answered_meanwhile_is_taken(world: World) -> None:
    late = await world.agent()
    await world.look()
    await world.change(reservations, reservations.c.agent_id == late, ready_at=func.now())
    found = await world.look(late)
    assert (found.agent_id, found.ready) == (late, True)
    assert ("release", late) not in world.said
    assert await world.of_agent(late, agents.c.not_listening_since) is None


@pytest.mark.parametrize("status", ["succeeded", "canceling"])
async def test_substitute_that_is_not_needed_any_more_is_released(world: World, status: str) -> None:
    substitute = await world.agent()
    await world.look()
    await world.change(assignments, assignments.c.id == world.assignment, status=status)
    answer = await world.reassign(substitute)
    assert (answer.outcome, answer.status) == (Outcome.FAILED, status)
    assert world.said == [("reserve", substitute), ("release", substitute)]
    assert await world.held() == [world.silent]
    assert await world.of_agent(substitute, agents.c.not_listening_since) is None, "nobody knows it to be deaf"
    assert (await world.look()).outcome is Outcome.FAILED
    assert len(world.said) == 2


async def test_silent_agent_is_quarantined_before_it_is_told_anything(world: World) -> None:
    substitute = await world.agent()
    await world.look()
    assert (await world.reassign(substitute)).outcome is Outcome.DONE
    assert world.said[1:] == [("cancel", world.assignment), ("release", world.silent)]
    assert world.quarantined_at_cancel, "its `free` would have come first, and the quarantine would stay"
    assert await world.held() == [substitute]


async def test_each_assignment_of_a_silent_agent_is_stopped_and_it_is_released_once(world: World) -> None:
    second = await world.planned(world.silent, 1)
    substitute = await world.agent()
    await world.look()
    await world.reassign(substitute)
    await world.reassign(substitute, second)
    assert world.said[1:] == [("cancel", world.assignment), ("release", world.silent), ("cancel", second)]


async def test_paused_agent_that_leaves_its_mission_is_told_to_go_on_once(world: World) -> None:
    other = await world.agent(status="busy")
    await world.planned(other, 1)
    substitute = await world.agent()
    await world.look()
    await world.pause()
    await world.reassign(substitute)
    assert await world.told_to_go_on() == [world.silent]
    await world.resume()
    assert await world.told_to_go_on() == [world.silent, other], "the first may be paused by another mission now"


@pytest.mark.parametrize("confirmed", [True, False])
async def test_mission_that_ends_while_paused_lets_agents_go_on_that_stopped(world: World, confirmed: bool) -> None:
    await world.pause()
    await world.change(work_processes, work_processes.c.id == world.mission, status="canceling")
    status = "canceled" if confirmed else "canceling"
    await world.change(assignments, assignments.c.id == world.assignment, status=status)
    call = FinishMission(
        work_process_id=world.mission, attempt=1, transition=9, status="canceled", unconfirmed=[world.assignment]
    )
    assert (await Finisher(world.parts()).finish_mission(call)).outcome is Outcome.DONE
    assert await world.told_to_go_on() == ([world.silent] if confirmed else [])
