"""Give a silent agent's assignment to another one: reserve it, then give up the old assignment and plan a new one.

The silent agent is told to stop before the other one is sent anything; but nobody knows whether it hears, so it is
quarantined. Its row and the new one are two assignments: none is ever held by two agents.
"""

from temporalio import activity

from activities.messages import address, message
from activities.parts import Parts
from missions.contracts import (
    Activity,
    AssignmentReassigned,
    Outcome,
    ReassignAssignment,
    ReserveSubstitute,
    SubstituteReserved,
)
from missions.events import EventSource, EventType, NewEvent, utc_now
from missions.principals import MUSTER
from missions.statuses import Severity
from missions.transitions import ASSIGNMENT_ENDED
from store import assignment_cancels, assignments, events, mission_agents, substitutes
from store.agent_service import not_listening, quarantine
from store.reservations import lock_agents
from store.waiting_line import refresh_lines
from store.work_process_status import lock


class Reassigner:
    """The activities `reserve_substitute` and `reassign_assignment`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @activity.defn(name=Activity.RESERVE_SUBSTITUTE)
    async def reserve_substitute(self, call: ReserveSubstitute) -> SubstituteReserved:
        """Reserve a free agent that fits, and tell it. FAILED: not needed, the assignment has ended.

        A retried call finds the agent that it reserved, and tells it again.
        """
        await self._send_away(call)
        async with self._parts.database.transaction() as connection:
            work_process = await lock(connection, call.work_process_id)
            if work_process.superseded:
                return SubstituteReserved(outcome=Outcome.SUPERSEDED)
            row = await assignments.one(connection, call.assignment_id)
            if row["status"] in ASSIGNMENT_ENDED:
                return SubstituteReserved(outcome=Outcome.FAILED)
            if not work_process.wait_free_agent:
                return SubstituteReserved(outcome=Outcome.WAITING, why="its mission reserves no agents")
            known = row["substitute_id"] is not None and row["substitute_id"] not in call.refused
            if not known and not await substitutes.reserve(connection, work_process, row):
                return SubstituteReserved(outcome=Outcome.WAITING, why="no free agent fits")
            substitute_id = (await assignments.one(connection, call.assignment_id))["substitute_id"]
            held = await substitutes.reserved(connection, work_process.id, substitute_id)
        if held is None:
            return SubstituteReserved(outcome=Outcome.WAITING, why="its substitute was released")
        await self._parts.downlink.reserve(
            substitutes.address_of(held),
            work_process_id=work_process.id,
            operation_types_required=work_process.operation_types_required,
        )
        ready = held.ready_at is not None or not held.acknowledge_reservation
        return SubstituteReserved(outcome=Outcome.DONE, agent_id=held.id, ready=ready, round=held.round)

    async def _send_away(self, call: ReserveSubstitute) -> None:
        """Release substitutes that did not answer."""
        async with self._parts.database.transaction() as connection:
            held = [await substitutes.reserved(connection, call.work_process_id, one) for one in call.refused[-1:]]
        for row in held:
            if row is None:
                continue
            # Published before the reservation ends, so that no later reserve overtakes it.
            await self._parts.downlink.release(substitutes.address_of(row), work_process_id=call.work_process_id)
            async with self._parts.database.transaction() as connection:
                if (await lock(connection, call.work_process_id)).superseded:
                    return
                await lock_agents(connection, [row.id])
                await not_listening(connection, [row.id], pause=self._parts.settings.deaf_agent_interval)
                await mission_agents.release_early(connection, call.work_process_id, row.id)
                await substitutes.leaves(connection, call.work_process_id, [row.id])
            await self._parts.waker.send(await refresh_lines(self._parts.database, [row.id]))

    @activity.defn(name=Activity.REASSIGN_ASSIGNMENT)
    async def reassign_assignment(self, call: ReassignAssignment) -> AssignmentReassigned:
        """Give up the silent agent's assignment for a new one. FAILED: it has ended meanwhile."""
        async with self._parts.database.transaction() as connection:
            work_process = await lock(connection, call.work_process_id)
            if work_process.superseded:
                return AssignmentReassigned(outcome=Outcome.SUPERSEDED)
            row = await assignments.one(connection, call.assignment_id)
            made = row["reassigned_to"]
            if made is None:
                if row["status"] in ASSIGNMENT_ENDED:
                    return AssignmentReassigned(outcome=Outcome.FAILED, status=row["status"])
                error = f"its agent was silent for too long; agent {call.agent_id} gets it"
                await assignment_cancels.give_up(connection, work_process.id, call.assignment_id, error)
                made = await substitutes.plan_again(connection, row, call.agent_id)
                reassigned = NewEvent(
                    type=EventType.ASSIGNMENT_REASSIGNED,
                    source=EventSource.MISSION_WORKER,
                    actor=MUSTER,
                    severity=Severity.WARNING,
                    payload={
                        "assignment_id": call.assignment_id,
                        "agent_id": row["agent_id"],
                        "to_assignment_id": made,
                        "to_agent_id": call.agent_id,
                    },
                )
                await events.append_for_mission(connection, work_process.id, [reassigned], attempt=work_process.attempt)
            released = row["released_at"] is not None
        if not released:
            published_at = utc_now()
            # Cancel before release: an agent that still drives must not be told first that it is free.
            await self._parts.downlink.cancel(address(row), message(row))
            await self._parts.downlink.release(address(row), work_process_id=work_process.id)
            async with self._parts.database.transaction() as connection:
                if (await lock(connection, work_process.id)).superseded:
                    return AssignmentReassigned(outcome=Outcome.SUPERSEDED)
                await assignment_cancels.cancels_sent(connection, work_process.id, [row["id"]], published_at)
                await lock_agents(connection, [row["agent_id"]])
                await quarantine(
                    connection,
                    [row["agent_id"]],
                    f"was silent with assignment {row['id']} of work process {work_process.id}",
                )
                await mission_agents.release_early(connection, work_process.id, row["agent_id"])
                await substitutes.leaves(connection, work_process.id, [row["agent_id"]])
            await self._parts.waker.send(await refresh_lines(self._parts.database, [row["agent_id"]]))
        return AssignmentReassigned(outcome=Outcome.DONE, assignment_id=made, released=row["agent_id"])
