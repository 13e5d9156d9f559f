"""Send a step's assignments to their agents, one group at a time (`executing`).

The intent is committed before the publish, and each assignment is published at most once, unless the broker returned or
refused it. An intent without a confirm is an unknown outcome: the agent's report decides (design: what can be promised
on motion).
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from temporalio import activity

from activities.heartbeats import beating
from activities.messages import address, message, start_time
from activities.parts import Parts
from fleet.downlink import Delivery, UnknownOutcome
from missions.contracts import (
    Activity,
    AssignmentsDispatched,
    DispatchAssignments,
    Outcome,
    RaiseAttention,
    ResendAssignment,
)
from missions.dispatch_order import dispatch_groups
from missions.errors import MissionError, PartUnavailable
from missions.events import EventSource, NewEvent
from missions.planner_answers import planned_assignments
from missions.principals import MUSTER
from missions.statuses import AgentClass, AssignmentStatus, WorkProcessStatus
from missions.transitions import ASSIGNMENT_ENDED
from store import (
    assignment_cancels,
    assignments,
    attention,
    events,
    exclusive_access,
    instant_actions,
    step_requests,
    unheard_assignments,
)
from store.agent_service import not_listening
from store.connection import Connection
from store.notifications import notify
from store.reservations import lock_agents
from store.waiting_line import refresh_lines
from store.work_process_status import LockedWorkProcess, change, lock

_RETRY_PAUSE = 0.2
_DEAF = "the agent is not listening for assignments"


@dataclass
class _Group:
    """One group, read and intended under the mission's lock."""

    rows: Sequence[Any]
    groups: int
    commands: bool = False
    """Whether the answer holds instant actions, which another part sends."""
    dependencies: list[dict[str, Any]] = field(default_factory=list)
    to_send: list[Any] = field(default_factory=list)
    unconfirmed: list[int] = field(default_factory=list)
    unheard: list[int] = field(default_factory=list)
    intent_at: datetime | None = None
    """By which this try knows its own intents again."""

    def sent_without(self, not_sent: Sequence[int]) -> list[Any]:
        """What the broker has, surely."""
        return [row for row in self.to_send if row["id"] not in {*not_sent, *self.unconfirmed}]


class Dispatcher:
    """The activities `dispatch_assignments` and `resend_assignment`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @activity.defn(name=Activity.DISPATCH_ASSIGNMENTS)
    async def dispatch_assignments(self, call: DispatchAssignments) -> AssignmentsDispatched:
        """Send one group; the first turns the step's answer into rows before. A retried call sends nothing twice."""
        async with beating():
            return await self._dispatch(call)

    async def _dispatch(self, call: DispatchAssignments) -> AssignmentsDispatched:
        try:
            async with self._parts.database.transaction() as connection:
                work_process = await lock(connection, call.work_process_id, attempt=call.attempt)
                if work_process.superseded or work_process.ended:
                    return AssignmentsDispatched(outcome=Outcome.SUPERSEDED)
                group = await self._intend(connection, work_process, call)
        except MissionError as error:
            return AssignmentsDispatched(outcome=Outcome.FAILED, failure=error.failure)
        if group.commands:
            await notify(self._parts.database, instant_actions.CHANNEL)
        if group.to_send:
            unheard = await self._publish(group)
            await self._note(call, group, unheard)
            # Agents that answered already do so by signal; only a retried call has to look for them.
            if not unheard and len(group.to_send) == len(group.rows):
                return _result(group, {})
            group.unheard = [key for key in unheard if key not in call.last_try]
        async with self._parts.database.transaction() as connection:
            return _result(group, await assignments.statuses(connection, [row["id"] for row in group.rows]))

    async def _intend(
        self, connection: Connection, work_process: LockedWorkProcess, call: DispatchAssignments
    ) -> _Group:
        # The first try of the first group is the one that finds no rows.
        fresh = call.group == 0 and activity.info().attempt == 1 and not call.again
        created: Sequence[NewEvent] = ()
        rows: Sequence[Any] = [] if fresh else await assignments.of_step(connection, call.service_request_id)
        commands: Sequence[Any] = ()
        told: set[int] = set()
        if not rows and call.group == 0:
            request = await step_requests.read(connection, call.service_request_id)
            answer, step, url = request["response"] or {}, request["step"], request["service_url"]
            planned = planned_assignments(answer, step=step, url=url, agent_ids=work_process.agent_ids)
            orders = [entry.assignment_order for entry in planned]
            groups = dispatch_groups(orders, answer.get("dispatch_order"), step=step, url=url)
            rows, commands, told = await assignments.plan(
                connection, work_process, request, planned, groups, call.replaced
            )
            created = [assignments.created(row) for row in rows]
            if commands and await step_requests.commands_written(connection, call.service_request_id):
                await instant_actions.add_of_mission(connection, work_process.id, commands)
            if call.released:
                await events.append_for_mission(connection, work_process.id, created, attempt=work_process.attempt)
                created = ()
                await assignment_cancels.cancel_of_agents(connection, work_process.id, call.released)
                rows = await assignments.of_step(connection, call.service_request_id)
        count = 1 + max((row["dispatch_group"] for row in rows), default=-1)
        # What was canceled with the release of its agent was never sent, and nobody waits for it. What a client
        # canceled counts as an end, to which the failure policy applies.
        lost = [
            row["id"]
            for row in rows
            if row["status"] == AssignmentStatus.CANCELED
            and row["intent_at"] is None
            and row["cancel_requested_by"] is None
        ]
        due = [row for row in rows if row["dispatch_group"] == call.group and row["id"] not in lost]
        group = _Group(due, count, commands=bool(commands))
        if not group.rows or work_process.status is not WorkProcessStatus.CALCULATING:
            await events.append_for_mission(connection, work_process.id, created, attempt=work_process.attempt)
        else:
            await change(
                connection,
                work_process,
                WorkProcessStatus.EXECUTING,
                principal=MUSTER,
                source=EventSource.MISSION_WORKER,
                transition=call.transition,
                before=created,
            )
        for row in group.rows:
            if row["status"] not in (AssignmentStatus.NOT_READY_TO_DISPATCH, AssignmentStatus.TO_DISPATCH):
                continue
            if row["intent_at"] is None:
                group.to_send.append(row)
            elif row["dispatched_at"] is None:  # an earlier try died between intent and confirm
                group.unconfirmed.append(row["id"])
        at_work = {row["agent_id"] for row in group.to_send if row["agent_class"] == AgentClass.INSTRUMENT}
        if at_work or told:
            await exclusive_access.hold(connection, work_process, call.step, at_work, told)
        if not group.rows:
            return group
        if group.unconfirmed:
            await assignments.take_over(connection, group.unconfirmed)
        group.intent_at = await assignments.intend(connection, [row["id"] for row in group.to_send], start_time())
        before = [row["id"] for row in rows if row["dispatch_group"] == call.group - 1]
        group.dependencies = await assignments.dependency_results(connection, before) if before else []
        return group

    async def _publish(self, group: _Group) -> list[int]:
        """Publish the group; returns the ids that nobody listened for. Unknown outcomes become `unconfirmed`."""
        unheard = list(group.to_send)
        deadline = time.monotonic() + self._parts.settings.reserve_return_window
        while True:
            outcomes = await asyncio.gather(
                *(self._parts.downlink.assign(address(row), message(row, group.dependencies)) for row in unheard),
                return_exceptions=True,
            )
            paired = list(zip(unheard, outcomes, strict=True))
            group.unconfirmed += [row["id"] for row, outcome in paired if isinstance(outcome, UnknownOutcome)]
            unsent = [
                (row, o) for row, o in paired if isinstance(o, BaseException) and not isinstance(o, UnknownOutcome)
            ]
            if unsent:
                await self._withdraw(group, paired, unsent)
            unheard = [row for row, outcome in paired if outcome is Delivery.NOT_LISTENING]
            if not unheard or time.monotonic() > deadline:
                return [row["id"] for row in unheard]
            await asyncio.sleep(_RETRY_PAUSE)

    async def _withdraw(self, group: _Group, paired: list[Any], unsent: list[Any]) -> None:
        """Some were surely not sent: take their intent back, note the others, and let the engine try again."""
        first = unsent[0][1]
        unheard = [row["id"] for row, outcome in paired if outcome is Delivery.NOT_LISTENING]
        not_sent = [row["id"] for row, _ in unsent] + unheard
        async with self._parts.database.transaction() as connection:
            work_process_id = group.rows[0]["work_process_id"]
            await lock(connection, work_process_id)
            await assignments.withdraw_intent(connection, work_process_id, not_sent, group.intent_at)
            await assignments.sent(connection, work_process_id, group.sent_without(not_sent))
        if isinstance(first, PartUnavailable):
            raise first
        raise PartUnavailable("RabbitMQ", repr(first)) from first

    async def _note(self, call: DispatchAssignments, group: _Group, unheard: list[int]) -> None:
        sent = group.sent_without(unheard)
        # What came back once has its status since, and attention was raised.
        after_all = [row["id"] for row in sent if row["status"] == AssignmentStatus.TO_DISPATCH]
        if not unheard and not after_all:
            async with self._parts.database.statement() as connection:
                await assignments.sent(connection, call.work_process_id, sent)
            return
        async with self._parts.database.transaction() as connection:
            work_process = await lock(connection, call.work_process_id, attempt=call.attempt)
            await assignments.sent(connection, call.work_process_id, sent)
            for key in after_all:
                await attention.take_back(connection, work_process, ("agent_not_listening",), key)
            await self._deaf(connection, [row for row in group.to_send if row["id"] in unheard])
            last = [key for key in unheard if key in call.last_try]
            others = [key for key in unheard if key not in call.last_try]
            await assignments.fail_unsent(connection, call.work_process_id, last, _DEAF, group.intent_at)
            await assignments.withdraw_intent(connection, call.work_process_id, others, group.intent_at)
        deaf = {row["agent_id"] for row in group.to_send if row["id"] in unheard}
        wakeups = await refresh_lines(self._parts.database, deaf)
        async with self._parts.database.transaction() as connection:
            # One may have spoken again by now, while what came back still looked sent.
            wakeups += await unheard_assignments.wake(connection, deaf)
        await self._parts.waker.send(wakeups)

    async def _deaf(self, connection: Connection, rows: Sequence[Any]) -> None:
        """Their agents answered their reserve and are deaf now, as after a restart of the broker."""
        if not rows:
            return
        agent_ids = sorted({row["agent_id"] for row in rows})
        await lock_agents(connection, agent_ids)
        await not_listening(connection, agent_ids, pause=self._parts.settings.deaf_agent_interval)
        for row in rows:
            await attention.raise_(
                connection,
                RaiseAttention(
                    work_process_id=row["work_process_id"],
                    attempt=row["attempt"],
                    transition=0,
                    code="agent_not_listening",
                    text=f"agent {row['agent_uuid']} was not listening when assignment {row['id']} was sent",
                    assignment_id=row["id"],
                ),
            )

    @activity.defn(name=Activity.RESEND_ASSIGNMENT)
    async def resend_assignment(self, call: ResendAssignment) -> AssignmentsDispatched:
        """Publish an assignment of unknown outcome once more, under the same id.

        WAITING: its agent is not declared idempotent, so a second one might be driven too.
        """
        async with self._parts.database.transaction() as connection:
            work_process = await lock(connection, call.work_process_id, attempt=call.attempt)
            row = await assignments.one(connection, call.assignment_id)
        is_open = not (work_process.superseded or work_process.ended)
        if is_open and row["status"] == AssignmentStatus.TO_DISPATCH and row["first_report_at"] is None:
            if not row["idempotent"]:
                return AssignmentsDispatched(outcome=Outcome.WAITING)
            delivery = await self._parts.downlink.assign(address(row), message(row))
            async with self._parts.database.transaction() as connection:
                await lock(connection, call.work_process_id)
                if delivery is Delivery.DELIVERED:
                    await assignments.sent(connection, call.work_process_id, [row])
                else:
                    await self._deaf(connection, [row])
                    await assignments.fail_unsent(connection, call.work_process_id, [row["id"]], _DEAF)
            if delivery is Delivery.NOT_LISTENING:
                await self._parts.waker.send(await refresh_lines(self._parts.database, [row["agent_id"]]))
        async with self._parts.database.statement() as connection:
            found = await assignments.statuses(connection, [call.assignment_id])
        return AssignmentsDispatched(outcome=Outcome.DONE, sent=[call.assignment_id], ended=_ended(found))


def _result(group: _Group, statuses: dict[int, str]) -> AssignmentsDispatched:
    return AssignmentsDispatched(
        outcome=Outcome.DONE,
        groups=group.groups,
        sent=[row["id"] for row in group.rows],
        unconfirmed=sorted(group.unconfirmed),
        unheard=sorted(key for key in group.unheard if statuses.get(key) == AssignmentStatus.TO_DISPATCH),
        ended=_ended(statuses),
        agents=", ".join(
            sorted({row["agent_name"] or row["agent_uuid"] for row in group.rows if row["id"] not in group.unheard})
        ),
    )


def _ended(statuses: dict[int, str]) -> dict[str, str]:
    return {str(key): status for key, status in statuses.items() if status in ASSIGNMENT_ENDED}
