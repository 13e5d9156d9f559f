"""The stage: planners that answer oddly or well, recipes that ask them, agents for the missions, and how those end."""

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import asyncpg

from faults.bad_input.answers.expected import Ended, differences
from faults.bad_input.answers.kinds import STEP_TIMEOUT, Case, Facts
from faults.bad_input.answers.odd_planner import OddPlanner
from faults.bad_input.ground import Agent, Ground

_YARD = "odd-planners"
_SIDE_BY_SIDE, _ORDINARY = 40, 3
_WITHIN = 90.0
"""Seconds within which a mission must have ended, on a machine that has much to do."""
_SLOW = 45.0
"""Seconds after which a mission has ended late: the longest that an answer may take, and much to spare."""
_PAUSE = 0.3


@dataclass
class Stage:
    """Runs the missions and notes in `broken` what should not be."""

    ground: Ground
    planner: OddPlanner
    facts: Facts
    mine: list[Agent]
    others: list[Agent]
    holding: int
    """The mission that holds the instrument."""
    database: asyncpg.Pool
    broken: list[str] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    _open: dict[int, asyncio.Future[Any]] = field(default_factory=dict)

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Missions are seen to end within this."""
        watching = asyncio.ensure_future(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            ended = await self.database.fetch(_ENDED, list(self._open))
            for row in ended:
                future = self._open.pop(row["id"])
                if not future.done():
                    future.set_result(row)
            await asyncio.sleep(0.1)

    async def _mission(self, recipe: str, agent: Agent, data: Any) -> int:
        body = {"workProcessTypeName": recipe, "status": "dispatched", "yardUid": _YARD, "agentIds": [agent.id]}
        return int((await self.ground.post("/work-processes", {**body, "data": data}))["id"])

    async def _ended(self, mission: int) -> Ended | None:
        self._open[mission] = future = asyncio.get_running_loop().create_future()
        try:
            row = await asyncio.wait_for(future, _WITHIN)
        except TimeoutError:
            self._open.pop(mission, None)
            return None
        return Ended(row["status"], _json(row["failure"]), tuple(row["assigned"]), asked=0)

    async def run(self, number: int, made: list[Case]) -> None:
        """Those of the cases that are for one agent, one after the other."""
        agent = self.mine[number]
        for case in made:
            if case.agent[1] != agent.uuid:
                continue
            began = time.monotonic()
            mission = await self._mission(case.spoiled.recipe, agent, {"case": case.number})
            ended = await self._ended(mission)
            name = f"case {case.number}, {case.kind}: mission {mission}"
            if ended is None:
                self.broken.append(f"{name} has not ended within {_WITHIN:g} s")
                return  # its agent is held
            ended = replace(ended, asked=self.planner.asked[case.number], answers=len(case.spoiled.answers))
            self.ends[ended.status] += 1
            wrong = differences(ended, case.spoiled.ends)
            if wrong:
                self.broken.append(f"{name}: {wrong}")
            took = time.monotonic() - began
            if took > _SLOW:
                self.broken.append(f"{name} took {took:.0f} s: {await self._course(mission)}")
            self.broken += await self._not_shown(name, mission)

    async def _course(self, mission: int) -> str:
        rows = await self.database.fetch(_COURSE, mission)
        return ", ".join(f"{row['type']} after {row['after']:.1f} s" for row in rows)[:1500]

    async def _not_shown(self, name: str, mission: int) -> list[str]:
        parts = ("", "/assignments", "/service-requests?full=true", "/events")
        answers = await asyncio.gather(*(self.ground.http.get(f"/work-processes/{mission}{part}") for part in parts))
        return [
            f"{name}: {answer.request.url.path} is answered {answer.status_code}"
            for answer in answers
            if answer.status_code != 200
        ]

    async def ordinary(self, agent: Agent, stop: asyncio.Event) -> int:
        """Ordinary missions beside them, one after the other; how many."""
        done = 0
        while not stop.is_set():
            answer = {"status": "ready", "results": [{"agent_uuid": agent.uuid, "assignment": {"drive": done}}]}
            mission = await self._mission("ordinary", agent, {"answer": answer})
            ended = await self._ended(mission)
            if ended is None or (ended.status, ended.assigned) != ("succeeded", (agent.uuid,)):
                self.broken.append(f"ordinary mission {mission} of {agent.uuid}: {ended}")
                return done
            done += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _PAUSE)
        return done

    async def let_go(self) -> list[str]:
        """The mission that holds the instrument is still at it, and can be cancelled."""
        shown = await self.ground.get(f"/work-processes/{self.holding}")
        broken = [] if shown["status"] == "executing" else [f"the mission that holds the instrument: {shown}"]
        await self.ground.post(f"/work-processes/{self.holding}/cancel", {})
        ended = await self._ended(self.holding)
        if ended is None or ended.status != "canceled":
            broken.append(f"the mission that holds the instrument, cancelled: {ended}")
        return broken

    async def nothing_held(self) -> list[str]:
        """No agent is kept, and each got what was for it."""
        rows = await self.database.fetch(_HELD)
        broken = [f"agent {row['uuid']} is still held by mission {row['work_process_id']}" for row in rows]
        planned: dict[str, set[int]] = {}
        for row in await self.database.fetch(_ASSIGNED):
            planned.setdefault(row["uuid"], set()).add(row["work_process_id"])
        for agent in self.ground.agents:
            if agent.missions != planned.get(agent.uuid, set()):
                odd = sorted(agent.missions ^ planned.get(agent.uuid, set()))[:10]
                broken.append(f"agent {agent.uuid}: what it heard and what was planned differ in missions {odd}")
        return broken

    def posted_anew(self, made: list[Case]) -> list[str]:
        """A planner knows a job that it is asked for again."""
        again = {case.number for case in made if case.spoiled.recipe == "odd-again"}
        return [
            f"case {number} was posted under {len(keys)} idempotency keys"
            for number, keys in self.planner.keys.items()
            if len(keys) != 1 and number not in again
        ]


async def set_up(ground: Ground, planner: OddPlanner) -> Stage:
    """All that the cases need, with the instrument already held."""
    await ground.post("/yards", {"uid": _YARD, "name": _YARD})
    here = f"http://127.0.0.1:{planner.port}"
    for name, url, fields in (
        ("odd", f"{here}/odd/", {"resultTimeout": 60}),
        ("odd-short", f"{here}/odd/", {"resultTimeout": STEP_TIMEOUT}),
        ("odd-map", f"{here}/odd/", {"resultTimeout": 60, "domain": "Map server"}),
        ("odd-nobody", "http://127.0.0.1:9/", {"resultTimeout": STEP_TIMEOUT}),
        ("ordinary", f"{here}/good/", {"resultTimeout": 60}),
        ("then", "http://127.0.0.1:9/", {"isDummy": True}),
    ):
        # A planner is not told of the map, that a map server makes large here, and of the whole yard.
        lean = {"requireMapData": False, "requireAgentsData": False}
        await ground.post("/services", {"name": name, "type": name, "url": url, **lean, **fields})
    for name in ("odd", "odd-short", "odd-map", "odd-nobody", "ordinary"):
        await ground.post("/recipes", {"name": name, "steps": [{"step": "plan", "serviceType": name}]})
    then = {"step": "then", "serviceType": "then", "dependencies": ["plan"]}
    await ground.post("/recipes", {"name": "odd-steps", "steps": [{"step": "plan", "serviceType": "odd"}, then]})
    again = {"maxRetries": 2, "retryInitialInterval": 0.2}
    await ground.post(
        "/recipes", {"name": "odd-again", "steps": [{"step": "plan", "serviceType": "odd"}], "options": again}
    )
    names = [f"mine-{number}" for number in range(_SIDE_BY_SIDE)]
    others = [f"other-{number}" for number in range(_ORDINARY)]
    agents = await ground.check_in(_YARD, [*names, *others, "bystander", "instrument"])
    mine, rest = agents[:_SIDE_BY_SIDE], agents[_SIDE_BY_SIDE:]
    bystander, instrument = rest[-2:]
    await ground.patch(f"/agents/{instrument.id}", {"agentClass": "instrument"})
    facts = Facts(
        tuple((agent.id, agent.uuid) for agent in mine),
        (bystander.id, bystander.uuid),
        (instrument.id, instrument.uuid),
    )
    database = await asyncpg.create_pool(ground.settings.database_url, min_size=0, max_size=2)
    stage = Stage(ground, planner, facts, mine, rest[:-2], 0, database)
    answer = {"results": [{"agent_uuid": instrument.uuid, "assignment": {"hold": True}}]}
    stage.holding = await stage._mission("ordinary", instrument, {"answer": answer})
    return stage


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


_ENDED = """
    SELECT w.id, w.status, w.failure,
        ARRAY(SELECT g.uuid FROM assignments a JOIN agents g ON g.id = a.agent_id
              WHERE a.work_process_id = w.id ORDER BY g.uuid COLLATE "C") AS assigned
    FROM work_processes w WHERE w.id = ANY($1::bigint[]) AND w.ended_at IS NOT NULL
"""
_COURSE = """
    SELECT type, CAST(extract(epoch FROM timestamp - min(timestamp) OVER ()) AS float) AS after
    FROM events WHERE work_process_id = $1 ORDER BY id
"""
_HELD = """
    SELECT a.uuid, r.work_process_id FROM reservations r JOIN agents a ON a.id = r.agent_id
    JOIN work_processes w ON w.id = r.work_process_id WHERE w.ended_at IS NOT NULL
"""
_ASSIGNED = """
    SELECT g.uuid, a.work_process_id FROM assignments a JOIN agents g ON g.id = a.agent_id GROUP BY 1, 2
"""
