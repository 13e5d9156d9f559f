"""What missions cannot tell their agents: who is noted as not listening, and that nothing is left hanging."""

import dataclasses
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update
from temporalio.api.failure.v1 import Failure
from temporalio.testing import ActivityEnvironment

from activities.dispatch_assignments import Dispatcher
from activities.parts import Parts
from activities.stop_mission import Stopper
from engine.client import DATA_CONVERTER
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
from store import agent_reports, cancels
from store.database import Database
from store.tables import agents, assignments, events, reservations, service_requests, wakeups, work_processes, yards
from store.waiting_line import refresh_lines
from store.waiting_reasons import waiting_reasons
from store.wakeups import Wakeup

pytestmark = pytest.mark.stack


class World:
    """A mission with one assignment; a broker to which nobody is bound, or that goes away. Downlink and waker too."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.cancels = 0
        self.return_window = 0.1
        self.canceled_by_a_client = False
        self.listening = False
        self.woken: list[str | None] = []
        self.before_it_fails: Callable[[], Awaitable[Any]] | None = None
        """What happens while a message cannot be published."""

    async def assign(self, agent: AgentAddress, message: AssignmentMessage) -> Delivery:
        if self.canceled_by_a_client:
            async with self.database.transaction() as connection:
                await cancels.cancel_assignment(connection, message.id, principal=MUSTER, source="api")
            raise PartUnavailable("RabbitMQ", "away")
        if self.before_it_fails is not None:
            meanwhile, self.before_it_fails = self.before_it_fails, None
            await meanwhile()
            raise PartUnavailable("RabbitMQ", "away")
        return Delivery.DELIVERED if self.listening else Delivery.NOT_LISTENING

    async def cancel(self, agent: AgentAddress, message: AssignmentMessage) -> Delivery:
        self.cancels += 1
        return Delivery.NOT_LISTENING

    async def send(self, batch: Sequence[Wakeup]) -> None:
        self.woken += [one.signal for one in batch]

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
        settings = Settings(reserve_return_window=self.return_window)
        # Stand-ins for what it tells; the last parts it never asks for.
        return Parts(settings, self.database, self, self, None, None, None, None)  # type: ignore[arg-type]  # unused

    def call(self) -> dict[str, int]:
        return {"work_process_id": self.mission, "attempt": 1, "transition": 3}

    async def dispatch(self, **fields: Any) -> AssignmentsDispatched:
        environment = ActivityEnvironment()
        environment.info = dataclasses.replace(environment.info, attempt=2)
        call = DispatchAssignments(**self.call(), service_request_id=self.request, step="plan", group=0, **fields)
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

    async def say(self) -> agent_reports.Applied:
        """The agent says something, and its report is written."""
        async with self.database.transaction() as connection:
            uuid = await connection.scalar(select(agents.c.uuid).where(agents.c.id == self.agent))
        now = utc_now()
        report = agent_reports.StateReport(uuid=str(uuid), status="busy", received_at=now, said_at=now)
        return await agent_reports.apply(self.database, [report], {str(uuid): self.agent})

    async def speak(self) -> None:
        """The same, and the intake does the rest."""
        applied = await self.say()
        await self.send(applied.wakeups)
        await self.send(await refresh_lines(self.database, applied.changed_agent_ids))

    async def waits_and_calls(self) -> tuple[list[str], list[str]]:
        """The codes of the mission's waiting reasons, and of its attention."""
        async with self.database.transaction() as connection:
            waits = await waiting_reasons(connection, [self.mission])
            calls = await connection.scalar(
                select(work_processes.c.attention).where(work_processes.c.id == self.mission)
            )
        return [one["code"] for one in waits.get(self.mission, [])], [one["code"] for one in calls or []]

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
    world.return_window = 3600  # "just" lasts longer than the machine takes
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


async def test_what_could_not_be_sent_can_be_told_to_the_engine(world: World) -> None:
    """An error that is its own cause has no end for who writes it down."""
    await world.make(status="not_ready_to_dispatch", intent_at=None)
    world.canceled_by_a_client = True
    with pytest.raises(PartUnavailable) as raised:
        await world.dispatch()
    failure = Failure()
    DATA_CONVERTER.failure_converter.to_failure(raised.value, DATA_CONVERTER.payload_converter, failure)
    assert failure.message == "RabbitMQ does not answer: away"


async def test_assignment_that_comes_back_waits_for_its_agent(world: World) -> None:
    await world.make(status="not_ready_to_dispatch", intent_at=None)
    sent = await world.dispatch()
    assert (sent.unheard, sent.ended) == ([world.assignment], {})
    assert await world.shown() == ("to_dispatch", None), "it was surely not sent"
    assert await world.deaf()
    assert await world.waits_and_calls() == (["agent_not_listening"], ["agent_not_listening"])
    assert world.woken == []
    # The agent speaks.
    await world.speak()
    assert world.woken == ["agent_listens"]
    assert (await world.waits_and_calls())[0] == []
    world.listening = True
    again = await world.dispatch(again=True)
    assert (again.unheard, await world.waits_and_calls()) == ([], ([], []))
    assert (await world.shown())[0] == "executing"


async def test_agent_that_no_mission_could_reserve_wakes_the_one_that_waits_for_it(world: World) -> None:
    await world.make(status="not_ready_to_dispatch", intent_at=None)
    async with world.database.transaction() as connection:
        await connection.execute(update(agents).where(agents.c.id == world.agent).values(yard_id=None, available=False))
    assert (await world.dispatch()).unheard == [world.assignment]
    await world.speak()
    assert world.woken == ["agent_listens"]


async def test_wake_up_is_committed_with_the_word_that_causes_it(world: World) -> None:
    await world.make(status="not_ready_to_dispatch", intent_at=None)
    await world.dispatch()
    await world.say()  # and the intake dies
    async with world.database.transaction() as connection:
        left = await connection.execute(select(wakeups.c.signal).where(wakeups.c.work_process_id == world.mission))
        assert list(left.scalars()) == ["agent_listens"]


async def test_assignment_that_comes_back_at_its_last_try_fails(world: World) -> None:
    await world.make(status="to_dispatch", intent_at=None)
    sent = await world.dispatch(again=True, last_try=[world.assignment])
    assert (sent.unheard, sent.ended) == ([], {str(world.assignment): "failed"})


async def test_what_came_back_and_is_cancelled_wakes_its_mission(world: World) -> None:
    await world.make(status="to_dispatch", intent_at=None)
    async with world.database.transaction() as connection:
        told = await cancels.cancel_assignment(connection, world.assignment, principal=MUSTER, source="api")
    assert [one.signal for one in told] == ["cancel_assignment"]
    assert (await world.shown())[0] == "canceled"


async def test_try_that_was_thought_dead_does_not_take_back_what_is_counted_as_unknown(world: World) -> None:
    await world.make(status="not_ready_to_dispatch", intent_at=None)
    later: list[AssignmentsDispatched] = []

    async def next_try() -> None:
        later.append(await world.dispatch())

    world.before_it_fails = next_try
    with pytest.raises(PartUnavailable):
        await world.dispatch()
    assert later[0].unconfirmed == [world.assignment]
    status, intent_at = await world.shown()
    assert (status, intent_at is not None) == ("to_dispatch", True), "else it would never be sent, nor cancelled"
