"""Turns of a queue against those who change its missions at the same moment, on a real database."""

import asyncio
import secrets
from typing import Any, cast

import pytest
from sqlalchemy import insert, select, update

from missions.contracts import ActivityPreset, QueueAdvanced
from missions.events import EventSource
from missions.principals import MUSTER
from settings import Settings
from store import mission_queues, queue_places
from store.connection import Connection
from store.database import Database
from store.mission_queue_turns import Turn
from store.tables import work_process_types, work_processes, yards
from store.wakeups import Wakeup
from store.work_process_status import lock
from tests.support.locks import until_somebody_waits_for_a_lock
from tests.support.rows import add_recipe
from tests.support.services import WorkerAddresses

BY_US: dict[str, Any] = {"principal": MUSTER, "source": EventSource.API}


class Queue:
    """A queue with missions of a recipe of one step."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database, self.settings = database, settings
        self.id = 0
        self._mission: dict[str, Any] = {}

    async def make(self, **fields: Any) -> "Queue":
        name = secrets.token_hex(6)
        async with self.database.transaction() as connection:
            yard_id = await connection.scalar(insert(yards).values(uid=name).returning(yards.c.id))
            await add_recipe(connection, name)
            self.id = (await mission_queues.create(connection, {"name": name, **fields}, **BY_US)).id
        self.recipe = name
        self._mission = {"work_process_type_name": name, "yard_id": yard_id, "yard_uid": name, "created_by": {}}
        return self

    async def mission(self, status: str, order: int = 1, **fields: Any) -> int:
        values = {**self._mission, "mission_queue_id": self.id, "run_order": order, "status": status, **fields}
        async with self.database.transaction() as connection:
            made = await connection.scalar(insert(work_processes).values(values).returning(work_processes.c.id))
        return int(cast(int, made))

    async def run(self) -> None:
        async with self.database.transaction() as connection:
            await mission_queues.run(
                connection, await mission_queues.locked(connection, self.id), settings=self.settings, **BY_US
            )

    async def advance(self) -> tuple[QueueAdvanced, list[Wakeup]]:
        """What the activity does."""
        sent: list[Wakeup] = []
        while True:
            async with self.database.transaction() as connection:
                turn = Turn(connection, self.settings, lambda step, timeout: ActivityPreset())
                advanced = await turn.take(self.id)
            sent += turn.wakeups
            if advanced is not None:
                return advanced, sent

    async def statuses(self) -> list[str]:
        query = select(work_processes.c.status).where(work_processes.c.mission_queue_id == self.id)
        async with self.database.transaction() as connection:
            return list((await connection.execute(query.order_by(work_processes.c.id))).scalars())

    async def end(self, mission_id: int) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(
                update(work_processes).where(work_processes.c.id == mission_id).values(status="succeeded")
            )


@pytest.fixture
async def queue(database: Database, worker_addresses: WorkerAddresses) -> Queue:
    return await Queue(database, Settings(database_url=worker_addresses.database_url)).make()


async def test_many_turns_at_once_start_one_mission(queue: Queue) -> None:
    for _ in range(3):
        await queue.mission("draft")
    await queue.run()
    turns = await asyncio.gather(*(queue.advance() for _ in range(5)))
    assert {advanced.status for advanced, _ in turns} == {"running"}
    assert sum(len(sent) for _, sent in turns) == 1
    assert await queue.statuses() == ["dispatched", "draft", "draft"]


async def test_mission_that_ends_while_its_queue_begins_to_wait_for_it_is_not_missed(queue: Queue) -> None:
    mission = await queue.mission("executing")
    ending = asyncio.Event()

    async def end() -> list[Wakeup]:
        async with queue.database.transaction() as connection:
            work_process = await lock(connection, mission)
            told = await queue_places.mission_ended(connection, work_process)  # nobody waits for it yet
            ending.set()
            await until_somebody_waits_for_a_lock(queue.database)
            await connection.execute(
                update(work_processes).where(work_processes.c.id == mission).values(status="succeeded")
            )
        return told

    task = asyncio.create_task(end())
    await ending.wait()
    await queue.run()
    advanced, _ = await queue.advance()
    assert await task == []
    assert (advanced.status, advanced.over) == ("stopped", True)


async def test_end_of_a_mission_wakes_a_queue_that_runs_and_no_other(queue: Queue) -> None:
    mission = await queue.mission("executing")

    async def told() -> list[str | None]:
        async with queue.database.transaction() as connection:
            wakeups = await queue_places.mission_ended(connection, await lock(connection, mission))
        return [wakeup.signal for wakeup in wakeups]

    assert await told() == []
    await queue.run()
    assert await told() == ["queue_changed"]
    alone = await queue.mission("executing", mission_queue_id=None)
    async with queue.database.transaction() as connection:
        work_process = await lock(connection, alone)
    no_connection = cast(Connection, None)
    assert await queue_places.mission_ended(no_connection, work_process) == []


async def test_missions_that_cannot_be_dispatched_fail_one_by_one(queue: Queue) -> None:
    for _ in range(2):
        await queue.mission("draft", work_process_type_name="gone")
    await queue.mission("draft", order=2)
    await queue.run()
    advanced, sent = await queue.advance()
    assert (advanced.over, len(sent)) == (False, 1)
    assert await queue.statuses() == ["failed", "failed", "dispatched"]


async def test_deleted_queue_ends_its_run(queue: Queue) -> None:
    async with queue.database.transaction() as connection:
        await mission_queues.remove(connection, queue.id, **BY_US)
    advanced, _ = await queue.advance()
    assert advanced.over


@pytest.mark.parametrize("recipe", [{"num_max_agents": 1}, {"options": {"missionTimeout": -1}}])
async def test_mission_that_its_changed_recipe_refuses_fails_alone(queue: Queue, recipe: dict[str, Any]) -> None:
    await queue.mission("draft", agent_ids=[1, 2])
    async with queue.database.transaction() as connection:
        await connection.execute(
            update(work_process_types).where(work_process_types.c.name == queue.recipe).values(recipe)
        )
    await queue.run()
    await queue.advance()
    assert await queue.statuses() == ["failed"]
