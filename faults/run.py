"""One run: a stage with missions of all kinds in flight, and fault after fault."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from traceback import format_exception
from typing import Any

from faults.invariants import claims, journals, messages, pace, planner, repairs, reports, settlements
from faults.invariants.api_view import faults_in_view
from faults.invariants.records import faults_in_database, faults_in_temporal, last_in_the_log
from faults.invariants.strikes import Strike
from faults.kinds.fault import Broken, Fault, NotPossibleHere
from faults.load.asker import EVERY, Asker
from faults.load.client import LONGEST, Client
from faults.load.preparation import prepare
from faults.load.riders import LIMIT, Riders
from faults.load.watch import PHASES, Watch
from faults.recovery import GIVEN_UP_AFTER, until_missions_flow
from faults.results import Result, Sort
from faults.stage.journal import read
from faults.stage.listener import Listener
from faults.stage.sdk_log import as_journal
from faults.stage.stage import WORKERS, Stage, stage
from faults.stage.tap import Tap
from faults.waiting import until
from settings import Settings

Report = Callable[[str], None]

OPEN = 100
"""Missions that are open at least when something is done, in a whole run."""
_QUIET = 2.0
"""Seconds between two faults at least; as much again by chance."""


class CannotGoOn(Exception):
    """There is nothing that the next fault could befall; the text says why."""


@dataclass
class Run:
    """A stage under load."""

    stage: Stage
    watch: Watch
    tap: Tap
    client: Client
    riders: Riders
    asker: Asker
    asking: asyncio.Task[None]
    listener: Listener
    chance: random.Random
    report: Report
    part: float
    strikes: list[Strike] = field(default_factory=list)
    _repaired: list[repairs.Look] = field(default_factory=list)
    _judged: int = 0

    async def inflict(self, fault: Fault, result: Result) -> None:
        """One fault at a random moment, until missions flow again. Raises CannotGoOn."""
        await asyncio.sleep(self.chance.uniform(_QUIET, 2 * _QUIET))
        try:
            await until(self._enough_open, 120)
        except TimeoutError:
            few = f"there are never {self.part * OPEN:g} open missions in all of {PHASES}, but {self.watch.phases}"
            raise CannotGoOn(few) from None
        self._repaired.append(self.watch.repairs)
        phases, open_then = dict(self.watch.phases), self.riders.open
        own = [asyncio.ensure_future(self.riders.run(mission)) for mission in fault.missions(self.chance)]
        strike = Strike(fault.name, time.time())
        if fault.sort is not Sort.COMPARISON:  # nothing done explains nothing
            self.strikes.append(strike)
        began, self.client.nobody_is_there = time.monotonic(), fault.touches_api
        try:
            await self._do(fault, result)
        except NotPossibleHere as why:
            self.strikes.remove(strike)
            result.impossible = str(why)
            self.report(f"  {fault.name}: not possible here: {why}")
            return
        finally:
            mended, self.client.nobody_is_there = time.monotonic(), False
            strike.ended = time.time()
        result.times += 1
        result.missions += sum(phases.values())
        result.phases.update(phases.keys())
        if fault.recovers:
            await self._recovered(fault, result)
        if not fault.touches_api:
            result.broken += await self._api_silent(began, mended)
        self.report(f"  {fault.name}: {_recovery(result)}; open were {phases}")
        ended = await asyncio.gather(*own, return_exceptions=True)
        result.broken += [_told(error) for error in ended if isinstance(error, BaseException)]
        if fault.for_good:
            with contextlib.suppress(TimeoutError):  # those that ask for them say so
                await until(partial(self.riders.all_ended, open_then), LIMIT)
        result.broken += self._new_wrongs()
        await self._all_there(result)
        if own or fault.for_good:  # an agent misbehaves as long as its mission lasts, a dead one is dead until now
            strike.ended = time.time()

    async def _do(self, fault: Fault, result: Result) -> None:
        """Do it and mend it. What is raised is broken, and the part has to come back all the same."""
        try:
            await fault.strike(self.stage)
        except NotPossibleHere:
            raise
        except Exception as error:
            result.broken.append(_told(error))
        try:
            await fault.mend(self.stage)
        except Exception as error:
            result.broken.append(_told(error))

    async def _api_silent(self, began: float, mended: float) -> list[str]:
        """What is wrong with the API if none of what it was asked between these moments has an answer."""
        if mended - began < 2 * EVERY:
            return []  # it may not have been asked
        try:
            await until(partial(self.asker.was_answered, began, mended), LONGEST)
        except TimeoutError:
            return [f"the API answered nothing that it was asked in the {mended - began:.1f} s"]
        return []

    async def _recovered(self, fault: Fault, result: Result) -> None:
        took = await until_missions_flow(self.riders, fault.probes())
        result.recoveries.append(took)
        if took > GIVEN_UP_AFTER:
            result.broken.append(f"missions do not flow {GIVEN_UP_AFTER:g} s after the end of {fault.name}")
        elif took > fault.goal:
            result.remarks.append(f"recovery took {took:.1f} s, the goal is {fault.goal:g} s")

    async def _all_there(self, result: Result) -> None:
        """What ended by itself is broken; that, and what the fault left dead on purpose, is there for the next one."""
        dead = [name for name in self.stage.processes.children if self.stage.is_dead(name)]
        result.broken += [f"{name} ended by itself:\n{self.stage.log(name)[-1500:]}" for name in dead]
        await self.stage.kill(*dead)
        await self.stage.start(*WORKERS, "api", *dead)
        self.stage.network.check()

    def _new_wrongs(self) -> list[str]:
        """What those who ask for missions, and of the API, found wrong since the last look."""
        wrong = self.riders.tally.wrong
        new, self._judged = wrong[self._judged :], len(wrong)
        of_the_api, self.client.treatment.wrong = self.client.treatment.wrong, []
        return [*new, *of_the_api]

    async def _enough_open(self) -> bool:
        return self.watch.open >= self.part * OPEN and all(self.watch.phases.get(phase) for phase in PHASES)

    async def finish(self) -> Result:
        """Let all missions end, then look at everything from outside."""
        await self.riders.stop()
        await asyncio.sleep(35)  # what is held or open for longer has no excuse
        self.asking.cancel()  # whoever judges has no time to take its answers
        result = Result("all of it, at the end", missions=len(self.riders.tally.accepted))
        tally, url = self.riders.tally, self.stage.postgres.url
        result.broken += self._new_wrongs()
        await self._compare_words(result)
        result.broken += await faults_in_database(url, tally.accepted)
        result.broken += await faults_in_view(self.client, url, list(tally.accepted), self.chance)
        result.broken += await faults_in_temporal(self.stage.temporal.address, url)
        result.broken += planner.faults_of(read(self.stage.crew.planner_journal), self.strikes)
        result.broken += planner.unanswered(tally.unanswered, self.strikes)
        result.remarks.append(f"{len(tally.unanswered)} missions got no answer from their planner")
        self._repaired.append(self.watch.repairs)
        result.broken += repairs.faults_of(self._repaired, self.strikes)
        result.remarks.append(repairs.told(self._repaired[-1].counts))
        result.broken += await self._listened()
        result.broken += pace.faults_of(tally.took)
        treatment = self.client.treatment
        result.broken += treatment.wrong
        result.remarks.append(f"ended: {dict(sorted(tally.ended.items()))}")
        result.remarks.append(f"a listener at RabbitMQ heard {self.listener.repeated} events again")
        result.remarks += pace.told(tally.took)
        result.remarks.append(
            f"the API's slowest answer took {treatment.slowest:.1f} s; answers {dict(treatment.answers)},"
            f" {treatment.refused} times nobody was there"
        )
        return result

    async def _listened(self) -> list[str]:
        """What is wrong with what was heard of the events."""
        last = await last_in_the_log(self.stage.postgres.url)

        async def all_heard() -> bool:
            return self.listener.last >= last

        try:
            await until(all_heard, LONGEST)
        except TimeoutError:
            return [*self.listener.wrong, f"a listener at RabbitMQ heard events up to {self.listener.last} of {last}"]
        return self.listener.wrong

    async def _compare_words(self, result: Result) -> None:
        """What agents and Muster told each other, against each other and against the database."""
        url, sent, said, settled = self.stage.postgres.url, self.tap.lines, self._said(), self.riders.tally.settled
        doubted = await settlements.doubted(url, settled)
        result.remarks += settlements.told(settled, doubted, sent, said)
        result.broken += [
            *journals.faults_of(said, sent),
            *messages.faults_of(sent, said, self.strikes),
            *messages.unseen(sent, said),
            *reports.faults_of(said, await reports.kept(url), sent),
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
        riders, asker = Riders(client, watch, seed, part), Asker(client)
        listener = Listener(built.rabbitmq.url, Settings().events_exchange)
        beside: list[asyncio.Task[None]] = []

        def begin(does: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
            task = asyncio.ensure_future(does)
            # One that looks no more must not wait for what it cannot see.
            task.add_done_callback(lambda task: None if task.cancelled() else riders.tally.wrong.append(_ended(task)))
            beside.append(task)
            return task

        try:
            begin(watch.run())
            begin(tap.run())
            begin(listener.run())
            await prepare(built, client)
            asking = begin(asker.run())
            report("stage is set")
            riders.start()
            chance = random.Random(seed)
            yield Run(built, watch, tap, client, riders, asker, asking, listener, chance, report, part)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await client.close()


def _ended(task: asyncio.Task[None]) -> str:
    return f"{task.get_coro()} has ended: {task.exception()!r}"


async def run(
    faults: Sequence[Fault], *, times: int, seed: int, report: Report, part: float = 1.0, enough: asyncio.Event
) -> list[Result]:
    """Each fault so many times, in an order by chance; the last result is of the whole. What is raised is broken.

    `enough`: no more faults; what was done is judged.
    """
    results = {fault.name: Result(fault.name, sort=fault.sort, goal=fault.goal) for fault in faults}
    small_disk = any(fault.wants_small_disk for fault in faults)
    whole = Result("all of it")
    try:
        async with loaded_stage(seed, report, part, small_disk=small_disk) as loaded:
            order = [fault for fault in faults for _ in range(times)]
            loaded.chance.shuffle(order)
            await inflict_all(loaded, order, results, enough)
            if not enough.is_set() or any(result.times for result in results.values()):
                whole = await loaded.finish()
            loaded.stage.stays = any(result.broken for result in (*results.values(), whole))
    except Exception as error:
        whole.broken.append(_told(error))
    whole.sort = Sort.WHOLE
    return [*results.values(), whole]


async def inflict_all(
    loaded: Run, faults: Sequence[Fault], results: Mapping[str, Result], enough: asyncio.Event
) -> None:
    """One after the other, until one leaves no load or no stage for the next; whatever is raised is that one's."""
    for fault in faults:
        if enough.is_set():
            return
        result = results[fault.name]
        if result.impossible:
            continue
        try:
            await loaded.inflict(fault, result)
        except Exception as error:
            loaded.report(f"  {fault.name}: the run ends here: {error!r}")
            result.broken.append(_told(error))
            return


def _told(error: BaseException) -> str:
    """What a reader needs to find where it came from."""
    return str(error) if isinstance(error, Broken | CannotGoOn) else "".join(format_exception(error))[-3000:]


def _recovery(result: Result) -> str:
    return f"missions flow again after {result.recoveries[-1]:.1f} s" if result.recoveries else "done"
