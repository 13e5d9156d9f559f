"""A run of a mission file whose threads a test arms by itself, with its platform and one instrument."""

import secrets
from dataclasses import dataclass

from sqlalchemy import func, insert, select

from store import thread_events
from store.database import Database
from store.device_tables import instruments, mission_files, mission_threads
from store.device_tables import thread_events as kept
from store.tables import agents, work_processes, yards
from store.thread_events import Over
from tests.support.rows import Rows


@dataclass
class DeviceRows:
    """The rows, and what their threads are given."""

    database: Database
    yard: int
    platform: int
    instrument: int
    mission: int

    @classmethod
    async def make(
        cls, database: Database, *, threads: int = 3, instrument: str | None = None, platform: str | None = None
    ) -> "DeviceRows":
        """Write the rows; the agents are made unless they are named."""
        rows, word = Rows(database), secrets.token_hex(6)
        yard = await rows.made(yards, uid=word)
        platform_id = await cls._agent(rows, platform, "platform", yard)
        instrument_id = await cls._agent(rows, instrument, "instrument", yard)
        mission = await rows.made(
            work_processes,
            work_process_type_name="mission-file",
            status="executing",
            yard_id=yard,
            yard_uid=word,
            created_by={},
            workflow_id=word,
        )
        async with database.transaction() as connection:
            await connection.execute(
                insert(mission_files).values(
                    work_process_id=mission,
                    platform_id=platform_id,
                    plan_id=word,
                    content="",
                    plan={},
                    devices={},
                    thread_count=threads,
                )
            )
            await connection.execute(
                insert(mission_threads),
                [{"work_process_id": mission, "number": n, "workflow_id": f"{word}-{n}"} for n in range(threads)],
            )
        return cls(database, yard, platform_id, instrument_id, mission)

    @staticmethod
    async def _agent(rows: Rows, uuid: str | None, agent_class: str, yard: int) -> int:
        if uuid is None:
            return await rows.made(agents, uuid=secrets.token_hex(6), agent_class=agent_class, yard_id=yard)
        async with rows.database.transaction() as connection:
            return int(await connection.scalar(select(agents.c.id).where(agents.c.uuid == uuid)) or 0)

    async def arm(self, number: int, event: str = "atStep", source: int | None = None) -> None:
        """Have events kept for a thread."""
        async with self.database.transaction() as connection:
            await thread_events.arm(connection, self.mission, number, source or self.instrument, event)

    async def take(self, number: int, served: int) -> str | Over | None:
        """Take the next one."""
        async with self.database.transaction() as connection:
            return await thread_events.take(connection, self.mission, number, served)

    async def kept(self, number: int) -> int:
        """How many events there are for a thread."""
        mine = (kept.c.work_process_id == self.mission) & (kept.c.number == number)
        async with self.database.transaction() as connection:
            return int(await connection.scalar(select(func.count()).select_from(kept).where(mine)) or 0)

    async def first(self, number: int) -> int:
        """The number of a thread's first event among all events."""
        mine = (kept.c.work_process_id == self.mission) & (kept.c.number == number)
        async with self.database.transaction() as connection:
            return int(await connection.scalar(select(func.min(kept.c.id)).where(mine)) or 0)

    async def state(self) -> str | None:
        """The instrument's."""
        async with self.database.transaction() as connection:
            state: str | None = await connection.scalar(
                select(instruments.c.state).where(instruments.c.agent_id == self.instrument)
            )
            return state
