"""What missions cannot tell their agents: who is noted as not listening, and that nothing is left hanging."""

import dataclasses
import secrets
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select
from temporalio.testing import ActivityEnvironment

from activities.dispatch_assignments import Dispatcher
from activities.parts import Parts
from activities.stop_mission import Stopper
from fleet.downlink import AgentAddress, AssignmentMessage, Delivery
from missions.contracts import (
    AssignmentsDispatched,
    CancelRequest,
    DispatchAssignments,
    Outcome,
    ResendAssignment,
    ResendCancels,
    StopMission,
)
from missions.errors import PartUnavailable
from missions.events import utc_now
from missions.principals import MUSTER
from settings import Settings
from store import cancels, migrate
from store.database import Database
from store.tables import agents, assignments, events, reservations, service_requests, work_processes, yards
from store.wakeups import Wakeup
from tests.support.services import WorkerAddresses

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
async def database(worker_addresses: WorkerAddresses) -> AsyncIterator[Database]:
    settings = Settings(database_url=worker_addresses.database_url)
    await migrate.upgrade(settings)
    database = Database(settings)
    yield database
    await database.close()


class World:
    """A mission with one assignment; a broker to which nobody is bound, or that goes away. Downlink and waker too."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.cancels = 0
        self.canceled_by_a_client = False

    async def assign(self, agent: AgentAddress, message: AssignmentMessage) -> Delivery:
        if self.canceled_by_a_client:
            async with self.database.transaction() as connection:
                await cancels.cancel_assignment(connection, message.id, principal=MUSTER, source="api")
            raise PartUnavailable("RabbitMQ", "away")
        return Delivery.NOT_LISTENING

    async def cancel(self, agent: AgentAddress, message: AssignmentMessage) -> Delivery:
        self.cancels += 1
        return Delivery.NOT_LISTENING

    async def send(self, batch: Sequence[Wakeup]) -> None:
        """Nobody waits."""

    async def made(self, table: Any, **values: Any) -> int:
        async with self.database.transaction() as connection:
            return int(await connection.scalar(insert(table).values(**values).returning(table.c.id)) or 0)

    async def make(self, *, spoke_ago: float = 60, **assignment: Any) -> None:
        yard = await self.made(yards, uid=secrets.token_hex(6))
        self.agent = await self.made(
            agents,
            uuid=secrets.token_hex(6),
            yard_id=yard,
            status="busy",
            available=True,
            idempotent=True,
            last_message_time=utc_now() - timedelta(seconds=spoke_ago),
        )
        self.mission = await self.made(
            work_processes,
            work_process_type_name="drive",
            status="executing",
            yard_id=yard,
            yard_uid="y",
            agent_ids=[self.agent],
            created_by={},
            workflow_id=secrets.token_hex(6),
        )
        async with self.database.transaction() as connection:
            held = insert(reservations).values(agent_id=self.agent, work_process_id=self.mission, attempt=1)
            await connection.execute(held)
        self.request = await self.made(
            service_requests,
            work_process_id=self.mission,
            attempt=1,
            step="plan",
            uses="microservice",
            preset={},
            status="ready",
        )
        self.assignment = await self.made(
            assignments,
            work_process_id=self.mission,
            attempt=1,
            step="plan",
            service_request_id=self.request,
            result_index=0,
            dispatch_group=0,
            agent_id=self.agent,
            workflow_id="w",
            data={},
            **{"status": "executing", "intent_at": func.now()} | assignment,
        )

    def parts(self) -> Parts:
        settings = Settings(reserve_return_window=2)
        # Stand-ins for what it tells; the last parts it never asks for.
        return Parts(settings, self.database, self, self, None, None, None, None)  # type: ignore[arg-type]

    def call(self) -> dict[str, int]:
        return {"work_process_id": self.mission, "attempt": 1, "transition": 3}

    async def dispatch(self) -> AssignmentsDispatched:
        environment = ActivityEnvironment()
        environment.info = dataclasses.replace(environment.info, attempt=2)
        call = DispatchAssignments(**self.call(), service_request_id=self.request, step="plan", group=0)
        return await environment.run(Dispatcher(self.parts()).dispatch_assignments, call)

    async def stop(self) -> list[int]:
        call = StopMission(**self.call(), cancel=CancelRequest(reason="test"))
        return (await Stopper(self.parts()).stop_mission(call)).awaited

    async def ask_again(self) -> list[int]:
        call = ResendCancels(work_process_id=self.mission, assignment_ids=[self.assignment])
        return (await Stopper(self.parts()).resend_cancels(call)).awaited

    async def deaf(self) -> bool:
        """Whether its agent is shown as not listening, and counts as such in the lines."""
        async with self.database.transaction() as connection:
            row = (await connection.execute(select(agents).where(agents.c.id == self.agent))).one()
            told = select(func.count()).where(
                events.c.type == "agent.not_listening", events.c.payload["agent_id"].astext == str(self.agent)
            )
            assert await connection.scalar(told) == (row.not_listening_since is not None)
        assert row.available is (row.not_listening_since is None)
        return row.not_listening_since is not None

    async def shown(self) -> tuple[str, Any]:
        """The assignment's status, and when it was meant to be sent."""
        async with self.database.transaction() as connection:
            row = select(assignments.c.status, assignments.c.intent_at).where(assignments.c.id == self.assignment)
            status, intent_at = (await connection.execute(row)).one()
        return status, intent_at


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


async def test_agent_whose_cancel_comes_back_is_not_listening(world: World) -> None:
    await world.make()
    assert await world.stop() == [world.assignment], "the agent may still drive"
    assert await world.deaf()


async def test_agent_that_has_just_spoken_may_be_about_to_listen_until_the_next_cancel(world: World) -> None:
    await world.make(spoke_ago=0)
    await world.stop()
    assert not await world.deaf()
    await world.ask_again()
    assert await world.deaf()
    assert world.cancels == 2


async def test_agent_whose_re_sent_assignment_comes_back_is_not_listening(world: World) -> None:
    await world.make(status="to_dispatch")
    call = ResendAssignment(**world.call(), assignment_id=world.assignment)
    sent = await Dispatcher(world.parts()).resend_assignment(call)
    assert sent.ended == {str(world.assignment): "failed"}
    assert await world.deaf()


async def test_assignment_cancelled_while_it_could_not_be_sent_is_canceled(world: World) -> None:
    await world.make(status="not_ready_to_dispatch", intent_at=None)
    world.canceled_by_a_client = True
    with pytest.raises(PartUnavailable):
        await world.dispatch()
    assert await world.shown() == ("canceled", None)
    # What the mission's run does next: it tries again, then tells the agents of what is still to be cancelled.
    again = await world.dispatch()
    assert again.outcome is Outcome.DONE
    assert again.ended == {str(world.assignment): "canceled"}
    assert await world.ask_again() == []
    assert world.cancels == 0, "no agent could confirm what it never got"
