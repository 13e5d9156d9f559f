import secrets
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from missions.events import utc_now
from store import silent_agents
from store.database import Database
from store.tables import agents, assignments, work_processes, yards
from tests.support.rows import Rows


class World(Rows):
    """A mission whose agent was sent an assignment a minute ago, and has said nothing since."""

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
