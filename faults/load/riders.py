"""Those who ask for missions: each for one after the other, so that there are always as many as riders."""

import asyncio
import math
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from examples.instruments.registration import PREFIX
from faults.load import scripts
from faults.load.client import Client
from faults.load.operator import Operator
from faults.load.scripts import KINDS, Mission, Script
from faults.load.watch import End, Watch
from faults.stage.crew import YARD, Platform, bystanders, odd_agents, platforms, probes, thin_agents
from faults.stage.stage import Stage, until

LIMIT = 300.0
"""Seconds after which a mission is stuck; the longest take 60, and an operator's settlement 40 more."""

# How many of each kind ride in a whole run; on how many agents those wait that want the same.
_CONTENDED = 12
_RIDERS = {"waiting": 48, "pending": 24, "groups": 12, "canceled": 12, "failing": 8}
_AGENTS_EACH = {"groups": 2, "canceled": 2}


@dataclass
class Tally:
    """What came of the missions."""

    accepted: dict[int, str] = field(default_factory=dict)
    """Mission → kind, of each that the API said to have made."""
    ended: Counter[str] = field(default_factory=Counter)
    took: dict[str, list[float]] = field(default_factory=dict)
    """Seconds from acceptance to end, by kind."""
    wrong: list[str] = field(default_factory=list)
    """Missions that ended otherwise than their script says, or never."""
    settled: dict[int, str] = field(default_factory=dict)
    """Missions of unknown outcome, and how they were settled."""


class Riders:
    """All who ask for missions."""

    def __init__(self, stage: Stage, client: Client, watch: Watch, seed: int, part: float = 1.0) -> None:
        """`part`: of a whole run's riders."""
        self.tally = Tally()
        self.operator = Operator(client, watch)
        self._stage, self._client, self._watch, self._seed, self._part = stage, client, watch, seed, part
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()

    # --- set-up

    async def prepare(self) -> None:
        """Yard, planner, recipes, agents, platforms."""
        client, crew = self._client, self._stage.crew
        await client.post("/yards", {"uid": YARD, "name": YARD}, fine=(409,))
        service = {
            "name": "planner",
            "type": "planner",
            "url": self._stage.planner_url(),
            "requireAgentsData": False,
            "resultTimeout": 120,
        }
        await client.post("/services", service)
        recipe = {
            "name": scripts.RECIPE,
            "steps": [{"step": "plan", "serviceType": "planner"}],
            "options": {"unconfirmedStart": "fail", "assignmentStartTimeout": 10},
        }
        await client.post("/recipes", recipe)
        await self._stage.start(*crew.thin, *crew.devices, *crew.sdk)
        everyone = [uuid for uuids in thin_agents().values() for uuid in uuids]
        everyone += [*probes(), *bystanders(), *odd_agents(), *crew.sdk]
        await until(lambda: self._are_free(everyone), 120, "the agents do not check in")
        for platform in platforms():
            devices = [platform.uuid, *platform.ctds]
            await until(partial(self._are_free, devices), 120, f"{platform} is not there")
            await self._register(platform)

    async def _are_free(self, uuids: list[str]) -> bool:
        found: dict[str, str] = {}
        cursor: str | None = None
        while True:
            page = await self._client.get("/agents", limit=200, **({"cursor": cursor} if cursor else {}))
            found |= {agent["uuid"]: agent["status"] for agent in page["items"]}
            cursor = page["nextCursor"]
            if cursor is None:
                return all(found.get(uuid) == "free" for uuid in uuids)

    async def _register(self, platform: Platform) -> None:
        parent = await self._agent(platform.uuid)
        await self._client.patch(f"/agents/{parent}", {"agentClass": "platform"})
        for ctd in platform.ctds:
            fields = {"agentClass": "instrument", "alias": f"{PREFIX}{ctd}", "parentId": parent}
            await self._client.patch(f"/agents/{await self._agent(ctd)}", fields)
        await self._activate(platform)

    async def _activate(self, platform: Platform) -> None:
        """Bring it to where its instruments take commands."""
        for command in ("RESET", "INITIALIZE", "GO_ACTIVE", "RUN"):
            await self._client.post(f"/platforms/{platform.uuid}/commands", {"command": command}, fine=(409,))
            await until(lambda: self._stands(platform), 60, f"{platform.uuid} does not end {command}")

    async def _stands(self, platform: Platform) -> bool:
        return (await self._client.get(f"/platforms/{platform.uuid}"))["underWay"] is None

    async def _agent(self, uuid: str) -> int:
        return int((await self._client.get("/agents", uuid=uuid))["items"][0]["id"])

    # --- riding

    def start(self) -> None:
        """Ride."""
        thin = [uuid for uuids in thin_agents().values() for uuid in uuids]
        random.Random(self._seed).shuffle(thin)  # each kind on agents of every process
        contended, own = thin[:_CONTENDED], iter(thin[_CONTENDED:])
        self._tasks = [asyncio.ensure_future(self.operator.run())]
        for kind, count in _RIDERS.items():
            for number in range(math.ceil(self._part * count)):
                if kind == "waiting":
                    agents = contended[: math.ceil(self._part * _CONTENDED)]
                else:
                    agents = [next(own) for _ in range(_AGENTS_EACH.get(kind, 1))]
                self._ride(f"{kind}-{number}", KINDS[kind], agents)
        for uuid in self._stage.crew.sdk:
            self._ride(uuid, scripts.on_sdk, [uuid])
        for platform in platforms():
            self._add(platform.uuid, partial(self._run_file, platform))

    async def stop(self, patience: float = LIMIT) -> None:
        """Ask for no more, and wait until all have ended."""
        self._stopping.set()
        operator, *riders = self._tasks
        await asyncio.wait(riders, timeout=patience)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(operator, *riders, return_exceptions=True)

    def _ride(self, name: str, make: Script, agents: list[str]) -> None:
        self._add(name, lambda chance: self.run(make(chance, agents)))

    def _add(self, name: str, once: Callable[[random.Random], Coroutine[Any, Any, Any]]) -> None:
        chance = random.Random(f"{self._seed}/{name}")

        async def ride() -> None:
            await asyncio.sleep(chance.uniform(0, 3))
            while not self._stopping.is_set():
                try:
                    await once(chance)
                except RuntimeError as refused:
                    self.tally.wrong.append(f"{name}: {refused}")
                    await asyncio.sleep(1)

        self._tasks.append(asyncio.ensure_future(ride()))

    async def run(self, mission: Mission) -> End | None:
        """One mission, from its request to its end."""
        body = {
            "workProcessTypeName": scripts.RECIPE,
            "status": "dispatched",
            "yardUid": YARD,
            "agentUuids": mission.agents,
            "data": mission.data,
            **mission.fields,
        }
        created = await self._client.post("/work-processes", body)
        key = int(created["id"])
        self.tally.accepted[key] = mission.kind
        if mission.cancel_after is not None:
            await asyncio.sleep(mission.cancel_after)
            await self._client.post(f"/work-processes/{key}/cancel", {"reason": "as its script says"}, fine=(409,))
        began = time.monotonic()
        end = await self._end(key, mission.kind, mission.ends)
        self.tally.took.setdefault(mission.kind, []).append(time.monotonic() - began)
        return end if mission.then is None else await self.run(mission.then)

    async def _run_file(self, platform: Platform, _: random.Random) -> None:
        body = {
            "missionId": f"m-{secrets.token_hex(4)}",
            "missionYaml": scripts.file_of(platform.uuid, platform.ctds),
        }
        made = await self._client.post(f"/platforms/{platform.uuid}/missions", body)
        key = int(made["workProcessId"])
        self.tally.accepted[key] = "file"
        end = await self._end(key, "file", "succeeded")
        if end is not None and end.status != "succeeded":
            await self._activate(platform)  # its instruments were brought to INACTIVE

    async def _end(self, key: int, kind: str, expected: str) -> End | None:
        try:
            end = await self._watch.end_of(key, LIMIT)
        except TimeoutError:
            self.tally.wrong.append(f"mission {key} ({kind}) has not ended after {LIMIT:g} s")
            return None
        self.tally.ended[f"{kind} {end.status}"] += 1
        if end.status != expected:
            self._judge(key, kind, expected, end)
        return end

    def _judge(self, key: int, kind: str, expected: str, end: End) -> None:
        """Whether there is a good reason for another end."""
        if key in self.operator.settled and end.status == "canceled":
            self.tally.settled[key] = f"({kind}) was cancelled for {self.operator.settled[key]}"
        elif end.status == "failed" and end.code == scripts.UNKNOWN_OUTCOME:
            self.tally.settled[key] = f"({kind}) failed by its recipe: {end.text}"
        else:
            self.tally.wrong.append(
                f"mission {key} ({kind}) ended {end.status} ({end.code} {end.text}), not {expected}"
            )
