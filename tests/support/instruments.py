"""An instrument that the run of a mission file holds, as rows."""

import secrets
from typing import Any

from sqlalchemy import delete, insert

from store.database import Database
from store.device_tables import mission_files
from store.tables import agents, reservations, work_processes, yards
from tests.support.rows import Rows


class HeldInstrument(Rows):
    """A platform with an instrument and the run `ctd-1` of a mission file, which holds it."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        mark = secrets.token_hex(4)
        self.name, self.platform_name = f"PRE:CTD_{mark}", f"LJ01D-{mark}"
        self.yard = self.platform = self.instrument = self.run = 0

    async def make(self, *, held: bool = True) -> "HeldInstrument":
        self.yard = await self.made(yards, uid=secrets.token_hex(6))
        self.platform = await self.agent("platform", alias=self.platform_name)
        self.instrument = await self.agent("instrument", alias=self.name, parent_id=self.platform)
        self.run = await self.mission("executing" if held else "dispatched", work_process_type_name="mission-file")
        async with self.database.transaction() as connection:
            await connection.execute(
                insert(mission_files).values(
                    work_process_id=self.run,
                    platform_id=self.platform,
                    plan_id="ctd-1",
                    content="",
                    plan={},
                    devices={},
                    thread_count=1,
                )
            )
        if held:
            await self.hold()
        return self

    async def agent(self, agent_class: str, **values: Any) -> int:
        seen = {"available": True, "seen_as": f"{self.yard}/{agent_class}"}
        named = {"uuid": secrets.token_hex(6), "yard_id": self.yard, **seen}
        return await self.made(agents, agent_class=agent_class, status="free", **named | values)

    async def mission(self, status: str, **values: Any) -> int:
        """A mission that names the instrument."""
        made = {
            "work_process_type_name": "drive",
            "status": status,
            "yard_id": self.yard,
            "yard_uid": "y",
            "agent_ids": [self.instrument],
            "created_by": {},
            "workflow_id": secrets.token_hex(6),
        }
        return await self.made(work_processes, **made | values)

    async def hold(self) -> None:
        await self.reserve(self.instrument, self.run)

    async def reserve(self, agent: int, mission: int) -> None:
        async with self.database.transaction() as connection:
            held = insert(reservations).values(agent_id=agent, work_process_id=mission, attempt=1)
            await connection.execute(held)

    async def let_go(self) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(delete(reservations).where(reservations.c.work_process_id == self.run))

    @property
    def holder(self) -> str:
        """How the run is named to others."""
        return f"mission file ctd-1 of platform {self.platform_name} (work process {self.run} of type 'mission-file')"
