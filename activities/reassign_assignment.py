"""Give a silent agent's assignment to another one: reserve it, then give up the old assignment and plan a new one.

The silent agent is told to stop before the other one is sent anything; but nobody knows whether it hears, so it is
quarantined. Its row and the new one are two assignments: none is ever held by two agents.
"""

from typing import Any

from temporalio import activity

from activities.cancel_messages import note_returned, send_cancels
from activities.parts import Parts
from missions.contracts import (
    Activity,
    AssignmentReassigned,
    Outcome,
    RaiseAttention,
    ReassignAssignment,
    ReserveSubstitute,
    SubstituteReserved,
)
from missions.event_catalogue import event
from missions.event_payloads import assignment as payloads
from missions.events import EventSource, utc_now
from missions.principals import MUSTER
from missions.statuses import AssignmentStatus
from missions.transitions import ASSIGNMENT_ENDED
from store import (
    assignment_cancels,
    assignments,
    attention,
    events,
    instant_actions,
    mission_agents,
    pauses,
    silent_agents,
    substitutes,
)
from store.agent_service import not_listening, quarantine
from store.connection import Connection
from store.notifications import notify
from store.reservations import lock_agents
from store.waiting_line import refresh_lines
from store.work_process_status import LockedWorkProcess, lock

# Its agent, or a client, has decided on it already.
_LEFT_ALONE = ASSIGNMENT_ENDED | {AssignmentStatus.CANCELING}


class Reassigner:
    """The activities `reserve_substitute` and `reassign_assignment`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @activity.defn(name=Activity.RESERVE_SUBSTITUTE)
    async def reserve_substitute(self, call: ReserveSubstitute) -> SubstituteReserved:
        """Reserve a free agent that fits, and tell it. FAILED: the assignment needs none any more.

        A retried call finds the agent that it reserved, and tells it again. A refused one that has answered meanwhile
        is taken; else it is sent away, and another one is looked for. WAITING: the mission's attention says so.
        """
        found = await self._reserve(call)
        if found.outcome is not Outcome.WAITING:
            return found
        # An agent that was freed after that look, and before its search was committed, woke nobody.
        return await self._reserve(call, last=True)

    async def _reserve(self, call: ReserveSubstitute, *, last: bool = False) -> SubstituteReserved:
        async with self._parts.database.transaction() as connection:
            work_process = await lock(connection, call.work_process_id, attempt=call.attempt)
            if work_process.superseded:
                return SubstituteReserved(outcome=Outcome.SUPERSEDED)
            row = await assignments.one(connection, call.assignment_id)
            held = await substitutes.of_assignment(connection, row)
            needed = _is_needed(work_process, row)
            deaf = needed and held is not None and held.id in call.refused and not substitutes.is_ready(held)
            if needed and held is None:
                held = await self._choose(connection, work_process, row, call, last=last)
        if not needed:
            if held is not None:
                await self._send_away(row, held, deaf=False)
            return SubstituteReserved(outcome=Outcome.FAILED)
        if held is None:
            return SubstituteReserved(outcome=Outcome.WAITING)
        if deaf and await self._send_away(row, held, deaf=True):
            return await self._reserve(call, last=last)
        await self._parts.downlink.reserve(
            substitutes.address_of(held),
            work_process_id=work_process.id,
            operation_types_required=work_process.operation_types_required,
        )
        ready = substitutes.is_ready(held)
        return SubstituteReserved(outcome=Outcome.DONE, agent_id=held.id, ready=ready, round=held.round)

    async def _choose(
        self,
        connection: Connection,
        work_process: LockedWorkProcess,
        row: Any,
        call: ReserveSubstitute,
        *,
        last: bool,
    ) -> Any:
        """The agent that is reserved now; None: nobody, which the mission's attention says after the `last` look."""
        waits = "waits for it to speak: the mission reserves no agents, so none can take its place"
        if work_process.wait_free_agent:
            waits = "waits for another one: no free agent fits"
            chosen = await substitutes.reserve(connection, work_process, row, call.refused)
            if chosen is not None:
                await attention.take_back(connection, work_process, ("no_substitute",), row["id"])
                return await substitutes.reserved(connection, work_process.id, chosen)
        if last:
            await attention.raise_(
                connection,
                RaiseAttention(
                    work_process_id=call.work_process_id,
                    attempt=call.attempt,
                    transition=call.transition,
                    code="no_substitute",
                    text=f"assignment {row['id']} of a silent agent {waits}",
                    assignment_id=row["id"],
                ),
            )
        return None

    async def _send_away(self, assignment: Any, held: Any, *, deaf: bool) -> bool:
        """Release a substitute that did not answer, or that nobody needs; False: the mission has other work for it."""
        of = assignment["work_process_id"]
        async with self._parts.database.transaction() as connection:
            if await substitutes.has_work(connection, of, held.id):
                return False
        # Published before the reservation ends, so that no later reserve overtakes it.
        await self._parts.downlink.release(substitutes.address_of(held), work_process_id=of)
        async with self._parts.database.transaction() as connection:
            if (await lock(connection, of)).superseded:
                return True  # its end releases all agents
            await lock_agents(connection, [held.id])
            if deaf:
                await not_listening(connection, [held.id], pause=self._parts.settings.deaf_agent_interval)
            await mission_agents.release_early(connection, of, held.id)
            await substitutes.dismiss(connection, of, assignment["id"], held.id)
        await self._parts.waker.send(await refresh_lines(self._parts.database, [held.id]))
        return True

    @activity.defn(name=Activity.REASSIGN_ASSIGNMENT)
    async def reassign_assignment(self, call: ReassignAssignment) -> AssignmentReassigned:
        """Give up the silent agent's assignment for a new one.

        FAILED: not needed any more, and the substitute is sent away; or this agent is not its substitute, or not ready.
        """
        async with self._parts.database.transaction() as connection:
            work_process = await lock(connection, call.work_process_id, attempt=call.attempt)
            if work_process.superseded:
                return AssignmentReassigned(outcome=Outcome.SUPERSEDED)
            row = await assignments.one(connection, call.assignment_id)
            made = row["reassigned_to"]
            held = await substitutes.of_assignment(connection, row)
            needed = _is_needed(work_process, row)
            ready = held is not None and held.id == call.agent_id and substitutes.is_ready(held)
            if made is None and needed and ready:
                made = await _give_to(connection, work_process, row, held)
        if made is None:
            if held is not None and not needed:
                await self._send_away(row, held, deaf=False)
            return AssignmentReassigned(outcome=Outcome.FAILED, status=row["status"])
        if row["cancel_sent_at"] is None and not await self._take_from(row):
            return AssignmentReassigned(outcome=Outcome.SUPERSEDED)
        return AssignmentReassigned(outcome=Outcome.DONE, assignment_id=made, released=row["agent_id"])

    async def _take_from(self, row: Any) -> bool:
        """Tell the silent agent to stop, and release it; False: a cancel came first, which does both."""
        of, agent_id = row["work_process_id"], row["agent_id"]
        held = row["released_at"] is None  # else it was released with another assignment of it
        published_at = utc_now()
        # Cancel before release: an agent that still drives must not be told first that it is free.
        returned = await send_cancels(self._parts, [row])
        if held:
            async with self._parts.database.transaction() as connection:
                if (await lock(connection, of)).superseded:
                    return False
                to_release = await mission_agents.hold_for_release(connection, of, row["attempt"], agent_id)
            for agent in to_release:
                await self._parts.downlink.release(agent, work_process_id=of)
        async with self._parts.database.transaction() as connection:
            work_process = await lock(connection, of)
            if work_process.superseded:
                return False
            moved = await note_returned(connection, self._parts, returned)
            await assignment_cancels.cancels_sent(connection, of, [row["id"]], published_at)
            let_go = False
            if held:
                await lock_agents(connection, [agent_id])
                await mission_agents.release_early(connection, of, agent_id)
                await substitutes.leaves(connection, of, [agent_id])
                let_go = await pauses.let_go(connection, work_process, [agent_id])
                moved = [agent_id]
        if let_go:
            await notify(self._parts.database, instant_actions.CHANNEL)
        await self._parts.waker.send(await refresh_lines(self._parts.database, moved))
        return True


def _is_needed(work_process: LockedWorkProcess, row: Any) -> bool:
    """Whether the assignment still waits for its silent agent, which has not said a word since."""
    return row["status"] not in _LEFT_ALONE and silent_agents.noted(work_process, row["id"])


async def _give_to(connection: Connection, work_process: LockedWorkProcess, row: Any, held: Any) -> int:
    """Give up a silent agent's assignment and plan it anew; the new one's id. The mission is locked."""
    agent_id = held.id
    await lock_agents(connection, [row["agent_id"], agent_id])
    if row["released_at"] is None:
        # Before it is told anything: its `free`, which ends the quarantine, may come at once.
        reason = f"was silent with assignment {row['id']} of work process {work_process.id}"
        await quarantine(connection, [row["agent_id"]], reason)
    error = f"its agent was silent for too long; agent {agent_id} gets it"
    await assignment_cancels.give_up(connection, work_process.id, row["id"], error)
    made = await substitutes.plan_again(connection, row, agent_id)
    payload = payloads.AssignmentReassigned(
        assignment_id=row["id"],
        agent_id=row["agent_id"],
        agent_uuid=row["agent_uuid"],
        step=row["step"],
        to_assignment_id=made,
        to_agent_id=held.id,
        to_agent_uuid=held.uuid,
    )
    reassigned = event(payload, source=EventSource.MISSION_WORKER, actor=MUSTER)
    await events.append_for_mission(connection, work_process.id, [reassigned], attempt=work_process.attempt)
    return made
