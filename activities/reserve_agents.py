"""Reserve a mission's agents, all or none, and tell them (`preparing resources`)."""

import asyncio
import time
from collections.abc import Sequence

from temporalio import activity

from activities.heartbeats import beating
from activities.parts import Parts
from fleet.downlink import AgentAddress, Delivery
from missions.contracts import Activity, ActivityInput, Outcome, RequeueReservation, ReserveAgents, Reserved
from missions.errors import Failure, FailureCode
from missions.event_catalogue import event
from missions.event_payloads.work_process import WaitingReason, WorkProcessWaiting
from missions.events import EventSource, NewEvent
from missions.principals import MUSTER
from missions.statuses import WorkProcessStatus
from store import attempts, events, mission_agents
from store.agent_service import heard, not_listening
from store.connection import Connection
from store.reservations import (
    Grant,
    Request,
    enqueue,
    find_request,
    hand_over,
    lock_agents,
    lock_wanted,
    put_back,
    release,
    try_grant,
)
from store.run_starts import shown_agents
from store.waiting_line import refresh_lines
from store.waiting_reasons import waiting_reasons
from store.work_process_status import LockedWorkProcess, change, lock

_RETRY_PAUSE = 0.2
# How long the activity itself waits for `ready`, before it leaves that to the workflow.
_ANSWER_TAKES = 0.3


class Reservations:
    """The activities `reserve_agents` and `requeue_reservation`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @activity.defn(name=Activity.RESERVE_AGENTS)
    async def reserve_agents(self, call: ReserveAgents) -> Reserved:
        """Get in line, or find the grant; once granted send `reserve_for_mission` to each agent.

        Idempotent: a retried call finds the attempt's own request, and an agent that is told twice answers twice.
        """
        async with beating():
            return await self._reserve(call)

    async def _reserve(self, call: ReserveAgents) -> Reserved:
        async with self._parts.database.transaction() as connection:
            work_process = await lock(connection, call.work_process_id, attempt=call.attempt)
            if work_process.superseded or work_process.ended:
                return Reserved(outcome=Outcome.SUPERSEDED)
            request, new, candidates = await enqueue(connection, work_process)
            granted = None
            if request.status == "waiting":
                granted = await try_grant(connection, work_process, request, candidates)
            await self._write(connection, work_process, call, granted)
            if granted is not None:
                request = granted.request
            elif request.status == "waiting":
                return await self._waiting(connection, work_process, first=new)
            to_tell = await mission_agents.mark_reserve_sent(connection, work_process.id)
        return await self._tell(call, work_process, request, to_tell, _chosen(work_process, granted))

    async def _write(
        self, connection: Connection, work_process: LockedWorkProcess, call: ReserveAgents, granted: Grant | None
    ) -> None:
        """The first status change and the grant's event, in one statement where both are due."""
        started: Sequence[NewEvent] = granted.started if granted else ()
        values = granted.values if granted else {}
        if work_process.status is not WorkProcessStatus.DISPATCHED:
            await events.append_for_mission(connection, work_process.id, started, attempt=call.attempt, values=values)
            return
        await change(
            connection,
            work_process,
            WorkProcessStatus.PREPARING_RESOURCES,
            principal=MUSTER,
            source=EventSource.MISSION_WORKER,
            transition=call.transition,
            values={"run_id": activity.info().workflow_run_id, **attempts.begun(work_process), **values},
            also=started,
        )

    async def _waiting(self, connection: Connection, work_process: LockedWorkProcess, *, first: bool) -> Reserved:
        reasons = (await waiting_reasons(connection, [work_process.id])).get(work_process.id, [])
        if first:
            waiting = WorkProcessWaiting(waiting_reasons=[WaitingReason.of(reason) for reason in reasons])
            new = event(waiting, source=EventSource.MISSION_WORKER, actor=MUSTER)
            await events.append_for_mission(connection, work_process.id, [new], attempt=work_process.attempt)
        return Reserved(outcome=Outcome.WAITING, waiting="; ".join(reason["text"] for reason in reasons))

    async def _tell(
        self,
        call: ReserveAgents,
        work_process: LockedWorkProcess,
        request: Request,
        to_tell: Sequence[mission_agents.ToTell],
        chosen: list[str],
    ) -> Reserved:
        board = self._parts.ready_board
        answered = board.expect(call.work_process_id, call.attempt)
        try:
            unheard = await self._publish(work_process, [one.address for one in to_tell])
            if unheard:
                return await self._put_back(call, unheard, "not listening")
            if no_answer := [one.address.id for one in to_tell if one.was_deaf and not one.acknowledges]:
                async with self._parts.database.transaction() as connection:
                    await lock_agents(connection, no_answer)
                    await heard(connection, no_answer)
            ready = not any(one.acknowledges for one in to_tell)
            if not ready and not request.handed_over:
                ready = board.is_fed() and await _set_within(answered, _ANSWER_TAKES)
                if not ready:
                    async with self._parts.database.transaction() as connection:
                        ready = await hand_over(connection, request)
            return Reserved(outcome=Outcome.DONE, ready=ready, round=request.round, chosen=shown_agents(chosen))
        finally:
            board.forget(call.work_process_id, call.attempt)

    async def _publish(self, work_process: LockedWorkProcess, unheard: list[AgentAddress]) -> set[int]:
        """Tell the agents; returns those that nobody listens for."""
        # Agents check in before they listen, so the broker may return the first tries.
        deadline = time.monotonic() + self._parts.settings.reserve_return_window
        while True:
            deliveries = await asyncio.gather(
                *(
                    self._parts.downlink.reserve(
                        address,
                        work_process_id=work_process.id,
                        operation_types_required=work_process.operation_types_required,
                    )
                    for address in unheard
                )
            )
            unheard = [a for a, d in zip(unheard, deliveries, strict=True) if d is Delivery.NOT_LISTENING]
            if not unheard or time.monotonic() > deadline:
                return {address.id for address in unheard}
            await asyncio.sleep(_RETRY_PAUSE)

    @activity.defn(name=Activity.REQUEUE_RESERVATION)
    async def requeue_reservation(self, call: RequeueReservation) -> Reserved:
        """The agents had their time to answer `ready`: put the request back at its old place, or fail."""
        async with self._parts.database.transaction() as connection:
            work_process = await lock(connection, call.work_process_id, attempt=call.attempt)
            if work_process.superseded:
                return Reserved(outcome=Outcome.SUPERSEDED)
            request = await find_request(connection, call.work_process_id, call.attempt)
            assert request is not None, "a reservation was granted"
            if request.status == "waiting" or request.round != call.round:
                # Put back already, and perhaps granted anew: to agents that nobody has asked yet.
                return Reserved(outcome=Outcome.WAITING)
            silent = await mission_agents.silent(connection, call.work_process_id)
        if not silent:  # they answered in the very last moment
            return Reserved(outcome=Outcome.DONE, ready=True, round=request.round)
        return await self._put_back(call, silent, "silent")

    async def _put_back(self, call: ActivityInput, silent: set[int], what: str) -> Reserved:
        """Release all agents again; the request waits at its old place until the silent ones speak."""
        if self._parts.settings.reserve_failure == "fail":
            names = ", ".join(str(agent_id) for agent_id in sorted(silent))
            return Reserved(
                outcome=Outcome.FAILED,
                failure=Failure(
                    code=FailureCode.AGENT_NOT_LISTENING,
                    text=f"agents {names} were reserved and did not answer ({what})",
                    agent_id=min(silent),
                ),
            )
        work_process_id = call.work_process_id
        async with self._parts.database.transaction() as connection:
            held = await mission_agents.to_release(connection, work_process_id)
        # Published before the reservation ends, so that no later reserve overtakes it.
        await asyncio.gather(
            *(self._parts.downlink.release(address, work_process_id=work_process_id) for address in held)
        )
        async with self._parts.database.transaction() as connection:
            work_process = await lock(connection, work_process_id, attempt=call.attempt)
            if work_process.superseded:
                return Reserved(outcome=Outcome.SUPERSEDED)
            await lock_wanted(connection, work_process)
            await not_listening(connection, silent, pause=self._parts.settings.deaf_agent_interval)
            freed = await release(connection, work_process_id)
            freed += await put_back(connection, work_process, silent)
            reasons = (await waiting_reasons(connection, [work_process_id])).get(work_process_id, [])
        await self._parts.waker.send(await refresh_lines(self._parts.database, freed))
        return Reserved(outcome=Outcome.WAITING, waiting="; ".join(reason["text"] for reason in reasons))


def _chosen(work_process: LockedWorkProcess, granted: Grant | None) -> list[str]:
    """The uuids of agents that the system chose, just now or before; of named ones the engine knows already."""
    if work_process.agent_selector is None:
        return []
    uuids: list[str] = granted.values["agent_uuids"] if granted else work_process.agent_uuids
    return uuids


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
