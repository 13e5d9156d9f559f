"""Settling a failed assignment: tried again after it died between any two of its parts."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from activities.finish_mission import Finisher
from activities.parts import Parts
from activities.settle_failed_assignment import Settler
from fleet.downlink import AgentAddress, AssignmentMessage, Delivery
from missions.contracts import AssignmentSettled, FinishMission, Outcome, SettleFailedAssignment
from missions.errors import PartUnavailable
from missions.events import utc_now
from missions.principals import MUSTER
from missions.statuses import PauseMode
from settings import Settings
from store import instant_actions as action_store
from store import mission_agents, pauses
from store.assignments import fail_unsent
from store.database import Database
from store.tables import (
    agents,
    assignments,
    instant_actions,
    reservations,
    service_requests,
    work_processes,
    yards,
)
from store.wakeups import Wakeup
from tests.support.rows import add_recipe

WORDS = ("cancel", "release", "wake")


class Outside:
    """Downlink and waker in one; `dies_at` lets one word fail once, before it is said."""

    def __init__(self, dies_at: str = "") -> None:
        self.said: list[tuple[str, int]] = []
        self._dies_at = dies_at

    def _say(self, word: str, subject: int) -> None:
        if word == self._dies_at:
            self._dies_at = ""
            raise PartUnavailable("RabbitMQ", "test")
        self.said.append((word, subject))

    async def cancel(self, agent: AgentAddress, message: AssignmentMessage) -> Delivery:
        self._say("cancel", message.id)
        return Delivery.DELIVERED

    async def release(self, agent: AgentAddress, *, work_process_id: int) -> Delivery:
        self._say("release", agent.id)
        return Delivery.DELIVERED

    async def send(self, batch: Sequence[Wakeup]) -> None:
        for wakeup in batch:
            self._say("wake", wakeup.work_process_id)


class World:
    """A mission whose agent failed one assignment, drives another and is to get a third."""

    def __init__(self, database: Database, agent: int, mission: int, ids: list[int]) -> None:
        self.database, self.agent, self.mission, self.ids = database, agent, mission, ids

    def parts(self, outside: Outside) -> Parts:
        # Stand-ins for what is told; nobody here asks for the last parts.
        return Parts(Settings(), self.database, outside, outside, None, None, None, None)  # type: ignore[arg-type]  # unused

    async def settle(self, outside: Outside, **fields: Any) -> AssignmentSettled:
        call = SettleFailedAssignment(
            work_process_id=self.mission, attempt=1, transition=9, assignment_id=self.ids[0], **fields
        )
        return await Settler(self.parts(outside)).settle_failed_assignment(call)

    async def change(self, table: Any, **values: Any) -> None:
        ids = [self.mission] if table is work_processes else self.ids
        async with self.database.transaction() as connection:
            await connection.execute(update(table).where(table.c.id.in_(ids)).values(**values))

    async def read(self, *columns: Any, where: Any) -> list[Any]:
        async with self.database.transaction() as connection:
            return list(await connection.execute(select(*columns).where(where).order_by(columns[0])))

    async def plan_in_one_step(self) -> None:
        """Say that the three are groups of one planner's answer."""
        async with self.database.transaction() as connection:
            request = await connection.scalar(
                insert(service_requests)
                .values(
                    work_process_id=self.mission, attempt=1, step="plan", uses="microservice", preset={}, status="ready"
                )
                .returning(service_requests.c.id)
            )
        await self.change(assignments, service_request_id=request, result={"n": 1})

    async def statuses(self) -> list[str]:
        rows = await self.read(assignments.c.id, assignments.c.status, where=assignments.c.id.in_(self.ids))
        return [row.status for row in rows]

    async def fallbacks(self) -> list[Any]:
        of_agent = work_processes.c.agent_ids == [self.agent]
        return await self.read(work_processes.c.id, work_processes.c.status, where=of_agent)

    async def reserved(self) -> bool:
        return bool(await self.read(reservations.c.agent_id, where=reservations.c.agent_id == self.agent))


@pytest.fixture
async def world(database: Database) -> World:
    async with database.transaction() as connection:

        async def made(table: Any, **values: Any) -> int:
            return int(await connection.scalar(insert(table).values(**values).returning(table.c.id)))

        uid = f"settled-{await connection.scalar(select(yards.c.id).order_by(yards.c.id.desc()).limit(1))}"
        yard = await made(yards, uid=uid, name=uid)
        agent = await made(agents, uuid=uid, yard_id=yard, status="busy")
        await add_recipe(connection, uid)
        mission = await made(
            work_processes,
            work_process_type_name="drive",
            status="executing",
            yard_id=yard,
            yard_uid=uid,
            data={"goal": 7},
            created_by={},
            workflow_id=uid,
            on_assignment_failure="RELEASE_FAILED",
            fallback_mission=uid,
        )
        await connection.execute(
            insert(reservations).values(
                agent_id=agent, work_process_id=mission, attempt=1, granted_at=utc_now(), reserve_sent_at=utc_now()
            )
        )
        ids = [
            await made(
                assignments,
                work_process_id=mission,
                attempt=1,
                step="plan",
                result_index=index,
                dispatch_group=index,
                agent_id=agent,
                workflow_id=uid,
                status=status,
                intent_at=None if status == "not_ready_to_dispatch" else utc_now(),
            )
            for index, status in enumerate(("failed", "executing", "not_ready_to_dispatch"))
        ]
    return World(database, agent, mission, ids)


async def test_agent_is_stopped_then_released_then_sent_on(world: World) -> None:
    outside = Outside()
    settled = await world.settle(outside)
    assert settled.canceled == world.ids[1:]
    assert settled.released == world.agent
    ((fallback, status),) = await world.fallbacks()
    assert status == "dispatched"
    assert outside.said == [("cancel", world.ids[1]), ("release", world.agent), ("wake", fallback)]
    assert await world.statuses() == ["failed", "canceled", "canceled"]
    assert not await world.reserved()


@pytest.mark.parametrize("word", WORDS)
async def test_what_died_between_is_made_up_for_by_the_next_try(world: World, word: str) -> None:
    outside = Outside(dies_at=word)
    with pytest.raises(PartUnavailable):
        await world.settle(outside)
    settled = await world.settle(outside)
    assert settled.canceled == world.ids[1:]
    assert outside.said.count(("cancel", world.ids[1])) == 1
    assert ("release", world.agent) in outside.said
    assert len(await world.fallbacks()) == 1
    assert not await world.reserved()


async def test_released_agent_is_never_released_again(world: World) -> None:
    outside = Outside()
    await world.settle(outside)
    before = list(outside.said)
    await world.settle(outside)
    assert outside.said == before, "a second release could overtake the next mission's reserve"
    async with world.database.transaction() as connection:
        assert await mission_agents.to_release(connection, world.mission) == [], "nor at the mission's end"


async def test_released_agent_of_a_paused_mission_is_told_to_go_on(world: World) -> None:
    async with world.database.transaction() as connection:
        await pauses.request(connection, world.mission, PauseMode.IMMEDIATE, principal=MUSTER, source="api")
        await pauses.tell_agents(connection, world.mission)
    await world.settle(Outside())
    told = await world.read(
        instant_actions.c.id, instant_actions.c.command, where=instant_actions.c.agent_id == world.agent
    )
    assert [row.command for row in told] == ["pause operation", "resume operation"]


async def test_fallback_mission_is_told_what_the_failed_assignment_was_told(world: World) -> None:
    await world.plan_in_one_step()
    # The second of three groups fails.
    world.ids[:2] = [world.ids[1], world.ids[0]]
    await world.settle(Outside(), given_up="late")
    ((_, data),) = await world.read(
        work_processes.c.id, work_processes.c.data, where=work_processes.c.agent_ids == [world.agent]
    )
    assert data["_failed_assignment"]["context"] == {
        "dependencies": [{"assign": world.ids[1], "status": "failed", "result": {"n": 1}}]
    }


async def test_policy_of_the_assignment_wins_and_nothing_is_written(world: World) -> None:
    await world.change(assignments, on_assignment_failure="FAIL_MISSION")
    outside = Outside()
    assert (await world.settle(outside)).outcome is Outcome.FAILED
    assert outside.said == []
    assert await world.statuses() == ["failed", "executing", "not_ready_to_dispatch"]


async def test_report_that_came_before_it_was_given_up_counts(world: World) -> None:
    await world.change(assignments, status="succeeded")
    outside = Outside()
    settled = await world.settle(outside, given_up="too late")
    assert (settled.outcome, settled.status, settled.released) == (Outcome.DONE, "succeeded", None)
    assert outside.said == []


async def test_cancel_of_the_mission_wins(world: World) -> None:
    await world.change(work_processes, status="canceling")
    outside = Outside()
    assert (await world.settle(outside)).outcome is Outcome.SUPERSEDED
    assert outside.said == []
    assert await world.reserved()


@pytest.mark.parametrize("name", ["", "no such recipe", "x" * 300])
async def test_fallback_of_the_assignment_that_is_no_recipe_raises_attention_once(world: World, name: str) -> None:
    await world.change(assignments, fallback_mission=name)
    for _ in range(2):
        assert (await world.settle(Outside())).outcome is Outcome.DONE
    ((_, attention),) = await world.read(
        work_processes.c.id, work_processes.c.attention, where=work_processes.c.id == world.mission
    )
    assert [entry["code"] for entry in attention] == ["fallback_not_started"]
    assert await world.fallbacks() == []
    assert not await world.reserved()


async def test_agent_that_leaves_a_paused_mission_goes_on_and_is_never_resumed_again(world: World) -> None:
    async with world.database.transaction() as connection:
        (command,) = await action_store.add_of_mission(connection, world.mission, [(world.agent, "pause operation")])
    await world.change(work_processes, pause="paused", pause_mode="immediate", pause_actions=[command])

    async def commands() -> list[str]:
        of_agent = instant_actions.c.agent_id == world.agent
        return [row.command for row in await world.read(*instant_actions.c["id", "command"], where=of_agent)]

    for _ in range(2):
        await world.settle(Outside())
        assert await commands() == ["pause operation", "resume operation"]
    async with world.database.transaction() as connection:
        await pauses.resume(connection, world.mission, principal=MUSTER, source="api")
    assert await commands() == ["pause operation", "resume operation"], "it may be another mission's by now"


async def test_mission_that_ends_in_a_pause_lets_its_agents_go_on(world: World) -> None:
    async with world.database.transaction() as connection:
        (command,) = await action_store.add_of_mission(connection, world.mission, [(world.agent, "pause operation")])
    await world.change(
        work_processes, status="canceling", pause="paused", pause_mode="immediate", pause_actions=[command]
    )
    call = FinishMission(work_process_id=world.mission, attempt=1, transition=9, status="canceled")
    for _ in range(2):
        await Finisher(world.parts(Outside())).finish_mission(call)
    of_agent = instant_actions.c.agent_id == world.agent
    rows = await world.read(*instant_actions.c["id", "command"], where=of_agent)
    assert [row.command for row in rows] == ["pause operation", "resume operation"]


async def test_what_a_client_cancelled_is_not_tolerated_with_another_failure(world: World) -> None:
    await world.change(work_processes, on_assignment_failure="CONTINUE_MISSION")
    async with world.database.transaction() as connection:
        cancelled = {"status": "canceled", "cancel_requested_by": {"kind": "user", "id": "1"}}
        await connection.execute(update(assignments).where(assignments.c.id == world.ids[1]).values(cancelled))
    assert (await world.settle(Outside())).canceled == []
    await world.change(work_processes, on_assignment_failure="RELEASE_FAILED")
    assert (await world.settle(Outside())).canceled == world.ids[2:]


async def test_assignment_that_was_cancelled_and_came_back_is_over(world: World) -> None:
    await world.change(assignments, status="canceling", intent_at=utc_now())
    async with world.database.transaction() as connection:
        await fail_unsent(connection, world.mission, world.ids[:1], "nobody listened")
    assert await world.statuses() == ["canceled", "canceling", "canceling"]


@pytest.mark.parametrize("by", ["mission's end", "failed assignment"])
async def test_agent_that_nobody_holds_is_held_while_it_is_released(world: World, by: str) -> None:
    async with world.database.transaction() as connection:
        await connection.execute(delete(reservations).where(reservations.c.work_process_id == world.mission))
    held: list[bool] = []

    class Released(Outside):
        async def release(self, agent: AgentAddress, *, work_process_id: int) -> Delivery:
            held.append(await world.reserved())
            return await super().release(agent, work_process_id=work_process_id)

    if by == "failed assignment":
        assert (await world.settle(Released())).outcome is Outcome.DONE
    else:
        call = FinishMission(work_process_id=world.mission, attempt=1, transition=9, status="succeeded")
        assert (await Finisher(world.parts(Released())).finish_mission(call)).outcome is Outcome.DONE
    assert held == [True], "else another mission's reserve could come before the release"
    assert not await world.reserved()


async def test_agent_whose_assignment_was_given_up_is_quarantined_before_it_is_released(world: World) -> None:
    world.ids[:2] = [world.ids[1], world.ids[0]]
    quarantined: list[bool] = []

    async def is_quarantined() -> bool:
        ((since,),) = await world.read(agents.c.quarantined_since, where=agents.c.id == world.agent)
        return since is not None

    class Told(Outside):
        async def cancel(self, agent: AgentAddress, message: AssignmentMessage) -> Delivery:
            quarantined.append(await is_quarantined())
            return await super().cancel(agent, message)

    outside = Told(dies_at="release")
    with pytest.raises(PartUnavailable):
        await world.settle(outside, given_up="it is late")
    assert quarantined == [True], "it may be driving, whatever it said last"
    async with world.database.transaction() as connection:
        await connection.execute(update(agents).where(agents.c.id == world.agent).values(quarantined_since=None))
    await world.settle(outside, given_up="it is late")
    assert not await is_quarantined(), "it has said `free` since"
