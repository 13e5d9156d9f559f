"""One run: a stage with missions of all kinds in flight, and fault after fault."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from faults.invariants import claims, journals, messages, pace, planner, repairs, reports, settlements
from faults.invariants.api_view import faults_in_view
from faults.invariants.records import faults_in_database, faults_in_temporal
from faults.invariants.strikes import Strike
from faults.kinds.fault import Fault, NotPossibleHere
from faults.load.client import Client
from faults.load.riders import Riders
from faults.load.watch import PHASES, Watch
from faults.recovery import GIVEN_UP_AFTER, until_missions_flow
from faults.results import Result
from faults.stage.journal import read
from faults.stage.sdk_log import as_journal
from faults.stage.stage import WORKERS, Stage, stage, until
from faults.stage.tap import Tap
from settings import Settings

Report = Callable[[str], None]

OPEN = 100
"""Missions that are open at least when something is done, in a whole run."""
_QUIET = 4.0
"""Seconds between two faults at least; as much again by chance."""


@dataclass
class Run:
    """A stage under load."""

    stage: Stage
    watch: Watch
    tap: Tap
    client: Client
    riders: Riders
    chance: random.Random
    report: Report
    part: float
    strikes: list[Strike] = field(default_factory=list)
    _judged: int = 0

    async def inflict(self, fault: Fault, result: Result) -> None:
        """One fault at a random moment, until missions flow again."""
        await asyncio.sleep(self.chance.uniform(_QUIET, 2 * _QUIET))
        few = f"there are never {self.part * OPEN:g} open missions in all of {PHASES}, but {self.watch.phases}"
        await until(self._enough_open, 120, few)
        open_then, phases = self.watch.open, dict(self.watch.phases)
        own = [asyncio.ensure_future(self.riders.run(mission)) for mission in fault.missions(self.chance)]
        strike = Strike(fault.name, time.time())
        self.strikes.append(strike)
        try:
            await fault.strike(self.stage)
        except NotPossibleHere as why:
            self.strikes.remove(strike)
            result.remarks.append(f"not possible here: {why}")
            self.report(f"  {fault.name}: not possible here: {why}")
            return
        result.times += 1
        result.missions += open_then
        result.phases.update(phases.keys())
        await fault.mend(self.stage)
        strike.ended = time.time()
        took = await until_missions_flow(self.riders)
        await asyncio.gather(*own)
        if own:  # an agent misbehaves as long as its mission lasts
            strike.ended = time.time()
        result.recoveries.append(took)
        result.broken += self._new_wrongs()
        if took > GIVEN_UP_AFTER:
            result.broken.append(f"missions do not flow {GIVEN_UP_AFTER:g} s after the end of {fault.name}")
        elif took > fault.goal:
            result.remarks.append(f"recovery took {took:.1f} s, the goal is {fault.goal:g} s")
        self.report(f"  {fault.name}: missions flow again after {took:.1f} s; open were {phases}")
        dead = [name for name in self.stage.processes.children if self.stage.is_dead(name)]
        result.broken += [f"{name} ended by itself:\n{self.stage.log(name)[-1500:]}" for name in dead]
        # What a fault left dead on purpose is there for the next one; and what died.
        for name in dead:
            await self.stage.kill(name)
        await self.stage.start(*WORKERS, "api", *dead)

    def _new_wrongs(self) -> list[str]:
        """Missions that ended otherwise than they should since the last look."""
        wrong = self.riders.tally.wrong
        new, self._judged = wrong[self._judged :], len(wrong)
        return new

    async def _enough_open(self) -> bool:
        return self.watch.open >= self.part * OPEN and all(self.watch.phases.get(phase) for phase in PHASES)

    async def finish(self) -> Result:
        """Let all missions end, then look at everything from outside."""
        await self.riders.stop()
        await asyncio.sleep(35)  # what is held or open for longer has no excuse
        result = Result("all of it, at the end", missions=len(self.riders.tally.accepted))
        tally, url = self.riders.tally, self.stage.postgres.url
        result.broken += self._new_wrongs()
        await self._compare_words(result)
        result.broken += await faults_in_database(url, tally.accepted)
        result.broken += await faults_in_view(self.client, url, list(tally.accepted), self.chance)
        result.broken += await faults_in_temporal(self.stage.temporal.address, url)
        result.broken += planner.faults_of(read(self.stage.crew.planner_journal), self.strikes)
        repaired = await repairs.counts(url)
        result.broken += repairs.faults_of(repaired, self.strikes)
        result.remarks.append(repairs.told(repaired))
        result.broken += pace.faults_of(tally.took)
        treatment = self.client.treatment
        result.broken += treatment.wrong
        result.remarks.append(f"ended: {dict(sorted(tally.ended.items()))}")
        result.remarks += pace.told(tally.took)
        result.remarks.append(
            f"the API's slowest answer took {treatment.slowest:.1f} s; answers {dict(treatment.answers)},"
            f" {treatment.refused} times nobody was there"
        )
        return result

    async def _compare_words(self, result: Result) -> None:
        """What agents and Muster told each other, against each other and against the database."""
        url, sent, said, settled = self.stage.postgres.url, self.tap.lines, self._said(), self.riders.tally.settled
        doubted = await settlements.doubted(url, settled)
        result.remarks += settlements.told(settled, doubted, sent, said)
        result.broken += [
            *journals.faults_of(said),
            *messages.faults_of(sent, said),
            *messages.unseen(sent, said),
            *reports.faults_of(said, await reports.kept(url)),
            *claims.unheard(said, await claims.refused(self.stage.rabbitmq.url)),
            *settlements.faults_of(settled, doubted, self.strikes),
        ]

    def _said(self) -> list[dict[str, Any]]:
        """The journals of all agents, each in its own order."""
        crew = self.stage.crew
        said = [line for name in (*crew.thin, *crew.devices) for line in read(crew.journal(name))]
        return said + [line for name in crew.sdk for line in as_journal(read(crew.journal(name)))]


@asynccontextmanager
async def loaded_stage(seed: int, report: Report, part: float = 1.0, *, small_disk: bool = False) -> AsyncIterator[Run]:
    """A stage with missions of all kinds in flight; `part`: of a whole run's. `small_disk`: as in `stage`."""
    async with stage(small_disk=small_disk) as built:
        watch, client = Watch(built.postgres.url), Client(built.api_url)
        tap = Tap(built.rabbitmq.url, built.rabbitmq.management_url, Settings().downlink_exchange)
        riders = Riders(built, client, watch, seed, part)
        watching = [asyncio.ensure_future(watch.run()), asyncio.ensure_future(tap.run())]
        for task in watching:
            # A driver that looks no more must not wait for what it cannot see.
            task.add_done_callback(lambda task: None if task.cancelled() else riders.tally.wrong.append(_ended(task)))
        try:
            await riders.prepare()
            report("stage is set")
            riders.start()
            yield Run(built, watch, tap, client, riders, random.Random(seed), report, part)
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
            await client.close()


def _ended(task: asyncio.Task[None]) -> str:
    return f"{task.get_coro()} has ended: {task.exception()!r}"


async def run(faults: Sequence[Fault], *, times: int, seed: int, report: Report, part: float = 1.0) -> list[Result]:
    """Each fault so many times, in an order by chance; the last result is of the whole."""
    results = {fault.name: Result(fault.name) for fault in faults}
    small_disk = any(fault.wants_small_disk for fault in faults)
    async with loaded_stage(seed, report, part, small_disk=small_disk) as loaded:
        order = [fault for fault in faults for _ in range(times)]
        loaded.chance.shuffle(order)
        for fault in order:
            await loaded.inflict(fault, results[fault.name])
        return [*results.values(), await loaded.finish()]
