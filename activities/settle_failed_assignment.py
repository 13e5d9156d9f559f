"""Do what a failed assignment's policy says: fail the mission, go on without it, or release its agent at once."""

from collections.abc import Sequence
from typing import Any

from temporalio import activity

from activities.activity_types import known_activity_type
from activities.cancel_messages import note_returned, send_cancels
from activities.parts import Parts
from activities.registry import activity_types
from missions.contracts import Activity, AssignmentSettled, Outcome, RaiseAttention, SettleFailedAssignment
from missions.errors import InvalidInput
from missions.events import utc_now
from missions.failure_policies import effective_fallback, effective_policy
from missions.statuses import AssignmentStatus, FailurePolicy
from missions.transitions import ASSIGNMENT_ENDED, ASSIGNMENT_SUCCEEDED
from store import (
    assignment_cancels,
    assignments,
    attention,
    fallback_missions,
    instant_actions,
    mission_agents,
    pauses,
)
from store.agent_service import quarantine
from store.connection import Connection
from store.notifications import notify
from store.reservations import lock_agents
from store.waiting_line import refresh_lines
from store.wakeups import Wakeup
from store.work_process_status import LockedWorkProcess, lock

Row = Any


class Settler:
    """The activity `settle_failed_assignment`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @activity.defn(name=Activity.SETTLE_FAILED_ASSIGNMENT)
    async def settle_failed_assignment(self, call: SettleFailedAssignment) -> AssignmentSettled:
        """FAILED: the policy fails the mission, nothing was written. DONE: the mission goes on.

        A retried call finds what it did by the rows: cancels that were not sent, a reservation, a fallback mission.
        """
        async with self._parts.database.transaction() as connection:
            work_process = await lock(connection, call.work_process_id, attempt=call.attempt)
            if work_process.superseded:
                return AssignmentSettled(outcome=Outcome.SUPERSEDED)
            row = await assignments.one(connection, call.assignment_id)
            policy = effective_policy(row["on_assignment_failure"], work_process.on_assignment_failure)
            if row["status"] in ASSIGNMENT_SUCCEEDED:
                return AssignmentSettled(outcome=Outcome.DONE, status=row["status"])
            if policy is FailurePolicy.FAIL_MISSION:
                return AssignmentSettled(outcome=Outcome.FAILED, status=row["status"])
            if call.given_up:
                await assignment_cancels.give_up(connection, work_process.id, call.assignment_id, call.given_up)
            releases = policy is FailurePolicy.RELEASE_FAILED
            if releases and call.given_up and row["status"] not in ASSIGNMENT_ENDED:
                # Nobody knows whether it hears the cancel. Before it is told: its `free`, which ends this, may follow.
                await lock_agents(connection, [row["agent_id"]])
                reason = f"was released by work process {work_process.id}, which gave up its assignment {row['id']}"
                await quarantine(connection, [row["agent_id"]], reason)
            if releases:
                await assignment_cancels.cancel_of_agents(connection, work_process.id, [row["agent_id"]])
            ended = await assignments.ended_at_agent(connection, work_process, row["agent_id"])
        # Cancel before release: an agent that still drives must not be told first that it is free.
        await self._send_cancels(call, ended)
        if releases and not await self._release(row, call):
            return AssignmentSettled(outcome=Outcome.SUPERSEDED)
        return AssignmentSettled(
            outcome=Outcome.DONE,
            status=AssignmentStatus.FAILED if call.given_up else row["status"],
            # What a client cancelled counts as an end of its own, to which its policy applies.
            canceled=[
                other["id"]
                for other in ended
                if releases and other["status"] == AssignmentStatus.CANCELED and other["cancel_requested_by"] is None
            ],
            released=row["agent_id"] if releases else None,
        )

    async def _send_cancels(self, call: SettleFailedAssignment, ended: Sequence[Row]) -> None:
        """Tell the agent to stop what it still does for the mission; nobody waits for its confirmation."""
        given_up = call.assignment_id if call.given_up else None
        to_cancel = [
            row
            for row in ended
            if row["intent_at"] is not None
            and row["cancel_sent_at"] is None
            and (
                row["id"] == given_up
                or (row["status"] == AssignmentStatus.CANCELED and row["id"] != call.assignment_id)
            )
        ]
        if not to_cancel:
            return
        published_at = utc_now()
        returned = await send_cancels(self._parts, to_cancel)
        async with self._parts.database.transaction() as connection:
            await lock(connection, call.work_process_id)
            deaf = await note_returned(connection, self._parts, returned)
            await assignment_cancels.cancels_sent(
                connection, call.work_process_id, [row["id"] for row in to_cancel], published_at
            )
        await self._parts.waker.send(await refresh_lines(self._parts.database, deaf))

    async def _release(self, row: Row, call: SettleFailedAssignment) -> bool:
        """Release the agent, and start its fallback mission; False: a cancel came first, which releases it too."""
        async with self._parts.database.transaction() as connection:
            if (await lock(connection, call.work_process_id, attempt=call.attempt)).superseded:
                return False
            held = await mission_agents.hold_for_release(
                connection, call.work_process_id, call.attempt, row["agent_id"]
            )
        for agent in held:
            await self._parts.downlink.release(agent, work_process_id=call.work_process_id)
        async with self._parts.database.transaction() as connection:
            work_process = await lock(connection, call.work_process_id, attempt=call.attempt)
            if work_process.superseded:
                return False
            wakeup = await self._start_fallback(connection, work_process, row, call)
            await lock_agents(connection, [row["agent_id"]])
            await mission_agents.release_early(connection, work_process.id, row["agent_id"])
            let_go = await pauses.let_go(connection, work_process, [row["agent_id"]])
        if let_go:
            await notify(self._parts.database, instant_actions.CHANNEL)
        granted = await refresh_lines(self._parts.database, [row["agent_id"]])
        await self._parts.waker.send([*granted, wakeup] if wakeup else granted)
        return True

    async def _start_fallback(
        self, connection: Connection, work_process: LockedWorkProcess, row: Row, call: SettleFailedAssignment
    ) -> Wakeup | None:
        recipe = effective_fallback(row["fallback_mission"], work_process.fallback_mission)
        if recipe is None:
            return None
        try:
            return await fallback_missions.start(
                connection,
                recipe,
                row,
                settings=self._parts.settings,
                resolve_preset=lambda step, timeout: known_activity_type(step, activity_types()).preset(step, timeout),
            )
        except InvalidInput as error:
            await attention.raise_(
                connection,
                RaiseAttention(
                    work_process_id=call.work_process_id,
                    attempt=call.attempt,
                    transition=call.transition,
                    code="fallback_not_started",
                    text=f"the fallback mission {recipe!r} of assignment {row['id']} was not started: {error}",
                    assignment_id=row["id"],
                ),
            )
            return None
