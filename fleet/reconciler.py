"""The reconciler: what ended missions left behind is given back. One process at a time does it.

Agents are released as at a mission's end: the message first, then the reservation, so that no later reserve overtakes
it. Those whose release got lost are released again.
"""

import asyncio
import logging
from collections.abc import Awaitable
from datetime import timedelta

from fleet.downlink import Delivery, Downlink, UnknownOutcome
from missions.errors import PartUnavailable
from missions.repairs import Repair
from settings import Settings
from store import left_behind, lost_releases, mission_agents, mission_files, repairs, slots
from store.database import Database
from store.leadership import Leader, Lock, leading
from store.left_behind import Held
from store.loops import Loop
from store.ready_agents import Stranded
from store.reservations import leave, lock_agents, lock_agents_of
from store.waiting_line import refresh_lines
from store.wakeups import Waker
from store.work_process_status import lock

log = logging.getLogger(__name__)

RECONCILER = Lock(0x6D75737A)
CHANNEL = "muster_reconcile"
_SENDING_TAKES = 2.0
"""Seconds that a row stays locked for a message at most: intake and grants wait for it."""


class Reconciler(Loop):
    """A loop of workers that send to agents."""

    def __init__(self, settings: Settings, database: Database, downlink: Downlink, waker: Waker) -> None:
        super().__init__("reconciler")
        self._settings, self._database, self._downlink, self._waker = settings, database, downlink, waker
        self._grace = timedelta(seconds=settings.sweep_after)
        self._leader: Leader | None = None

    async def _turn(self) -> None:
        interval = self._settings.sweep_interval
        async with leading(self._database, RECONCILER, CHANNEL, silence=interval) as leader:
            self._leader = leader
            while True:
                await self.look()
                await leader.wait(interval)
                await leader.stay()

    async def look(self) -> None:
        """Give back what is found. Raises PartUnavailable."""
        async with self._database.statement() as connection:
            held = await left_behind.agents(connection, self._grace)
            on_platforms = await left_behind.platforms(connection, self._grace)
            stranded = await lost_releases.found(connection, self._grace)
        for mission_id in await slots.free_unheld(self._database, self._grace):
            what = f"mission {mission_id} held a slot, or stood in the line, for an attempt that is over"
            repairs.tell(Repair.SLOT_FREED, what)
        for mission_id in on_platforms:
            await self._try(self._leave_platform(mission_id), mission_id)
        for one in held:
            await self._try(self._release(one), one.work_process_id)
        for each in stranded:
            await self._try(self._release_again(each), each.work_process_id)

    async def _try(self, repair: Awaitable[None], mission_id: int) -> None:
        try:
            await repair
        except PartUnavailable:
            raise
        except Exception:
            # One that cannot be repaired may not keep the others from it.
            log.exception("reconciler: mission %s keeps what it has", mission_id)

    async def _leave_platform(self, mission_id: int) -> None:
        async with self._database.transaction() as connection:
            await lock(connection, mission_id)
            run = await mission_files.leave_platform(connection, mission_id)
            if run.running:
                await repairs.count(connection, Repair.PLATFORM_FREED)
        if run.running:
            what = f"mission {mission_id} has ended and kept platform {run.platform_uuid}"
            repairs.tell(Repair.PLATFORM_FREED, what)

    async def _release(self, held: Held) -> None:
        mission_id = held.work_process_id
        async with self._database.transaction() as connection:
            await lock(connection, mission_id)
            agents = [agent for agent in await mission_agents.to_release(connection, mission_id) if agent.held]
        if self._leader is not None:  # else another process may have done it by now, and others reserved the agents
            await self._leader.stay()
        await asyncio.gather(*(self._downlink.release(agent, work_process_id=mission_id) for agent in agents))
        async with self._database.transaction() as connection:
            work_process = await lock(connection, mission_id)
            if not await left_behind.still(connection, held, self._grace):
                return  # a late try of its own gave it back
            await lock_agents_of(connection, mission_id, work_process.agent_ids)
            freed = await leave(connection, mission_id, held.attempt)
            await repairs.count(connection, Repair.AGENTS_FREED)
        await self._waker.send(await refresh_lines(self._database, freed))
        told = f"; released {', '.join(agent.uuid for agent in agents)}" if agents else ""
        what = f"mission {mission_id} has ended and held agents, or their lines: {freed}{told}"
        repairs.tell(Repair.AGENTS_FREED, what)

    async def _release_again(self, stranded: Stranded) -> None:
        """The agent is locked meanwhile: nobody is granted it, so the release overtakes no reserve.

        If it does not listen it stays as it is, for the next look. Raises PartUnavailable.
        """
        agent, mission_id = stranded.agent, stranded.work_process_id
        async with self._database.transaction() as connection:
            await lock_agents(connection, [agent.id])
            if not await lost_releases.still(connection, stranded, self._grace):
                return
            try:
                async with asyncio.timeout(_SENDING_TAKES):
                    delivery = await self._downlink.release(agent, work_process_id=mission_id)
            except (TimeoutError, UnknownOutcome):
                raise PartUnavailable("RabbitMQ", f"it did not confirm the release of {agent.uuid}") from None
            if delivery is not Delivery.DELIVERED:
                return
            await lost_releases.released(connection, stranded)
            await repairs.count(connection, Repair.RELEASED_AGAIN)
        what = f"mission {mission_id} does not hold agent {agent.uuid}, which stood at ready for it: released it again"
        repairs.tell(Repair.RELEASED_AGAIN, what)
