"""The waiting line under random fleets and arrivals, on real PostgreSQL with many connections at once."""

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import insert, select, update

from missions.events import utc_now
from missions.priorities import Priority
from store.agent_service import not_listening
from store.database import Database
from store.events import append_for_mission
from store.reservations import enqueue, leave, lock_agents, lock_wanted, put_back, release, try_grant
from store.tables import (
    agents,
    reservation_request_agents,
    reservation_requests,
    reservations,
    wakeups,
    work_processes,
    yards,
)
from store.waiting_line import refresh_lines
from store.work_process_status import lock

KINDS = ("lift", "truck")


@dataclass(frozen=True)
class Wish:
    """One mission: which agents, how urgent, when it comes and how long it drives, in milliseconds.

    With `kind`, it takes as many agents as it names of that type, or, if that is empty or nobody is of it, of any type.
    """

    agents: frozenset[int]
    kind: str | None
    priority: int
    arrives: int
    drives: int
    patience: int | None = None
    """It is cancelled if it has waited in line for so long."""
    silence: int | None = None
    """One of its agents does not answer at first, and listens again only after so long."""


@dataclass(frozen=True)
class Absence:
    """An agent is out of service for a while; times in milliseconds."""

    agent: int
    how: str
    begins: int
    lasts: int


@dataclass(frozen=True)
class Scene:
    """A fleet, given by its agents' types, its missions, and who is away when."""

    kinds: list[str]
    wishes: list[Wish]
    absences: list[Absence]


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=6))
    agent = st.integers(0, len(kinds) - 1)
    wish = st.builds(
        Wish,
        st.frozensets(agent, min_size=1),
        st.sampled_from([None, None, "", *KINDS]),
        st.sampled_from([int(priority) for priority in Priority]),
        st.integers(0, 30),
        st.integers(0, 10),
        st.sampled_from([None, None, None, 0, 10]),
        st.sampled_from([None, None, None, 0, 10]),
    )
    how = st.sampled_from(["not_automatable", "quarantined"])
    absence = st.builds(Absence, agent, how, st.integers(0, 30), st.integers(0, 30))
    absences = draw(st.lists(absence, max_size=4, unique_by=lambda one: (one.agent, one.how)))
    return Scene(kinds, draw(st.lists(wish, min_size=2, max_size=14)), absences)


@dataclass(frozen=True)
class Span:
    """From when until when; the ends belong to it only where it makes no difference."""

    begin: datetime
    end: datetime

    def covers(self, moment: datetime) -> bool:
        return self.begin < moment < self.end


@dataclass(frozen=True)
class Granted:
    """Which agents a mission got, and when."""

    mission: int
    at: datetime
    agents: set[int]


class Fleet:
    """A yard of agents, and missions that come and go at once."""

    def __init__(self, database: Database, kinds: Sequence[str]) -> None:
        self.database, self.kinds = database, kinds
        self.agent_ids: list[int] = []
        self.granted: dict[int, asyncio.Event] = {}
        self.grants: list[Granted] = []
        self.waits: defaultdict[int, list[Span]] = defaultdict(list)
        """When a mission surely stood in line."""
        self.away: defaultdict[int, list[Span]] = defaultdict(list)
        """When an agent was surely out of service."""
        self.missed: defaultdict[int, list[Span]] = defaultdict(list)
        """When an agent was out of service, or its lines had not heard yet of its return."""

    async def make(self) -> None:
        async with self.database.transaction() as connection:
            self.yard_id = await connection.scalar(insert(yards).values(uid=secrets.token_hex(6)).returning(yards.c.id))
            rows = [
                {"uuid": secrets.token_hex(6), "yard_id": self.yard_id, "status": "free", "available": True}
                | {"agent_type": kind, "seen_as": f"{self.yard_id}/vehicle/{kind}"}
                for kind in self.kinds
            ]
            made = await connection.execute(insert(agents).returning(agents.c.id), rows)
            self.agent_ids = list(made.scalars())

    def choice(self, wish: Wish) -> set[int]:
        """Who would do."""
        if wish.kind is None:
            return {self.agent_ids[index] for index in wish.agents}
        kind = wish.kind if wish.kind in self.kinds else ""
        return {agent for agent, its in zip(self.agent_ids, self.kinds, strict=True) if kind in ("", its)}

    def count(self, wish: Wish) -> int:
        """How many it takes: never more than there are."""
        return min(len(wish.agents), len(self.choice(wish)))

    def selector(self, wish: Wish) -> dict[str, Any] | None:
        if wish.kind is None:
            return None
        return {"agentType": wish.kind if wish.kind in self.kinds else None, "count": self.count(wish)}

    def claims(self, wish: Wish, moment: datetime) -> bool:
        """Whether a mission in line surely keeps others from its agents: enough that would do are there."""
        there = [a for a in self.choice(wish) if not any(span.covers(moment) for span in self.missed[a])]
        return len(there) >= self.count(wish)

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
        """Come, wait in line, hold the agents, give them back; or go before that."""
        await asyncio.sleep(wish.arrives / 1000)
        if await self.arrive(mission):
            self.granted[mission].set()
        if not await self._hold(wish, mission, (await self._request(mission)).enqueued_at, round_=1):
            return
        if wish.silence is not None:
            silent, since = await self._put_back(mission)
            listens_again = asyncio.ensure_future(self._listen_again(silent, wish.silence, since))
            held = await self._hold(wish, mission, utc_now(), round_=2)
            await listens_again
            if not held:
                return
        await asyncio.sleep(wish.drives / 1000)
        await self.leave(mission)

    async def _hold(self, wish: Wish, mission: int, since: datetime, *, round_: int) -> bool:
        """Wait for the agents; whether it got them before its patience was over."""
        limit = None if wish.patience is None else wish.patience / 1000
        try:
            await asyncio.wait_for(self.granted[mission].wait(), limit)
        except TimeoutError:
            gave_up = utc_now()
            await self.leave(mission)
            request = await self._request(mission)
            self.waits[mission].append(Span(since, request.granted_at if request.round == round_ else gave_up))
            return False
        held = await self._held(mission)
        assert held <= self.choice(wish)
        assert len(held) == self.count(wish), "all or none"
        at = (await self._request(mission)).granted_at
        self.waits[mission].append(Span(since, at))
        self.grants.append(Granted(mission, at, held))
        return True

    async def arrive(self, mission: int) -> bool:
        """Get in line; whether it was granted at once."""
        async with self.database.transaction() as connection:
            work_process = await lock(connection, mission)
            request, _, candidates = await enqueue(connection, work_process)
            at_once = await try_grant(connection, work_process, request, candidates)
            if at_once is not None:
                await append_for_mission(connection, mission, at_once.started, attempt=1, values=at_once.values)
        return at_once is not None

    async def waited(self, mission: int, minutes: float) -> None:
        """As if it had come so much earlier; it waits for agents that it names."""
        earlier = timedelta(minutes=minutes)
        request = reservation_requests.c.work_process_id == mission
        async with self.database.transaction() as connection:
            await connection.execute(
                update(reservation_requests)
                .where(request)
                .values(
                    enqueued_at=reservation_requests.c.enqueued_at - earlier,
                    score_key=reservation_requests.c.score_key - earlier,
                )
            )
            await connection.execute(
                update(reservation_request_agents)
                .where(reservation_request_agents.c.request_id == reservation_requests.c.id, request)
                .values(score_key=reservation_requests.c.score_key)
            )

    async def leave(self, mission: int) -> set[int]:
        """Give the agents back, or the place in line; returns the missions that got them."""
        async with self.database.transaction() as connection:
            work_process = await lock(connection, mission)
            await lock_agents(connection, work_process.agent_ids)
            freed = await leave(connection, mission, 1)
        return await self._refresh(freed)

    async def _refresh(self, agent_ids: Collection[int]) -> set[int]:
        got = {wakeup.work_process_id for wakeup in await refresh_lines(self.database, agent_ids)}
        for mission in got:
            self.granted[mission].set()
        return got

    async def _put_back(self, mission: int) -> tuple[int, datetime]:
        """Back in line, since an agent did not answer; returns that agent, and since when it is out of service."""
        silent = min(await self._held(mission))
        self.granted[mission].clear()
        async with self.database.transaction() as connection:
            work_process = await lock(connection, mission)
            await lock_wanted(connection, work_process)
            await not_listening(connection, [silent], pause=0)
            freed = await release(connection, mission)
            freed += await put_back(connection, work_process, [silent])
            since = utc_now()
        await self._refresh(freed)
        return silent, since

    async def _listen_again(self, agent: int, after: int, silent_since: datetime) -> None:
        await asyncio.sleep(after / 1000)
        await self._come_back(agent, silent_since, not_listening_since=None)

    async def be_away(self, absence: Absence) -> None:
        """Out of service, and back."""
        agent = self.agent_ids[absence.agent]
        await asyncio.sleep(absence.begins / 1000)
        quarantined = absence.how == "quarantined"
        since = await self._set(agent, **({"quarantined_since": utc_now()} if quarantined else {"status": absence.how}))
        await self._refresh([agent])
        await asyncio.sleep(absence.lasts / 1000)
        await self._come_back(agent, since, **({"quarantined_since": None} if quarantined else {"status": "free"}))

    async def _come_back(self, agent: int, since: datetime, **values: Any) -> None:
        self.away[agent].append(Span(since, await self._set(agent, **values)))
        await self._refresh([agent])
        self.missed[agent].append(Span(since, utc_now()))

    async def _set(self, agent: int, **values: Any) -> datetime:
        """Change an agent; returns a moment at which it was locked for that."""
        async with self.database.transaction() as connection:
            await lock_agents(connection, [agent])
            await connection.execute(update(agents).where(agents.c.id == agent).values(**values))
            return utc_now()

    async def _held(self, mission: int) -> set[int]:
        async with self.database.transaction() as connection:
            rows = await connection.execute(
                select(reservations.c.agent_id).where(reservations.c.work_process_id == mission)
            )
            return set(rows.scalars())

    async def _request(self, mission: int) -> Any:
        return (await self.requests([mission]))[0]

    async def requests(self, missions: Collection[int]) -> list[Any]:
        async with self.database.transaction() as connection:
            rows = await connection.execute(
                select(reservation_requests).where(reservation_requests.c.work_process_id.in_(missions))
            )
            return list(rows)


@given(scenes())
@examples(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_everybody_gets_all_its_agents_in_turn_and_nobody_is_overtaken(database: Database, scene: Scene) -> None:
    fleet = Fleet(database, scene.kinds)
    await fleet.make()
    missions = {await fleet.mission(wish): wish for wish in scene.wishes}
    async with asyncio.timeout(30):  # a deadlock or a mission that starves would hang here
        await asyncio.gather(
            *(fleet.live(wish, mission) for mission, wish in missions.items()),
            *(fleet.be_away(absence) for absence in scene.absences),
        )
    line = {request.work_process_id: request.score_key for request in await fleet.requests(missions)}
    assert line.keys() == missions.keys()
    for grant in fleet.grants:
        for agent in grant.agents:
            assert not any(span.covers(grant.at) for span in fleet.away[agent]), "granted while it is out of service"
        for first, wish in missions.items():
            # Overtaken: who stands behind it took one that would have done for it.
            if line[first] < line[grant.mission] and fleet.choice(wish) & grant.agents and fleet.claims(wish, grant.at):
                waits = any(span.covers(grant.at) for span in fleet.waits[first])
                assert not waits, "overtaken by one that stands behind it"
    async with database.transaction() as connection:
        left = await connection.execute(select(reservations).where(reservations.c.agent_id.in_(fleet.agent_ids)))
        assert left.all() == []
        await connection.execute(wakeups.delete().where(wakeups.c.work_process_id.in_(missions)))


async def test_low_under_steady_high_load_gets_its_agent_after_twenty_minutes(database: Database) -> None:
    fleet = Fleet(database, ["truck"])
    await fleet.make()
    high_wish, low_wish = (Wish(frozenset({0}), None, int(one), 0, 0) for one in (Priority.HIGH, Priority.LOW))
    running = await fleet.mission(high_wish)
    assert await fleet.arrive(running)
    low = await fleet.mission(low_wish)
    assert not await fleet.arrive(low)
    minutes = 0
    while running != low:
        high = await fleet.mission(high_wish)
        assert not await fleet.arrive(high)
        (running,) = await fleet.leave(running)
        if running != low:  # a minute passes for it, and the HIGH one that came in it is served
            assert running == high
            await fleet.waited(low, 1)
            minutes += 1
    assert minutes == 20  # overtaken by those that came within the difference of priorities, and by no others
    (request,) = await fleet.requests([low])
    assert 30 <= request.score < 31
    assert await fleet.leave(low) == {high}
    await fleet.leave(high)


async def test_equal_scores_are_served_in_the_order_of_arrival(database: Database) -> None:
    fleet = Fleet(database, ["truck"])
    await fleet.make()
    first, earlier, later = [await fleet.mission(Wish(frozenset({0}), None, 20, 0, 0)) for _ in range(3)]
    assert [await fleet.arrive(mission) for mission in (first, earlier, later)] == [True, False, False]
    came = {request.work_process_id: request.score_key for request in await fleet.requests([earlier, later])}
    await fleet.waited(later, (came[later] - came[earlier]) / timedelta(minutes=1))
    assert len({request.score_key for request in await fleet.requests([earlier, later])}) == 1
    assert await fleet.leave(first) == {earlier}
    assert await fleet.leave(earlier) == {later}
    await fleet.leave(later)


async def test_agents_freed_together_go_to_all_that_would_take_either(database: Database) -> None:
    fleet = Fleet(database, [*KINDS, *KINDS, "lift"])
    await fleet.make()
    everybody, one = frozenset(range(5)), frozenset({0})
    missions = [
        await fleet.mission(Wish(agents, kind, 20, 0, 0))
        for agents, kind in ((everybody, None), (one, ""), (one, "lift"), (frozenset({1}), None))
    ]
    granted = [await fleet.arrive(mission) for mission in missions]
    assert granted == [True, False, False, False]
    assert await fleet.leave(missions[0]) == set(missions[1:])
    for mission in missions[1:]:
        await fleet.leave(mission)
