"""Those who ask for missions: each for one after the other, so that there are always as many as riders."""

import asyncio
import math
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Set
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from faults.load import scripts
from faults.load.client import Client
from faults.load.operator import LOOKS_EVERY, Operator
from faults.load.preparation import activate
from faults.load.scripts import KINDS, Mission, Script
from faults.load.watch import End, Watch
from faults.stage.crew import SDK_AGENTS, YARD, Platform, platforms, thin_agents
from missions.errors import FailureCode

LIMIT = 300.0
"""Seconds after which a mission is stuck; the longest take 110, and an operator's settlement 40 more."""

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
    """Seconds to the end, by kind: from acceptance, or from the request to cancel it."""
    wrong: list[str] = field(default_factory=list)
    """Missions that ended otherwise than their script says, or never."""
    settled: dict[int, str] = field(default_factory=dict)
    """Missions of unknown outcome, and how they were settled."""
    unanswered: dict[int, float] = field(default_factory=dict)
    """Missions whose planner gave no answer in its time, and when they had ended, in seconds of the clock."""


class Riders:
    """All who ask for missions."""

    def __init__(self, client: Client, watch: Watch, seed: int, part: float = 1.0) -> None:
        """`part`: of a whole run's riders."""
        self.tally = Tally()
        self.operator = Operator(client, watch)
        self._client, self._watch, self._seed, self._part = client, watch, seed, part
        self._riding: list[asyncio.Task[None]] = []
        self._disturbed: set[str] = set()
        """Platforms whose last mission did not succeed: it brought its instruments to INACTIVE."""
        self._stopping = asyncio.Event()

    def start(self) -> None:
        """Ride."""
        thin = [uuid for uuids in thin_agents().values() for uuid in uuids]
        random.Random(self._seed).shuffle(thin)  # each kind on agents of every process
        contended, own = thin[:_CONTENDED], iter(thin[_CONTENDED:])
        self._operating = asyncio.ensure_future(self._operate())
        for kind, count in _RIDERS.items():
            for number in range(math.ceil(self._part * count)):
                if kind == "waiting":
                    agents = [contended[number % math.ceil(self._part * _CONTENDED)]]
                else:
                    agents = [next(own) for _ in range(_AGENTS_EACH.get(kind, 1))]
                self._ride(f"{kind}-{number}", KINDS[kind], agents)
        for uuid in SDK_AGENTS:
            self._ride(uuid, scripts.on_sdk, [uuid])
        for platform in platforms():
            self._add(platform.uuid, partial(self._run_file, platform))

    async def stop(self, patience: float = LIMIT) -> None:
        """Ask for no more, and wait until all have ended; then the operator goes home."""
        self._stopping.set()
        _, stuck = await asyncio.wait(self._riding, timeout=patience)
        self.tally.wrong += [f"{task.get_name()} still waits after {patience:g} s" for task in stuck]
        self._operating.cancel()
        for task in stuck:
            task.cancel()
        await asyncio.gather(self._operating, *self._riding, return_exceptions=True)

    def _ride(self, name: str, make: Script, agents: list[str]) -> None:
        self._add(name, lambda chance: self.run(make(chance, agents)))

    def _add(self, name: str, once: Callable[[random.Random], Coroutine[Any, Any, Any]]) -> None:
        chance = random.Random(f"{self._seed}/{name}")

        async def ride() -> None:
            await asyncio.sleep(chance.uniform(0, 3))
            while not self._stopping.is_set():
                await self._noted(name, lambda: once(chance))

        self._riding.append(asyncio.create_task(ride(), name=name))

    async def _operate(self) -> None:
        while True:
            await self._noted("operator", self.operator.look)
            await asyncio.sleep(LOOKS_EVERY)

    async def _noted(self, name: str, do: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Whatever is raised is wrong, and those who ask go on."""
        try:
            await do()
        except Exception as error:
            self.tally.wrong.append(f"{name}: {error!r}")
            await asyncio.sleep(1)

    async def all_ended(self, missions: Set[int]) -> bool:
        """Whether none of them is open."""
        return missions <= self._watch.ends.keys()

    @property
    def open(self) -> set[int]:
        """The missions that have not ended."""
        return self.tally.accepted.keys() - self._watch.ends.keys()

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
        end = await self._end(key, mission.kind, mission.ends, mission.code)
        self.tally.took.setdefault(mission.kind, []).append(time.monotonic() - began)
        return end if mission.then is None else await self.run(mission.then)

    async def _run_file(self, platform: Platform, _: random.Random) -> None:
        if platform.uuid in self._disturbed:
            await activate(self._client, platform)
        self._disturbed.add(platform.uuid)
        body = {
            "missionId": f"m-{secrets.token_hex(4)}",
            "missionYaml": scripts.file_of(platform.uuid, platform.ctds),
        }
        made = await self._client.post(f"/platforms/{platform.uuid}/missions", body)
        key = int(made["workProcessId"])
        self.tally.accepted[key] = "file"
        end = await self._end(key, "file", "succeeded")
        if end is not None and end.status == "succeeded":
            self._disturbed.discard(platform.uuid)

    async def _end(self, key: int, kind: str, expected: str, code: str = "") -> End | None:
        try:
            end = await self._watch.end_of(key, LIMIT)
        except TimeoutError:
            self.tally.wrong.append(f"mission {key} ({kind}) has not ended after {LIMIT:g} s")
            return None
        self.tally.ended[f"{kind} {end.status}"] += 1
        if end.status != expected or (code and end.code != code):
            self._judge(key, kind, expected, end)
        return end

    def _judge(self, key: int, kind: str, expected: str, end: End) -> None:
        """Whether there is a good reason for another end."""
        if key in self.operator.settled and end.status == "canceled":
            self.tally.settled[key] = f"({kind}) was cancelled for {self.operator.settled[key]}"
        elif end.status == "failed" and end.code == scripts.UNKNOWN_OUTCOME:
            self.tally.settled[key] = f"({kind}) failed by its recipe: {end.text}"
        elif end.status == "failed" and end.code == FailureCode.PLANNER_TIMEOUT:
            self.tally.unanswered[key] = time.time()
        else:
            self.tally.wrong.append(
                f"mission {key} ({kind}) ended {end.status} ({end.code} {end.text}), not {expected}"
            )
