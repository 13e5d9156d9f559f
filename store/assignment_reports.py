"""What agents report of their assignments: progress, ends, confirmed cancels, late reports and refused ones."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from missions.contracts import AssignmentEnded, AssignmentStarted, Signal
from missions.event_catalogue import event
from missions.event_payloads.assignment import AssignmentLateReport, AssignmentStatusChanged
from missions.event_payloads.base import Payload
from missions.events import EventSource, NewEvent
from missions.statuses import AgentStatus, AssignmentStatus, Severity
from missions.transitions import AGENT_MAY_REPORT, ASSIGNMENT, ASSIGNMENT_ENDED, ASSIGNMENT_FAILED, ASSIGNMENT_UNSENT
from store import events, message_counts
from store.agents import agent_principal
from store.command_reports import CommandReports
from store.connection import Connection
from store.odd_json import storable
from store.wakeups import NewSignal, Wakeup, add_signals

if TYPE_CHECKING:
    from store.agent_reports import StateReport

Refused = tuple[int, str, str]
"""Place in the batch, reason, text."""


# A dispatch notes its confirm within this time, or its worker has died.
_CONFIRM_TAKES = timedelta(seconds=2)


@dataclass
class Plan:
    """What of a batch concerns assignments: found by plain reads, before any lock."""

    reports: list[tuple[int, "StateReport", int]] = field(default_factory=list)
    assignment_ids: set[int] = field(default_factory=set)
    work_process_ids: set[int] = field(default_factory=set)
    rejected: list[Refused] = field(default_factory=list)


@dataclass
class Outcome:
    """What was written."""

    wakeups: list[Wakeup] = field(default_factory=list)
    rejected: list[Refused] = field(default_factory=list)
    late: int = 0


@dataclass
class _Assignment:
    id: int
    agent_id: int
    work_process_id: int
    attempt: int
    step: str
    workflow_id: str
    status: AssignmentStatus
    intent_at: datetime | None
    dispatched_at: datetime | None
    first_report_at: datetime | None
    cancel_sent_at: datetime | None
    late_reports: int
    command: str | None
    """Its name, if it is one to an instrument or a platform."""
    result: Any = None
    ended_at: datetime | None = None
    late: int = 0
    touched: bool = False


async def prepare(connection: Connection, taken: Sequence[tuple[int, "StateReport"]], ids: Mapping[str, int]) -> Plan:
    """Find the reports that can change an assignment; repeats need no lock and are left out."""
    plan = Plan()
    said: list[tuple[int, StateReport, int]] = []
    idle: dict[int, list[tuple[int, StateReport, int]]] = defaultdict(list)
    for index, report in taken:
        entry = (index, report, ids[report.uuid])
        if report.assignment is not None:
            if report.assignment.status in AGENT_MAY_REPORT:
                said.append(entry)
            else:
                plan.rejected.append(
                    (index, "unknown_status", f"{report.assignment.status!r} is no status that an agent can report")
                )
        elif report.status in (AgentStatus.FREE, AgentStatus.READY):
            idle[ids[report.uuid]].append(entry)

    own: list[tuple[int, StateReport, int]] = []
    concerned = await _concerned(connection, {r.assignment.id for _, r, _ in said if r.assignment}, list(idle))
    known = {row.id: row for row in concerned}
    for entry in said:
        index, report, agent_id = entry
        assert report.assignment is not None
        row = known.get(report.assignment.id)
        if row is None:
            plan.rejected.append((index, "unknown_assignment", f"assignment {report.assignment.id} does not exist"))
        elif row.agent_id != agent_id:
            plan.rejected.append(
                (index, "not_its_assignment", f"assignment {report.assignment.id} is not one of {report.uuid!r}")
            )
        elif not _repeats(row, report.assignment.status):
            plan.assignment_ids.add(row.id)
            plan.work_process_ids.add(row.work_process_id)
        if row is not None and row.agent_id == agent_id:
            own.append(entry)
    # With a change of an assignment, all reports on it count, in order: executing, succeeded, executing.
    plan.reports = [entry for entry in own if entry[1].assignment and entry[1].assignment.id in plan.assignment_ids]

    canceling = [row for row in concerned if row.status == "canceling" and row.agent_id in idle]
    for row in canceling:
        plan.assignment_ids.add(row.id)
        plan.work_process_ids.add(row.work_process_id)
    for agent_id in {row.agent_id for row in canceling}:
        plan.reports += idle[agent_id]
    plan.reports.sort(key=lambda entry: entry[0])
    return plan


def _repeats(row: Any, status: str) -> bool:
    """Whether the report says what is stored already; `completed` is our own note of a reported `succeeded`."""
    same = row.status == status or (row.status == "completed" and status == "succeeded")
    return same and row.first_report_at is not None


async def _concerned(connection: Connection, ids: set[int], idle_agent_ids: list[int]) -> Sequence[Any]:
    """The assignments with these ids, and those of agents that now say to be idle whose cancel is under way.

    The latter's missions get locked, as in `store.assignment_cancels.cancels_sent`: whoever comes second sees what the
    first wrote.
    """
    if not (ids or idle_agent_ids):
        return []
    return (await connection.execute(_CONCERNED, {"ids": list(ids), "idle": idle_agent_ids})).all()


_CONCERNED = text(
    """
    SELECT id, agent_id, work_process_id, status, first_report_at FROM assignments
    WHERE id = ANY(CAST(:ids AS bigint[]))
    UNION
    SELECT id, agent_id, work_process_id, status, first_report_at FROM assignments
    WHERE status = 'canceling' AND agent_id = ANY(CAST(:idle AS bigint[]))
    """
)


async def write(connection: Connection, plan: Plan, commands: CommandReports) -> Outcome:
    """Apply the plan's reports; the work processes' and the agents' rows are locked."""
    outcome = Outcome()
    if not plan.assignment_ids:
        return outcome
    rows = await connection.execute(_READ, {"ids": sorted(plan.assignment_ids), "commanded": list(commands.classes)})
    assignments = {row.id: _Assignment(*row) for row in rows}
    for assignment in assignments.values():
        assignment.status = AssignmentStatus(assignment.status)
    of_agent: dict[int, list[_Assignment]] = defaultdict(list)
    for assignment in assignments.values():
        of_agent[assignment.agent_id].append(assignment)

    new_events: dict[tuple[int, int], list[NewEvent]] = defaultdict(list)
    signals: list[tuple[_Assignment, bool]] = []
    for index, report, agent_id in plan.reports:
        if report.assignment is None:
            for assignment in of_agent[agent_id]:
                if _confirms(assignment, report):
                    _move(assignment, AssignmentStatus.CANCELED, report, new_events)
                    signals.append((assignment, True))
            continue
        assignment = assignments[report.assignment.id]
        wanted = AssignmentStatus(report.assignment.status)
        if assignment.status in ASSIGNMENT_UNSENT and assignment.intent_at is None:
            outcome.rejected.append((index, "assignment_not_sent", f"assignment {assignment.id} was not sent yet"))
            continue
        first = assignment.first_report_at is None
        if first:
            assignment.first_report_at, assignment.touched = report.received_at, True
        if assignment.command is not None:
            commands.told(agent_id, report.assignment.result, report.said_at)
        if wanted in ASSIGNMENT[assignment.status] and wanted != assignment.status:
            if assignment.status in ASSIGNMENT_ENDED:
                continue  # `completed` after `succeeded`: the mission's own note, not the agent's
            assignment.result = report.assignment.result
            _move(assignment, wanted, report, new_events)
            if wanted in ASSIGNMENT_ENDED:
                signals.append((assignment, True))
            if wanted is AssignmentStatus.SUCCEEDED and assignment.command is not None:
                commands.done(agent_id, assignment.command)
        elif assignment.status in ASSIGNMENT_ENDED and not _repeats(assignment, wanted):
            _note_late(assignment, report, new_events)
            outcome.late += 1
        if first and assignment.status not in ASSIGNMENT_ENDED and _was_in_doubt(assignment, report):
            signals.append((assignment, False))

    await _store(connection, [a for a in assignments.values() if a.touched])
    await events.append_for_missions(connection, new_events)
    outcome.wakeups = await add_signals(connection, [_signal(assignment, ended) for assignment, ended in signals])
    outcome.wakeups += await commands.write(connection)
    await message_counts.count(connection, message_counts.LATE, {"report_after_the_end": outcome.late})
    return outcome


def _was_in_doubt(assignment: _Assignment, report: "StateReport") -> bool:
    """Whether the mission may wait for this sign: sent long ago, never confirmed. A quick agent needs no wake-up."""
    return (
        assignment.dispatched_at is None
        and assignment.intent_at is not None
        and report.received_at - assignment.intent_at > _CONFIRM_TAKES
    )


def _confirms(assignment: _Assignment, report: "StateReport") -> bool:
    """A `free` or `ready` without an assignment, said after the cancel was sent: the agent has stopped.

    Who does not say when it sent that may have done so before it had the assignment, unless it has spoken of it since.
    """
    return (
        assignment.status is AssignmentStatus.CANCELING
        and assignment.cancel_sent_at is not None
        and assignment.cancel_sent_at < report.said_at
        and (report.timed or assignment.first_report_at is not None)
    )


def _move(
    assignment: _Assignment,
    wanted: AssignmentStatus,
    report: "StateReport",
    new_events: dict[tuple[int, int], list[NewEvent]],
) -> None:
    before, assignment.status, assignment.touched = assignment.status, wanted, True
    if wanted in ASSIGNMENT_ENDED:
        assignment.ended_at = report.received_at
    new_events[assignment.work_process_id, assignment.attempt].append(
        _event(
            AssignmentStatusChanged(**_about(assignment, report), from_=before, to=wanted),
            report,
            Severity.ERROR if wanted in ASSIGNMENT_FAILED else Severity.INFO,
        )
    )


def _note_late(
    assignment: _Assignment, report: "StateReport", new_events: dict[tuple[int, int], list[NewEvent]]
) -> None:
    assert report.assignment is not None
    if not assignment.late_reports and not assignment.late:
        # One event for an assignment, however long its agent goes on: the log must stay bounded.
        new_events[assignment.work_process_id, assignment.attempt].append(
            _event(
                AssignmentLateReport(
                    **_about(assignment, report), status=assignment.status, reported=report.assignment.status
                ),
                report,
            )
        )
    assignment.late, assignment.touched = assignment.late + 1, True


def _about(assignment: _Assignment, report: "StateReport") -> dict[str, Any]:
    return {
        "assignment_id": assignment.id,
        "agent_id": assignment.agent_id,
        "agent_uuid": report.uuid,
        "step": assignment.step,
    }


def _event(payload: Payload, report: "StateReport", severity: Severity | None = None) -> NewEvent:
    source, actor = EventSource.agent(report.uuid), agent_principal(report.uuid)
    return event(payload, source=source, actor=actor, severity=severity)


def _signal(assignment: _Assignment, ended: bool) -> NewSignal:
    if ended:
        content = AssignmentEnded(assignment_id=assignment.id, status=assignment.status)
        return NewSignal(assignment.workflow_id, assignment.work_process_id, Signal.ASSIGNMENT_ENDED, content)
    sign = AssignmentStarted(assignment_id=assignment.id)
    return NewSignal(assignment.workflow_id, assignment.work_process_id, Signal.ASSIGNMENT_STARTED, sign)


def _result(assignment: _Assignment) -> str | None:
    if assignment.result is None:
        return None
    return storable(assignment.result, f"the result of assignment {assignment.id}")


async def _store(connection: Connection, assignments: Sequence[_Assignment]) -> None:
    if assignments:
        await connection.execute(
            _WRITE,
            {
                "ids": [a.id for a in assignments],
                "statuses": [str(a.status) for a in assignments],
                "results": [_result(a) for a in assignments],
                "first": [a.first_report_at for a in assignments],
                "ended": [a.ended_at for a in assignments],
                "late": [a.late for a in assignments],
            },
        )


_READ = text(
    """
    SELECT id, agent_id, work_process_id, attempt, step, workflow_id, status, intent_at, dispatched_at,
           first_report_at, cancel_sent_at, late_reports,
           CASE WHEN agent_id = ANY(CAST(:commanded AS bigint[])) THEN data #>> '{command,name}' END
    FROM assignments WHERE id = ANY(CAST(:ids AS bigint[]))
    """
)

_WRITE = text(
    """
    UPDATE assignments AS a SET
        status = u.status,
        result = coalesce(CAST(u.result AS jsonb), a.result),
        first_report_at = u.first_report_at,
        ended_at = coalesce(u.ended_at, a.ended_at),
        late_reports = a.late_reports + u.late,
        modified_at = now()
    FROM unnest(
        CAST(:ids AS bigint[]), CAST(:statuses AS text[]), CAST(:results AS text[]), CAST(:first AS timestamptz[]),
        CAST(:ended AS timestamptz[]), CAST(:late AS integer[])
    ) AS u(id, status, result, first_report_at, ended_at, late)
    WHERE a.id = u.id
    """
)
