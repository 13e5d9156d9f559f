"""A silent agent's assignment for another agent: what is written, and in which order the agents are told."""

import secrets
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import delete, func, insert, select, update

from activities.finish_mission import Finisher
from activities.parts import Parts
from activities.reassign_assignment import Reassigner
from fleet.downlink import AgentAddress, AssignmentMessage, Delivery
from missions.contracts import (
    AssignmentReassigned,
    FinishMission,
    Outcome,
    RaiseAttention,
    ReassignAssignment,
    ReserveSubstitute,
    SubstituteReserved,
)
from missions.errors import PartUnavailable
from missions.events import EventSource
from missions.principals import MUSTER
from missions.statuses import PauseMode
from settings import Settings
from store import attention, pauses, silent_agents
from store.database import Database
from store.tables import (
    agents,
    assignments,
    events,
    instant_actions,
    reservation_requests,
    reservations,
    work_processes,
    yards,
)
from store.wakeups import Wakeup
from store.work_process_status import lock
from tests.support.rows import Rows


class World(Rows):
    """A mission whose agent is silent, and what its agents are told: a downlink and a waker in one."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.said: list[tuple[str, int]] = []
        self.quarantined_at_cancel = False
        self.held_at_release: list[int] = []
        self.dies_at = ""
        """A word that fails once: it is said, and the worker dies."""
        self.deaf = False
        """Whether what it is told to stop comes back."""

    def _say(self, word: str, subject: int) -> Delivery:
        self.said.append((word, subject))
        if word == self.dies_at:
            self.dies_at = ""
            raise PartUnavailable("RabbitMQ", "test")
        return Delivery.DELIVERED

    async def reserve(self, agent: AgentAddress, **_: Any) -> Delivery:
        return self._say("reserve", agent.id)

    async def release(self, agent: AgentAddress, *, work_process_id: int) -> Delivery:
        self.held_at_release = await self.held()
        return self._say("release", agent.id)

    async def cancel(self, agent: AgentAddress, message: AssignmentMessage) -> Delivery:
        self.quarantined_at_cancel = await self.of_agent(agent.id, agents.c.quarantined_since) is not None
        heard = self._say("cancel", message.id)
        return Delivery.NOT_LISTENING if self.deaf else heard

    async def send(self, batch: Sequence[Wakeup]) -> None:
        """Nobody waits; but it may fail."""
        if self.dies_at == "send":
            self.dies_at = ""
            raise PartUnavailable("Temporal", "test")

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
        made = await self.made(
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
        if agent == self.silent:
            async with self.database.transaction() as connection:
                text = f"said nothing of {made}"
                await attention.raise_(connection, self._call(RaiseAttention, code="agent_silent", text=text, of=made))
        return made

    def _call(self, kind: Any, *, of: int, **fields: Any) -> Any:
        return kind(work_process_id=self.mission, attempt=1, transition=9, assignment_id=of, **fields)

    async def speaks(self) -> list[str | None]:
        """The silent agent does, and the relay sees it; returns the signals to the mission."""
        await self.change(agents, agents.c.id == self.silent, last_message_time=func.now())
        woken = await silent_agents.look(self.database, 0)
        return [one.signal for one in woken if one.work_process_id == self.mission]

    async def attention(self, shown: str = "code") -> list[str]:
        async with self.database.transaction() as connection:
            return [entry[shown] for entry in (await lock(connection, self.mission)).attention]

    async def substitute(self) -> int:
        """One that is reserved, and ready."""
        agent = await self.agent()
        assert (await self.look()).agent_id == agent
        await self.change(reservations, reservations.c.agent_id == agent, ready_at=func.now())
        return agent

    async def state(self) -> Any:
        """What must be the same, however often the worker died."""
        mine = assignments.c.work_process_id == self.mission
        columns = (assignments.c.result_index, assignments.c.agent_id, assignments.c.status, assignments.c.cancels_sent)
        async with self.database.transaction() as connection:
            rows = (await connection.execute(select(*columns).where(mine).order_by(assignments.c.id))).all()
            of_mission = events.c.work_process_id == self.mission
            told = (await connection.execute(select(events.c.type).where(of_mission))).scalars()
        quarantined = await self.of_agent(self.silent, agents.c.quarantined_since) is not None
        return rows, sorted(told), await self.held(), quarantined

    def parts(self) -> Parts:
        # Stand-ins for what it tells; the last three parts it never asks for.
        return Parts(Settings(), self.database, self, self, None, None, None, None)  # type: ignore[arg-type]  # unused

    async def look(self, *refused: int) -> SubstituteReserved:
        call = self._call(ReserveSubstitute, of=self.assignment, refused=list(refused))
        return await Reassigner(self.parts()).reserve_substitute(call)

    async def reassign(self, to: int, assignment: int | None = None) -> AssignmentReassigned:
        call = self._call(ReassignAssignment, of=assignment or self.assignment, agent_id=to)
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
                connection, self.mission, PauseMode.IMMEDIATE, principal=MUSTER, source=EventSource.API
            )
            await pauses.tell_agents(connection, self.mission)

    async def resume(self) -> None:
        async with self.database.transaction() as connection:
            await pauses.resume(connection, self.mission, principal=MUSTER, source=EventSource.API)

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
    assert await world.attention() == ["agent_silent", "no_substitute"]
    other = await world.agent()
    found = await world.look()
    assert (found.outcome, found.agent_id) == (Outcome.DONE, other)
    assert await world.attention() == ["agent_silent"], "there is one now"


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
    substitute = await world.substitute()
    await world.change(assignments, assignments.c.id == world.assignment, status=status)
    answer = await world.reassign(substitute)
    assert (answer.outcome, answer.status) == (Outcome.FAILED, status)
    assert world.said == [("reserve", substitute), ("release", substitute)]
    assert await world.held() == [world.silent]
    assert await world.of_agent(substitute, agents.c.not_listening_since) is None, "nobody knows it to be deaf"
    assert (await world.look()).outcome is Outcome.FAILED
    assert len(world.said) == 2


async def test_silent_agent_is_quarantined_before_it_is_told_anything(world: World) -> None:
    substitute = await world.substitute()
    assert (await world.reassign(substitute)).outcome is Outcome.DONE
    assert world.said[1:] == [("cancel", world.assignment), ("release", world.silent)]
    assert world.quarantined_at_cancel, "its `free` would have come first, and the quarantine would stay"
    assert await world.held() == [substitute]


async def test_each_assignment_of_a_silent_agent_is_stopped_and_it_is_released_once(world: World) -> None:
    second = await world.planned(world.silent, 1)
    substitute = await world.substitute()
    await world.reassign(substitute)
    await world.change(assignments, assignments.c.id == second, substitute_id=substitute)
    await world.reassign(substitute, second)
    assert world.said[1:] == [("cancel", world.assignment), ("release", world.silent), ("cancel", second)]


async def test_nobody_counts_on_a_released_agent_any_more_that_its_second_cancel_does_not_reach(world: World) -> None:
    second = await world.planned(world.silent, 1)
    substitute = await world.substitute()
    await world.reassign(substitute)
    await world.change(assignments, assignments.c.id == second, substitute_id=substitute)
    await world.change(agents, agents.c.id == world.silent, status="free", quarantined_since=None, available=True)
    world.deaf = True
    assert (await world.reassign(substitute, second)).outcome is Outcome.DONE
    assert await world.of_agent(world.silent, agents.c.not_listening_since) is not None
    assert await world.of_agent(world.silent, agents.c.available) is False, "the lines know"


async def test_paused_agent_that_leaves_its_mission_is_told_to_go_on_once(world: World) -> None:
    other = await world.agent(status="busy")
    await world.planned(other, 1)
    substitute = await world.substitute()
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


async def test_silent_agent_that_speaks_keeps_its_assignment(world: World) -> None:
    substitute = await world.substitute()
    await world.speaks()
    answer = await world.reassign(substitute)
    assert (answer.outcome, answer.status) == (Outcome.FAILED, "executing")
    assert world.said == [("reserve", substitute), ("release", substitute)]
    assert await world.held() == [world.silent]


async def test_mission_that_reserves_nobody_gets_no_substitute_says_so_and_is_woken_by_its_own_agent(
    world: World,
) -> None:
    await world.agent()
    await world.change(
        work_processes, work_processes.c.id == world.mission, wait_free_agent=False, options={"agentSilence": 60}
    )
    assert (await world.look()).outcome is Outcome.WAITING
    assert await world.held() == [world.silent]
    assert "waits for it to speak: the mission reserves no agents" in (await world.attention("text"))[-1]
    assert await world.speaks() == ["agent_silent"]


async def test_attention_for_want_of_a_substitute_goes_when_the_silent_agent_speaks(world: World) -> None:
    assert (await world.look()).outcome is Outcome.WAITING
    assert await world.attention() == ["agent_silent", "no_substitute"]
    await world.speaks()
    assert await world.attention() == []
    assert (await world.look()).outcome is Outcome.FAILED
    assert await world.attention() == [], "nor is it raised by a look that comes late"


async def test_agent_that_is_not_the_substitute_or_not_ready_gets_nothing(world: World) -> None:
    reserved, other = await world.agent(), await world.agent()
    assert (await world.look()).agent_id == reserved
    for agent in (reserved, other):
        assert (await world.reassign(agent)).outcome is Outcome.FAILED
    assert await world.held() == [world.silent, reserved]


@pytest.mark.parametrize("word", ["reserve", "cancel", "release", "send"])
async def test_worker_that_dies_between_the_parts_leaves_nothing_else(database: Database, word: str) -> None:
    async def reassigned(dies_at: str) -> tuple[World, int]:
        world = World(database)
        await world.make()
        substitute = await world.agent()
        world.dies_at = dies_at if dies_at == "reserve" else ""
        if world.dies_at:
            with pytest.raises(PartUnavailable):
                await world.look()
        assert (await world.look()).agent_id == substitute
        await world.change(reservations, reservations.c.agent_id == substitute, ready_at=func.now())
        world.dies_at = dies_at if dies_at != "reserve" else ""
        if world.dies_at:
            with pytest.raises(PartUnavailable):
                await world.reassign(substitute)
        first, again = await world.reassign(substitute), await world.reassign(substitute)
        assert first == again
        assert first.outcome is Outcome.DONE
        return world, substitute

    def seen(world: World, substitute: int, state: Any) -> Any:
        rows, told, held, quarantined = state
        names = {world.silent: "silent", substitute: "substitute"}
        return [(row[0], names[row[1]], *row[2:]) for row in rows], told, [names[one] for one in held], quarantined

    clean, died = await reassigned(""), await reassigned(word)
    expected = seen(*clean, await clean[0].state())
    assert expected[0] == [(0, "silent", "failed", 1), (1, "substitute", "not_ready_to_dispatch", 0)]
    assert expected[2] == ["substitute"]
    assert seen(*died, await died[0].state()) == expected
    if word in ("cancel", "release"):
        assert died[0].said.count(("cancel", died[0].assignment)) == 2, "the very same, never a new one"


@pytest.mark.parametrize("word", ["release", "send"])
async def test_worker_that_dies_while_it_sends_a_substitute_away_leaves_nobody_reserved(
    world: World, word: str
) -> None:
    substitute = await world.substitute()
    await world.speaks()
    world.dies_at = word
    with pytest.raises(PartUnavailable):
        await world.reassign(substitute)
    assert (await world.reassign(substitute)).outcome is Outcome.FAILED
    assert await world.held() == [world.silent]


async def test_silent_agent_that_nobody_holds_is_held_while_it_is_released(world: World) -> None:
    async with world.database.transaction() as connection:
        await connection.execute(delete(reservations).where(reservations.c.agent_id == world.silent))
    substitute = await world.substitute()
    await world.reassign(substitute)
    assert world.held_at_release == [world.silent, substitute]
    assert await world.held() == [substitute]


async def test_silent_agent_that_another_mission_holds_is_not_released(world: World) -> None:
    other = World(world.database)
    await other.make()
    mine = reservations.c.agent_id == world.silent
    await world.change(reservations, mine, work_process_id=other.mission)
    await world.reassign(await world.substitute())
    assert ("release", world.silent) not in world.said
    assert await other.held() == sorted([other.silent, world.silent])
