"""Agents that fall silent with an assignment: raised once, taken back when they speak; who watches them is woken."""

import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from missions.events import utc_now
from settings import Settings
from store import migrate, silent_agents
from store.database import Database
from store.tables import agents, assignments, work_processes, yards
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
    """A mission whose agent was sent an assignment a minute ago, and has said nothing since."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def made(self, table: Any, **values: Any) -> int:
        async with self.database.transaction() as connection:
            return int(await connection.scalar(insert(table).values(**values).returning(table.c.id)) or 0)

    async def make(self) -> None:
        self.workflow = secrets.token_hex(6)
        long_ago = utc_now() - timedelta(minutes=1)
        yard = await self.made(yards, uid=self.workflow)
        self.agent = await self.made(agents, uuid=self.workflow, yard_id=yard, last_message_time=long_ago)
        self.mission = await self.made(
            work_processes,
            work_process_type_name="drive",
            status="executing",
            yard_id=yard,
            yard_uid="y",
            created_by={},
            workflow_id=self.workflow,
        )
        self.assignment = await self.made(
            assignments,
            work_process_id=self.mission,
            attempt=1,
            step="plan",
            result_index=0,
            dispatch_group=0,
            agent_id=self.agent,
            workflow_id=self.workflow,
            status="executing",
            intent_at=long_ago,
        )

    async def change(self, table: Any, row: int, **values: Any) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(update(table).where(table.c.id == row).values(**values))

    async def look(self, default: float = 30) -> tuple[list[str], list[bool]]:
        """The mission's attention after a look, and what its workflow was told."""
        told = [
            one.payload["silent"]
            for one in await silent_agents.look(self.database, default)
            if one.workflow_id == self.workflow
        ]
        async with self.database.transaction() as connection:
            shown = await connection.scalar(
                select(work_processes.c.attention).where(work_processes.c.id == self.mission)
            )
        return [entry["code"] for entry in shown or []], told


@pytest.fixture
async def world(database: Database) -> World:
    world = World(database)
    await world.make()
    return world


@pytest.mark.parametrize("recipe", [None, 10])
async def test_silence_is_raised_once_and_taken_back_by_a_word(world: World, recipe: int | None) -> None:
    await world.change(work_processes, world.mission, options={"agentSilence": recipe} if recipe else {})
    watched = recipe is not None
    assert await world.look() == (["agent_silent"], [True] * watched)
    assert await world.look() == (["agent_silent"], [])
    await world.change(agents, world.agent, last_message_time=utc_now())
    assert await world.look() == ([], [False] * watched)
    assert await world.look() == ([], [])


@pytest.mark.parametrize(
    ("table", "values"),
    [
        (work_processes, {"options": {"agentSilence": 600}}),
        (work_processes, {"pause": "paused", "pause_mode": "immediate"}),
        (assignments, {"status": "canceling"}),
        (assignments, {"status": "succeeded"}),
        (assignments, {"intent_at": func.now()}),
        (agents, {"last_message_time": func.now()}),
    ],
    ids=["recipe waits longer", "stands still", "cancelled", "over", "just sent", "speaks"],
)
async def test_agent_that_may_be_quiet_is_left_alone(world: World, table: Any, values: dict[str, Any]) -> None:
    rows = {work_processes: world.mission, assignments: world.assignment, agents: world.agent}
    await world.change(table, rows[table], **values)
    assert await world.look() == ([], [])


async def test_without_a_limit_nobody_is_silent(world: World) -> None:
    assert await world.look(default=0) == ([], [])
