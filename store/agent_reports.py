"""What agents report of themselves: a batch of state messages becomes one transaction, in order per agent.

Nothing here is done per message in SQL, so that thousands of plain repeats a second cost a few statements.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import text

from missions.event_catalogue import event
from missions.event_payloads.agent import AgentQuarantineCleared
from missions.events import EventSource, NewEvent
from missions.statuses import COMMANDED, AgentStatus
from store import assignment_reports, events, instant_actions, ready_agents, unheard_assignments
from store.agents import agent_principal, status_changed
from store.command_reports import CommandReports
from store.connection import Connection
from store.database import Database
from store.instant_actions import Acknowledgement
from store.operation_types import ABLE_TO
from store.ready_agents import Stranded
from store.wakeups import Wakeup


@dataclass(frozen=True)
class AssignmentReport:
    """What an agent says of one assignment."""

    id: int
    status: str
    result: Any = None


@dataclass(frozen=True)
class StateReport:
    """One state message. `work_process_id`: the mission that the agent says it is reserved for.

    `said_at`: when the agent sent it, which may be long before `received_at`, and is never after it. `timed`: whether
    the agent says so; else it is `received_at`, and the message may have waited in its queue for any time before.
    """

    uuid: str
    status: str
    received_at: datetime
    said_at: datetime
    resources: dict[str, Any] | None = None
    work_process_id: int | None = None
    assignment: AssignmentReport | None = None
    instant_action: Acknowledgement | None = None
    redelivered: bool = False
    timed: bool = True


class Rejection(StrEnum):
    """Why a report, or its part on an assignment, could not be taken."""

    UNKNOWN_AGENT = "unknown_agent"
    UNKNOWN_STATUS = "unknown_status"
    UNKNOWN_ASSIGNMENT = "unknown_assignment"
    UNKNOWN_INSTANT_ACTION = "unknown_instant_action"
    NOT_ITS_ASSIGNMENT = "not_its_assignment"
    ASSIGNMENT_NOT_SENT = "assignment_not_sent"


@dataclass(frozen=True)
class Rejected:
    """A refused report, by its place in the batch."""

    index: int
    reason: Rejection
    text: str


@dataclass
class Applied:
    """What a batch did. `changed_agent_ids`: agents that may have become grantable, or ceased to be."""

    wakeups: list[Wakeup] = field(default_factory=list)
    changed_agent_ids: set[int] = field(default_factory=set)
    rejected: list[Rejected] = field(default_factory=list)
    ready: list[tuple[int, int]] = field(default_factory=list)
    """Attempts (work process, attempt) whose agents are all ready, and whose activity still waits for them."""
    stranded: list[Stranded] = field(default_factory=list)
    late: int = 0


@dataclass
class _Agent:
    id: int
    uuid: str
    status: str | None
    not_listening: bool  # and its word counts again
    quarantined: bool
    agent_class: str
    status_since: datetime | None = None
    state_at: datetime | None = None
    heard_at: datetime | None = None
    resources: dict[str, Any] | None = None
    assignment_id: int | None = None
    work_process_id: int | None = None
    clears_quarantine: bool = False


async def apply(database: Database, reports: Sequence[StateReport], ids: Mapping[str, int]) -> Applied:
    """Write a batch of state reports in one transaction; raises PartUnavailable if the database does not answer.

    `ids`: the known agents' ids, by uuid. Repeats change nothing but the time of the last message. A report with an
    unusable part on an assignment still counts for the agent's own status: an agent that names an assignment of old
    must not stay out of the fleet.
    """
    applied = Applied()
    taken = _readable(reports, ids, applied)
    if not taken:
        return applied
    async with database.transaction() as connection:
        # Lock order: work processes, then agents, each by id; what the locks protect is read after them.
        plan = await assignment_reports.prepare(connection, taken, ids)
        ready, stranded = await ready_agents.look(connection, [(ids[report.uuid], report) for _, report in taken])
        await _lock_work_processes(connection, plan.work_process_ids | {claim.work_process_id for claim in ready})
        agents = await _lock_agents(connection, sorted({ids[report.uuid] for _, report in taken}))

        spoke_again = [agent.id for agent in agents.values() if agent.not_listening]
        new_events = [event for _, report in taken for event in _take(agents[report.uuid], report, applied)]
        still = [each for each in stranded if agents[each.agent.uuid].status == AgentStatus.READY]
        applied.stranded = await ready_agents.held_by_none(connection, still)
        answering = {claim.agent_id for claim in ready}
        applied.changed_agent_ids |= await _write(connection, list(agents.values()), answering)
        await events.append(connection, new_events)
        if spoke_again:
            applied.wakeups += await unheard_assignments.wake(connection, spoke_again)
        commanded = {one.id: one.agent_class for one in agents.values() if one.agent_class in COMMANDED}
        outcome = await assignment_reports.write(connection, plan, CommandReports(commanded))
        applied.wakeups += outcome.wakeups
        applied.late = outcome.late
        applied.rejected += [
            Rejected(i, Rejection(reason), why) for i, reason, why in (*plan.rejected, *outcome.rejected)
        ]
        complete = await ready_agents.write(connection, ready)
        applied.ready = complete.waited_for
        applied.wakeups += complete.wakeups
        await _write_acknowledgements(connection, taken, ids, applied)
    return applied


def _readable(
    reports: Sequence[StateReport], ids: Mapping[str, int], applied: Applied
) -> list[tuple[int, StateReport]]:
    taken = []
    for index, report in enumerate(reports):
        if report.uuid not in ids:
            applied.rejected.append(Rejected(index, Rejection.UNKNOWN_AGENT, f"agent {report.uuid!r} is not known"))
        elif report.status not in _STATUSES:
            applied.rejected.append(
                Rejected(index, Rejection.UNKNOWN_STATUS, f"{report.status!r} is no status of an agent")
            )
        else:
            taken.append((index, report))
    return taken


_STATUSES = frozenset(str(status) for status in AgentStatus)


def _take(agent: _Agent, report: StateReport, applied: Applied) -> list[NewEvent]:
    """Apply one report to the agent's row in memory; returns its events."""
    new: list[NewEvent] = []
    grantability = agent.not_listening or report.redelivered  # a redelivery may follow a death before the grant
    agent.not_listening = False
    if report.status != agent.status:
        new.append(status_changed(agent.id, agent.uuid, agent.status, report.status))
        grantability |= agent.status is None
        grantability |= report.status == AgentStatus.FREE or AgentStatus.NOT_AUTOMATABLE in (
            agent.status,
            report.status,
        )
        agent.status, agent.status_since = report.status, report.received_at
    if agent.quarantined and report.status == AgentStatus.FREE:
        agent.quarantined, agent.clears_quarantine, grantability = False, True, True
        new.append(
            event(
                AgentQuarantineCleared(agent_id=agent.id, agent_uuid=agent.uuid, reason="the agent reported free"),
                source=EventSource.agent(agent.uuid),
                actor=agent_principal(agent.uuid),
                cause=new[-1] if new else None,
            )
        )
    agent.state_at, agent.heard_at = report.said_at, report.received_at
    if report.resources is not None:
        agent.resources = report.resources
    agent.assignment_id = report.assignment.id if report.assignment else None
    agent.work_process_id = report.work_process_id
    if grantability:
        applied.changed_agent_ids.add(agent.id)
    return new


async def _lock_work_processes(connection: Connection, ids: Collection[int]) -> None:
    if ids:
        await connection.execute(_LOCK_WORK_PROCESSES, {"ids": sorted(ids)})


_LOCK_WORK_PROCESSES = text(
    "SELECT id FROM work_processes WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY id FOR NO KEY UPDATE"
)


async def _lock_agents(connection: Connection, ids: list[int]) -> dict[str, _Agent]:
    rows = await connection.execute(_LOCK_AGENTS, {"ids": ids})
    return {row.uuid: _Agent(*row) for row in rows}


_LOCK_AGENTS = text(
    """
    SELECT id, uuid, status, not_listening_since IS NOT NULL AND coalesce(listen_again_at <= now(), true),
        quarantined_since IS NOT NULL, agent_class
    FROM agents
    WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY id FOR NO KEY UPDATE
    """
)


async def _write(connection: Connection, agents: Sequence[_Agent], heard_us: Collection[int]) -> set[int]:
    """Write what the agents said; returns those that are free and can do other things than before."""
    rows = await connection.execute(
        _WRITE,
        {
            "ids": [a.id for a in agents],
            "statuses": [a.status for a in agents],
            "since": [a.status_since for a in agents],
            "said": [a.state_at for a in agents],
            "heard": [a.heard_at for a in agents],
            "resources": [None if a.resources is None else json.dumps(a.resources) for a in agents],
            "assignments": [a.assignment_id for a in agents],
            "missions": [a.work_process_id for a in agents],
            "clears": [a.clears_quarantine for a in agents],
            "heard_us": [a.id in heard_us for a in agents],
        },
    )
    return {row.id for row in rows if row.other_abilities}


# The agent's own name, and not a short one: ABLE_TO reads the row as it is after the update.
_WRITE = text(
    f"""
    UPDATE agents SET
        status = u.status,
        status_since = coalesce(u.since, agents.status_since),
        state_at = u.said_at,
        last_message_time = greatest(agents.last_message_time, u.heard_at),
        resources = coalesce(CAST(u.resources AS jsonb), agents.resources),
        reported_assignment_id = u.assignment_id,
        reported_work_process_id = u.work_process_id,
        not_listening_since = CASE
            WHEN agents.listen_again_at > now() AND NOT u.heard_us THEN agents.not_listening_since
        END,
        not_listening_count = CASE WHEN u.heard_us THEN 0 ELSE agents.not_listening_count END,
        listen_again_at = CASE WHEN u.heard_us THEN NULL ELSE agents.listen_again_at END,
        quarantined_since = CASE WHEN u.clears THEN NULL ELSE agents.quarantined_since END,
        quarantine_reason = CASE WHEN u.clears THEN NULL ELSE agents.quarantine_reason END
    FROM unnest(
        CAST(:ids AS bigint[]), CAST(:statuses AS text[]), CAST(:since AS timestamptz[]), CAST(:said AS timestamptz[]),
        CAST(:heard AS timestamptz[]), CAST(:resources AS text[]), CAST(:assignments AS bigint[]),
        CAST(:missions AS bigint[]), CAST(:clears AS boolean[]), CAST(:heard_us AS boolean[])
    ) AS u(id, status, since, said_at, heard_at, resources, assignment_id, work_process_id, clears, heard_us)
    WHERE agents.id = u.id
    RETURNING agents.id, agents.status = 'free' AND agents.able_to IS DISTINCT FROM {ABLE_TO} AS other_abilities
    """
)


async def _write_acknowledgements(
    connection: Connection, taken: Sequence[tuple[int, StateReport]], ids: Mapping[str, int], applied: Applied
) -> None:
    said = [(i, ids[report.uuid], report.instant_action, report.received_at) for i, report in taken]
    given = [(agent_id, one, at) for _, agent_id, one, at in said if one is not None]
    unknown = await instant_actions.acknowledge(connection, given)
    applied.rejected += [
        Rejected(i, Rejection.UNKNOWN_INSTANT_ACTION, f"the agent was never sent instant action {one.id}")
        for i, agent_id, one, _ in said
        if one is not None and (agent_id, one.id) in unknown
    ]
