"""The waiting line under random fleets and arrivals, on real PostgreSQL with many connections at once."""

import asyncio
import secrets
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import insert, select

from missions.priorities import Priority
from store.database import Database
from store.events import append_for_mission
from store.reservations import enqueue, leave, lock_agents, try_grant
from store.tables import agents, reservation_requests, reservations, wakeups, work_processes, yards
from store.waiting_line import refresh_lines
from store.work_process_status import lock

AGENTS = 5
KINDS = ("lift", "truck")


@dataclass(frozen=True)
class Wish:
    """One mission: which agents, how urgent, when it comes and how long it drives, in milliseconds.

    With `kind`, it takes as many agents as it names of that type, or, if that is empty, of any type.
    """

    agents: frozenset[int]
    kind: str | None
    priority: int
    arrives: int
    drives: int


WISHES = st.lists(
    st.builds(
        Wish,
        st.frozensets(st.integers(0, AGENTS - 1), min_size=1, max_size=AGENTS),
        st.sampled_from([None, None, "", *KINDS]),
        st.sampled_from([int(priority) for priority in Priority]),
        st.integers(0, 30),
        st.integers(0, 10),
    ),
    min_size=2,
    max_size=14,
)


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
                | {"agent_type": KINDS[index % 2], "seen_as": f"{self.yard_id}/vehicle/{KINDS[index % 2]}"}
                for index in range(AGENTS)
            ]
            made = await connection.execute(insert(agents).returning(agents.c.id), rows)
            self.agent_ids = list(made.scalars())

    def choice(self, wish: Wish) -> set[int]:
        """Who would do."""
        if wish.kind is None:
            return {self.agent_ids[index] for index in wish.agents}
        return {a for index, a in enumerate(self.agent_ids) if wish.kind in ("", KINDS[index % 2])}

    def selector(self, wish: Wish) -> dict[str, Any] | None:
        """Never more than there are."""
        if wish.kind is None:
            return None
        count = min(len(wish.agents), len(self.choice(wish)))
        return {"agentType": wish.kind or None, "count": count}

    async def mission(self, wish: Wish) -> int:
        wanted = [self.agent_ids[index] for index in sorted(wish.agents)]
        selector = self.selector(wish)
        async with self.database.transaction() as connection:
            mission = await connection.scalar(
                insert(work_processes)
                .values(
                    work_process_type_name="drive",
                    status="preparing resources",
                    yard_id=self.yard_id,
                    yard_uid="y",
                    agent_ids=[] if selector else wanted,
                    agent_selector=selector,
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
        if not await self.arrive(mission):
            await self.granted[mission].wait()
        held = await self._held(mission)
        selector = self.selector(wish)
        assert held <= self.choice(wish)
        assert len(held) == (len(wish.agents) if selector is None else selector["count"]), "all or none"
        await asyncio.sleep(wish.drives / 1000)
        for freed in await self.leave(mission):
            self.granted[freed].set()

    async def arrive(self, mission: int) -> bool:
        """Get in line; whether it was granted at once."""
        async with self.database.transaction() as connection:
            work_process = await lock(connection, mission)
            request, _, candidates = await enqueue(connection, work_process)
            at_once = await try_grant(connection, work_process, request, candidates)
            if at_once is not None:
                await append_for_mission(connection, mission, at_once.started, attempt=1, values=at_once.values)
        return at_once is not None

    async def leave(self, mission: int) -> set[int]:
        """Give the agents back; returns the missions that got them."""
        async with self.database.transaction() as connection:
            work_process = await lock(connection, mission)
            assert set(work_process.agent_ids) == await self._held(mission)
            await lock_agents(connection, work_process.agent_ids)
            freed = await leave(connection, mission, 1)
        return {wakeup.work_process_id for wakeup in await refresh_lines(self.database, freed)}

    async def _held(self, mission: int) -> set[int]:
        async with self.database.transaction() as connection:
            rows = await connection.execute(
                select(reservations.c.agent_id).where(reservations.c.work_process_id == mission)
            )
            return set(rows.scalars())

    async def taken(self) -> dict[int, set[int]]:
        """Which agents each mission got."""
        async with self.database.transaction() as connection:
            rows = await connection.execute(
                select(work_processes.c.id, work_processes.c.agent_ids).where(
                    work_processes.c.id.in_(list(self.granted))
                )
            )
            return {row.id: set(row.agent_ids) for row in rows}

    async def requests(self) -> list[Any]:
        async with self.database.transaction() as connection:
            rows = await connection.execute(
                select(reservation_requests).where(reservation_requests.c.work_process_id.in_(list(self.granted)))
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
    wanted = {mission: fleet.choice(wish) for wish, mission in zip(wishes, missions, strict=True)}
    taken = await fleet.taken()
    for first in requests:
        for second in requests:
            # Overtaken: the second took one that would have done for the first.
            if first.score_key >= second.score_key or not wanted[first.work_process_id] & taken[second.work_process_id]:
                continue
            if first.enqueued_at < second.granted_at:
                assert first.granted_at <= second.granted_at, "overtaken by one that stands behind it"
    async with database.transaction() as connection:
        left = await connection.execute(select(reservations).where(reservations.c.agent_id.in_(fleet.agent_ids)))
        assert left.all() == []
        await connection.execute(wakeups.delete().where(wakeups.c.work_process_id.in_(missions)))


async def test_agents_freed_together_go_to_all_that_would_take_either(database: Database) -> None:
    fleet = Fleet(database)
    await fleet.make()
    everybody, one = frozenset(range(AGENTS)), frozenset({0})
    missions = [
        await fleet.mission(Wish(agents, kind, 20, 0, 0))
        for agents, kind in ((everybody, None), (one, ""), (one, "lift"), (frozenset({1}), None))
    ]
    granted = [await fleet.arrive(mission) for mission in missions]
    assert granted == [True, False, False, False]
    assert await fleet.leave(missions[0]) == set(missions[1:])
    for mission in missions[1:]:
        await fleet.leave(mission)
