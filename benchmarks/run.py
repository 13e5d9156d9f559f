"""The measurements. Missions and the bare engine take turns, since the machine drifts."""

import asyncio
import os
import time
from dataclasses import dataclass
from enum import StrEnum

from benchmarks import cpu
from benchmarks.cpu import Used
from benchmarks.figures import Figure, Load, together
from benchmarks.load import Work, keep_busy
from benchmarks.results import Results
from benchmarks.stage import Stage

_PAUSE = 0.05


class Part(StrEnum):
    """What may be measured alone."""

    LATENCY = "latency"
    THROUGHPUT = "throughput"
    ENGINE = "engine"


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    samples: int = 200
    seconds: float = 60.0
    rounds: int = 5
    warm_up: int = 5

    @classmethod
    def short(cls) -> "Plan":
        """A few seconds for each figure: to try, not to quote."""
        return cls(samples=8, seconds=6.0, rounds=2, warm_up=2)


class Run:
    """One run of the benchmark."""

    def __init__(self, stage: Stage, plan: Plan, only: Part | None) -> None:
        self._stage, self._plan = stage, plan
        self._missions = only is not Part.ENGINE
        self._parts = {Part.LATENCY, Part.THROUGHPUT} if only in (None, Part.ENGINE) else {only}
        self._used = dict.fromkeys((Figure.MISSIONS, Figure.BARE_RATE), cpu.NOTHING)
        self.results = Results(machine=cpu.machine())

    async def measure(self) -> Results:
        """Everything that was asked for."""
        for _ in range(self._plan.warm_up):
            await self._turn(Results())
        if Part.LATENCY in self._parts:
            await self._latencies()
        if Part.THROUGHPUT in self._parts:
            await self._throughput()
        if self._missions:
            self.results.failed = await self._stage.missions.failed()
        return self.results

    # --- one at a time ---

    async def _latencies(self) -> None:
        began, turns = time.monotonic(), 0
        while turns < self._plan.samples or time.monotonic() - began < self._plan.seconds:
            await self._turn(self.results)
            turns += 1

    async def _turn(self, into: Results) -> None:
        """One of each, one after the other."""

        def note(figure: Figure, milliseconds: float) -> None:
            into.latencies.setdefault(figure, []).append(milliseconds)

        stage = self._stage
        if self._missions:
            drive = await stage.missions.drive(stage.solo)
            note(Figure.SUBMIT_TO_ASSIGNMENT, drive.submit_to_assignment)
            note(Figure.DONE_TO_NEXT, drive.done_to_next)
            note(Figure.DONE_TO_RELEASE, drive.done_to_release)
            await asyncio.sleep(_PAUSE)  # the run closes, and the agent's `free` is taken in
            note(Figure.CANCEL, await stage.missions.cancel(stage.solo))
            await asyncio.sleep(_PAUSE)
        note(Figure.BARE_LATENCY, 1000 * await stage.engine.bare_mission())
        await asyncio.sleep(_PAUSE)
        note(Figure.EMPTY_LATENCY, 1000 * await stage.engine.empty())
        await asyncio.sleep(_PAUSE)

    # --- many at a time ---

    async def _throughput(self) -> None:
        seconds = self._plan.seconds / self._plan.rounds
        sides: list[Figure] = [Figure.MISSIONS, Figure.BARE_RATE] if self._missions else [Figure.BARE_RATE]
        turns = 0
        while turns < self._plan.rounds or self._too_few(sides):
            # Each side goes first every other time: so a drift favours neither.
            for figure in sides if turns % 2 == 0 else reversed(sides):
                await self._round(figure, seconds)
            turns += 1
            await self._round(Figure.EMPTY_RATE, seconds / 3)
        self._count_cpu(sides)

    def _count_cpu(self, sides: list[Figure]) -> None:
        loads = {figure: together(self.results.loads[figure]) for figure in sides}
        each = {figure: self._used[figure].ours / loads[figure].ended for figure in sides}
        self.results.cpu = {figure.name.lower(): self._used[figure].per(loads[figure].ended) for figure in sides}
        if self._missions:
            self.results.cpu_ratio = each[Figure.BARE_RATE] / each[Figure.MISSIONS]
        capacity = (os.cpu_count() or 1) * sum(load.seconds for load in loads.values())
        self.results.others = sum(self._used[figure].others for figure in sides) / capacity

    def _too_few(self, sides: list[Figure]) -> bool:
        return any(together(self.results.loads[figure]).ended < self._plan.samples for figure in sides)

    async def _round(self, figure: Figure, seconds: float) -> None:
        before = cpu.used(self._stage.pids)
        load = await self._load(figure, seconds)
        self.results.loads.setdefault(figure, []).append(load)
        if figure in self._used:
            self._used[figure] = self._used[figure] + _since(before, self._stage)

    async def _load(self, figure: Figure, seconds: float) -> Load:
        stage, crew = self._stage, self._stage.crew
        if figure is Figure.MISSIONS:
            works: list[Work] = [lambda member=member: stage.missions.one_step(member) for member in crew]  # type: ignore[misc]
            return await keep_busy(works, seconds, stage.missions.quiet)
        if figure is Figure.BARE_RATE:
            return await keep_busy(
                [lambda: stage.engine.bare_mission(to_the_end=False)] * len(crew), seconds, stage.engine.quiet
            )
        return await keep_busy([stage.engine.empty] * len(crew), seconds, stage.engine.quiet)


def _since(before: Used, stage: Stage) -> Used:
    return cpu.used(stage.pids).since(before)
