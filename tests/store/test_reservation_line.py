"""The waiting line under random fleets and arrivals, on real PostgreSQL with many connections at once."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import insert, select

from missions.priorities import Priority
from settings import Settings
from store import migrate
from store.database import Database
from store.reservations import enqueue, leave, lock_agents, try_grant
from store.tables import agents, reservation_requests, reservations, wakeups, work_processes, yards
from store.waiting_line import refresh_lines
from store.work_process_status import lock
from tests.support.services import WorkerAddresses

AGENTS = 5


@dataclass(frozen=True)
class Wish:
    """One mission: which agents, how urgent, when it comes and how long it drives, in milliseconds."""

    agents: frozenset[int]
    priority: int
    arrives: int
    drives: int


WISHES = st.lists(
    st.builds(
        Wish,
        st.frozensets(st.integers(0, AGENTS - 1), min_size=1, max_size=AGENTS),
        st.sampled_from([int(priority) for priority in Priority]),
        st.integers(0, 30),
        st.integers(0, 10),
    ),
    min_size=2,
    max_size=14,
)


@pytest.fixture(scope="module")
async def database(worker_addresses: WorkerAddresses) -> AsyncIterator[Database]:
    settings = Settings(database_url=worker_addresses.database_url)
    await migrate.upgrade(settings)
    database = Database(settings)
    yield database
    await database.close()


class Fleet:
    """A yard of free agents, and missions that come and go at once."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.agent_ids: list[int] = []
        self.granted: dict[int, asyncio.Event] = {}
        self.most_at_once = 0

    async def make(self) -> None:
        async with self.database.transaction() as connection:
            self.yard_id = await connection.scalar(insert(yards).values(uid=secrets.token_hex(6)).returning(yards.c.id))
            rows = [
                {"uuid": secrets.token_hex(6), "yard_id": self.yard_id, "status": "free", "available": True}
                for _ in range(AGENTS)
            ]
            made = await connection.execute(insert(agents).returning(agents.c.id, sort_by_parameter_order=True), rows)
            self.agent_ids = list(made.scalars())

    async def mission(self, wish: Wish) -> int:
        wanted = [self.agent_ids[index] for index in sorted(wish.agents)]
        async with self.database.transaction() as connection:
            mission = await connection.scalar(
                insert(work_processes)
                .values(
                    work_process_type_name="drive",
                    status="preparing resources",
                    yard_id=self.yard_id,
                    yard_uid="y",
                    agent_ids=wanted,
                    priority=wish.priority,
                    created_by={},
                    workflow_id=secrets.token_hex(8),
                )
                .returning(work_processes.c.id)
            )
        assert mission is not None
        self.granted[mission] = asyncio.Event()
        return mission

    async def live(self, wish: Wish, mission: int) -> None:
        """Come, wait in line, hold the agents, give them back."""
        await asyncio.sleep(wish.arrives / 1000)
        async with self.database.transaction() as connection:
            work_process = await lock(connection, mission)
            request, _ = await enqueue(connection, work_process)
            at_once = await try_grant(connection, work_process, request)
        if at_once is None:
            await self.granted[mission].wait()
        held = await self._held(mission)
        assert held == {self.agent_ids[index] for index in wish.agents}, "all or none"
        await asyncio.sleep(wish.drives / 1000)
        async with self.database.transaction() as connection:
            await lock(connection, mission)
            await lock_agents(connection, work_process.agent_ids)
            freed = await leave(connection, mission, 1)
        for wakeup in await refresh_lines(self.database, freed):
            self.granted[wakeup.work_process_id].set()

    async def _held(self, mission: int) -> set[int]:
        async with self.database.transaction() as connection:
            rows = await connection.execute(
                select(reservations.c.agent_id).where(reservations.c.work_process_id == mission)
            )
            return set(rows.scalars())

    async def requests(self) -> list[Any]:
        async with self.database.transaction() as connection:
            rows = await connection.execute(
                select(reservation_requests, work_processes.c.agent_ids)
                .join(work_processes, work_processes.c.id == reservation_requests.c.work_process_id)
                .where(reservation_requests.c.work_process_id.in_(list(self.granted)))
            )
            return list(rows)


@given(WISHES)
@examples(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_everybody_gets_all_its_agents_in_turn_and_nobody_is_overtaken(
    database: Database, wishes: list[Wish]
) -> None:
    fleet = Fleet(database)
    await fleet.make()
    missions = [await fleet.mission(wish) for wish in wishes]
    async with asyncio.timeout(30):  # a deadlock or a mission that starves would hang here
        await asyncio.gather(*(fleet.live(*pair) for pair in zip(wishes, missions, strict=True)))
    requests = await fleet.requests()
    assert len(requests) == len(wishes)
    for first in requests:
        for second in requests:
            if first.score_key >= second.score_key or not set(first.agent_ids) & set(second.agent_ids):
                continue
            if first.enqueued_at < second.granted_at:
                assert first.granted_at <= second.granted_at, "overtaken by one that stands behind it"
    async with database.transaction() as connection:
        left = await connection.execute(select(reservations).where(reservations.c.agent_id.in_(fleet.agent_ids)))
        assert left.all() == []
        await connection.execute(wakeups.delete().where(wakeups.c.work_process_id.in_(missions)))
