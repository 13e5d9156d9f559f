"""The sweeper: every mission that is open has a run, every run has a mission that is open.

Runs are terminated by hand, or forgotten by an engine that lost its data; rows are restored or deleted. Both sides are
compared as sets; whatever differs is looked at alone before anything is done, since the engine's list is some time
behind. What could not be repaired differs at the next turn as well. One process at a time sweeps.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from typing import TypeVar

from temporalio.client import Client
from temporalio.service import RPCError

from engine.runs import Run, Runs
from engine.starting import start_mission
from engine.waker import EngineWaker
from missions.contracts import QueueChanged, QueueSignal
from missions.errors import Failure, FailureCode, PartUnavailable
from missions.events import utc_now
from missions.repairs import Repair
from settings import Settings
from store import lost_runs, mission_queues, open_missions, repairs, wakeups
from store.database import Database
from store.installations import installation_id
from store.leadership import Leader, Lock, leading
from store.loops import Loop
from store.lost_runs import LostRun
from store.open_missions import OpenMission, OpenQueue
from store.wakeups import NewSignal

log = logging.getLogger(__name__)

SWEEPER = Lock(0x6D757379)
CHANNEL = "muster_sweep"
_AT_ONCE = 20
THREAD = "-thread-"

T = TypeVar("T")


class Sweeper(Loop):
    """A loop of the relay role."""

    def __init__(self, settings: Settings, database: Database, client: Client, waker: EngineWaker) -> None:
        super().__init__("sweeper")
        self._settings, self._database, self._client, self._waker = settings, database, client, waker
        self._runs = Runs(client)
        self._grace = timedelta(seconds=settings.sweep_after)
        self._leader: Leader | None = None
        self._nobodys: dict[str, datetime] = {}
        """Runs without an open mission or queue, and since when they are seen so."""

    async def _turn(self) -> None:
        interval = self._settings.sweep_interval
        async with leading(self._database, SWEEPER, CHANNEL, silence=interval) as leader:
            self._leader = leader
            while True:
                await self.sweep()
                await leader.wait(interval)
                await leader.stay()

    def _is_away(self, error: Exception) -> bool:
        return isinstance(error, PartUnavailable | RPCError | OSError)

    async def sweep(self) -> None:
        """Compare, and repair what differs. Raises PartUnavailable, RPCError."""
        async with self._database.statement() as connection:
            installation = await installation_id(connection)
        of_missions, of_queues = f"work-process-{installation}-", f"mission-queue-{installation}-"
        runs = await self._runs.open((of_missions, of_queues))
        await self._still_leads()
        async with self._database.statement() as connection:
            missions = await open_missions.missions(connection, self._grace)
            queues = await open_missions.queues(connection, self._grace)
        await self._each((one for one in missions if one.settled and one.workflow_id not in runs), self._without_run)
        await self._each((one for one in missions if one.canceling and one.workflow_id in runs), self._canceling)
        await self._each((one for one in queues if one.workflow_id not in runs), self._queue_without_run)
        known = {mission.workflow_id for mission in missions}
        nobodys = {run for run in runs if run.startswith(of_missions) and run.partition(THREAD)[0] not in known}
        nobodys |= {run for run in runs if run.startswith(of_queues)} - {queue.workflow_id for queue in queues}
        now = utc_now()
        self._nobodys = {run: self._nobodys.get(run, now) for run in nobodys}
        # A row that is not there has no time of its own, so it counts from when it was missed.
        for_long = {run for run, since in self._nobodys.items() if since <= now - 3 * self._grace}
        await self._without_mission({run for run in for_long if run.startswith(of_missions)})
        await self._without_queue({run for run in for_long if run.startswith(of_queues)})

    async def _still_leads(self) -> None:
        """Before each act: else another process may have done it by now, and its run be the mission's."""
        if self._leader is not None:
            await self._leader.stay()

    async def _each(self, found: Iterable[T], repair: Callable[[T], Awaitable[None]]) -> None:
        """Raises PartUnavailable if another process may sweep by now."""
        turn = asyncio.Semaphore(_AT_ONCE)

        async def one(item: T) -> None:
            async with turn:
                await self._still_leads()
                try:
                    await repair(item)
                except (RPCError, PartUnavailable) as error:
                    log.warning("sweeper: %s stays as it is until the next turn: %s", item, error)
                except Exception:
                    # One that cannot be repaired may not keep the others from it.
                    log.exception("sweeper: %s stays as it is", item)

        # All have come to their end before the next leader, which this one may be again, begins.
        ended = await asyncio.gather(*(one(item) for item in found), return_exceptions=True)
        for error in ended:
            if error is not None:
                raise error

    async def _without_run(self, mission: OpenMission) -> None:
        run = await self._runs.look(mission.workflow_id)
        # What it had under way when it was ended, as a message that goes out, gets the time to come to its end.
        if run is not None and (run.closed_at is None or run.closed_at > utc_now() - self._grace):
            return
        said = "" if run is None else await self._runs.last_words(mission.workflow_id)
        # Read after the run was seen closed: one that ended in good order had written so before.
        async with self._database.transaction() as connection:
            lost = await lost_runs.read(connection, mission.id)
            if lost is None:
                return
            if run is not None and run.closed_at is not None and run.closed_at < lost.dispatched_at:
                run = None  # of another mission of this id: the database was set back
            if run is None and lost.starts_soon:
                return
            repair, interrupted = _verdict(lost, run, said)
            start = await lost_runs.start_again(connection, lost, self._settings, interrupted)
            threads = await lost_runs.threads_of(connection, mission.id)
        ended = await self._end_threads(threads, "the run that started it has ended")
        await self._still_leads()
        run_id = await start_mission(self._client, mission.workflow_id, start, again=True)
        if lost.work_process.superseded:
            await self._still_leads()
            await self._runs.cancel(mission.workflow_id, lost.work_process.cancel_reason or "")
        async with self._database.transaction() as connection:
            told = await lost_runs.took_over(connection, lost, run_id)
            await repairs.count(connection, repair)
        await self._waker.send(told)
        what = "goes on in another run" if interrupted is None else f"is brought to an end: {interrupted.text}"
        also = f"; {ended} threads of it were terminated" if ended else ""
        repairs.tell(repair, f"mission {mission.id} {what}{also}")

    async def _end_threads(self, threads: Iterable[str], why: str) -> int:
        """They were asked to stop with the run that started them, and do so at leisure: the new run does it for all.

        `threads`: as they were read with the mission; those that another run starts are not among them.
        """
        ended = 0
        for thread in threads:
            await self._still_leads()
            ended += await self._runs.terminate(thread, why)
        return ended

    async def _made(self, repair: Repair, what: str) -> None:
        """Right after the act: one in the engine cannot be counted with it."""
        repairs.tell(repair, what)
        async with self._database.statement() as connection:
            await repairs.count(connection, repair)

    async def _canceling(self, mission: OpenMission) -> None:
        run = await self._runs.look(mission.workflow_id)
        if run is None or run.closed_at is not None or run.cancelled:
            return
        async with self._database.transaction() as connection:
            lost = await lost_runs.read(connection, mission.id)
        if lost is None:
            return
        await self._still_leads()
        await self._runs.cancel(mission.workflow_id, lost.work_process.cancel_reason or "")
        await self._made(Repair.CANCEL_SENT, f"mission {mission.id} is canceling: its run is told")

    async def _queue_without_run(self, queue: OpenQueue) -> None:
        run = await self._runs.look(queue.workflow_id)
        if run is not None and run.closed_at is None:
            return
        async with self._database.transaction() as connection:
            wakeup = await mission_queues.run_again(connection, queue.id, self._settings)
            if wakeup is None:
                return
            await repairs.count(connection, Repair.QUEUE_RUN)
        repairs.tell(Repair.QUEUE_RUN, f"mission queue {queue.id} had no run: it gets one")
        await self._waker.send([wakeup])

    async def _without_mission(self, runs: set[str]) -> None:
        """`runs`: of missions, and of their threads."""
        missions = {run.partition(THREAD)[0] for run in runs}
        if not missions:
            return
        async with self._database.statement() as connection:
            unneeded = await open_missions.why_unneeded(connection, missions, 3 * self._grace)

        async def end(run: str) -> None:
            why = unneeded[run.partition(THREAD)[0]]
            if await self._runs.terminate(run, why):
                await self._made(Repair.RUN_UNNEEDED, f"run {run} was terminated: {why}")

        await self._each((run for run in sorted(runs) if run.partition(THREAD)[0] in unneeded), end)

    async def _without_queue(self, runs: set[str]) -> None:
        """A queue's run looks at its row when it is told to, and ends if that is idle."""
        # The list of runs is some time behind: those that have ended by themselves are told nothing.
        looked = {workflow_id: await self._runs.look(workflow_id) for workflow_id in runs}
        open_ones = {workflow_id for workflow_id, run in looked.items() if run is not None and run.closed_at is None}
        if not open_ones:
            return
        await self._still_leads()
        async with self._database.transaction() as connection:
            idle = await open_missions.queues_without_need(connection, open_ones, 3 * self._grace)
            look = QueueChanged(why="it is idle")
            told = await wakeups.add_signals(
                connection, [NewSignal(run, None, QueueSignal.QUEUE_CHANGED, look) for run in idle]
            )
            if idle:
                await repairs.count(connection, Repair.RUN_UNNEEDED, len(idle))
        for run in idle:
            repairs.tell(Repair.RUN_UNNEEDED, f"run {run} was told to look: its mission queue is idle, or is not there")
        await self._waker.send(told)


def _verdict(lost: LostRun, run: Run | None, said: str) -> tuple[Repair, Failure | None]:
    """What is done for a mission without an open run, and why it ends, if it does. `said`: who terminated its run."""
    if run is not None:
        words = said.replace("\x00", "")[:500]
        why = f"its run was {run.status.replace('_', ' ')} from outside" + (f": {words}" if words else "")
        return Repair.RUN_ENDED, Failure(code=FailureCode.TERMINATED, text=why)
    if lost.resumes:
        return Repair.RUN_RESUMED, None
    why = "the engine knows no run of it, and another one could not go on where it was"
    return Repair.RUN_LOST, Failure(code=FailureCode.RUN_LOST, text=why)
