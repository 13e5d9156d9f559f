"""Assignment rows as their mission sees them: planned, sent, looked up.

Cancelled and given up: store/assignment_cancels.py. What agents say of them: store/assignment_reports.py.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, insert, select, text, update

from missions.errors import Failure, FailureCode, PlanningFailed
from missions.event_catalogue import event
from missions.event_payloads.assignment import AssignmentCreated, AssignmentStatusChanged
from missions.events import EventSource, NewEvent
from missions.planner_answers import PlannedAssignment, refused, short
from missions.principals import MUSTER
from missions.statuses import AgentClass, AssignmentStatus, Severity
from missions.transitions import ASSIGNMENT_FAILED
from store import events
from store.connection import Connection
from store.tables import agents, assignments
from store.work_process_status import LockedWorkProcess

Row = Any
_BIGINT = 2**63
AGENT_UUID = (
    select(agents.c.uuid)
    .where(agents.c.id == assignments.c.agent_id)
    .correlate(assignments)
    .scalar_subquery()
    .label("agent_uuid")
)
ABOUT = (assignments.c.id, assignments.c.agent_id, AGENT_UUID, assignments.c.step)
"""The columns that the event of a change needs."""
_AT_AGENTS = [AssignmentStatus.TO_DISPATCH, AssignmentStatus.EXECUTING, AssignmentStatus.ACTIVE]


async def of_step(connection: Connection, service_request_id: int) -> Sequence[Row]:
    """The assignments of a step with their agents' addresses, in order."""
    rows = await connection.execute(_OF_STEP, {"of": service_request_id})
    return rows.mappings().all()


_OF_STEP = (
    select(
        assignments,
        agents.c.uuid.label("agent_uuid"),
        agents.c.protocol,
        agents.c.name.label("agent_name"),
        agents.c.agent_class,
    )
    .join(agents, agents.c.id == assignments.c.agent_id)
    .where(assignments.c.service_request_id == bindparam("of"))
    .order_by(assignments.c.dispatch_group, assignments.c.result_index)
)
_INSERT = insert(assignments).returning(assignments.c.id)
_AGENTS = text(
    "SELECT id, uuid, protocol, name, agent_class FROM agents"
    " WHERE id = ANY(CAST(:ids AS bigint[])) OR uuid = ANY(CAST(:uuids AS text[]))"
)
_INTEND = text(
    """
    UPDATE assignments SET status = 'to_dispatch', intent_at = now(), start_time_stamp = :start, modified_at = now()
    WHERE id = ANY(CAST(:ids AS bigint[]))
    RETURNING intent_at
    """
)
# The intent's time stays what it was, and yet is not the one that the earlier try remembers.
_TAKE_OVER = text(
    """
    UPDATE assignments SET intent_at = intent_at + interval '1 microsecond'
    WHERE id = ANY(CAST(:ids AS bigint[]))
    """
)
_SENT = events.where_changed(
    """
    mission AS (SELECT id FROM work_processes WHERE id = :mission FOR UPDATE),
    noted AS (
        UPDATE assignments SET
            dispatched_at = coalesce(assignments.dispatched_at, now()),
            modified_at = now(),
            status = CASE WHEN assignments.status = 'to_dispatch' THEN 'executing' ELSE assignments.status END
        FROM mission WHERE assignments.id = ANY(CAST(:ids AS bigint[]))
        RETURNING assignments.id,
            -- Its agent's report would have left a time of its own, an earlier note another one.
            assignments.status = 'executing' AND first_report_at IS NULL AND dispatched_at = now() AS moved
    )
    """,
    "CAST(new.payload ->> 'assignment_id' AS bigint) IN (SELECT id FROM noted WHERE moved)",
)


async def one(connection: Connection, assignment_id: int) -> Row:
    """One assignment with its agent's address."""
    rows = await connection.execute(
        select(assignments, agents.c.uuid.label("agent_uuid"), agents.c.protocol, agents.c.idempotent)
        .join(agents, agents.c.id == assignments.c.agent_id)
        .where(assignments.c.id == assignment_id)
    )
    return rows.mappings().one()


async def plan(
    connection: Connection,
    work_process: LockedWorkProcess,
    service_request: Any,
    planned: Sequence[PlannedAssignment],
    groups: Sequence[Sequence[int]],
    replaced: Mapping[int, int],
) -> tuple[list[Row], list[tuple[int, str | dict[str, Any]]], set[int]]:
    """Turn a planner's results into rows, as `of_step` reads them; and its instant actions: (agent, command).

    Last come the instruments among the agents of these.
    What is for a `replaced` agent goes to the other one. The caller appends their events (`created`). Raises
    PlanningFailed naming an unknown agent, and stores nothing then.
    """
    of_entry = await _resolve_agents(
        connection, planned, service_request["step"], service_request["service_url"], replaced
    )
    commands = [(of_entry[entry.index].id, entry.command) for entry in planned if entry.command is not None]
    classes = {agent.id: agent.agent_class for agent in of_entry.values()}
    told = {agent_id for agent_id, _ in commands if classes[agent_id] == AgentClass.INSTRUMENT}
    by_index = {entry.index: entry for entry in planned if entry.data is not None}
    new = [
        {
            "work_process_id": work_process.id,
            "attempt": work_process.attempt,
            "step": service_request["step"],
            "result_index": index,
            "dispatch_group": number,
            "yard_id": work_process.yard_id,
            "service_request_id": service_request["id"],
            "agent_id": of_entry[index].id,
            "workflow_id": work_process.workflow_id,
            "data": by_index[index].data,
            "on_assignment_failure": by_index[index].on_assignment_failure,
            "fallback_mission": by_index[index].fallback_mission or "DEFAULT",
            "status": AssignmentStatus.NOT_READY_TO_DISPATCH,
        }
        for number, group in enumerate(groups)
        for index in group
        if index in by_index
    ]
    if not new:
        return [], commands, told
    ids = list((await connection.execute(_INSERT, new)).scalars())
    rows = [
        row
        | {"id": assignment_id, "intent_at": None, "dispatched_at": None, "start_time_stamp": None}
        | _address(of_entry[row["result_index"]])
        for assignment_id, row in zip(ids, new, strict=True)
    ]
    return rows, commands, told


def created(row: Row) -> NewEvent:
    """The event of a planned assignment."""
    payload = AssignmentCreated(
        assignment_id=row["id"],
        agent_id=row["agent_id"],
        agent_uuid=row["agent_uuid"],
        step=row["step"],
        index=row["result_index"],
    )
    return event(payload, source=EventSource.MISSION_WORKER, actor=MUSTER)


def _address(agent: Row) -> dict[str, Any]:
    return {
        "agent_uuid": agent.uuid,
        "protocol": agent.protocol,
        "agent_name": agent.name,
        "agent_class": agent.agent_class,
    }


async def _resolve_agents(
    connection: Connection,
    planned: Sequence[PlannedAssignment],
    step: str,
    url: str | None,
    replaced: Mapping[int, int],
) -> dict[int, Row]:
    """The agent of each entry, by the entry's index."""
    ids = {p.agent_id for p in planned if p.agent_id is not None and 0 <= p.agent_id < _BIGINT}
    uuids = {p.agent_uuid for p in planned if p.agent_uuid is not None}
    rows = (await connection.execute(_AGENTS, {"ids": [*ids, *replaced.values()], "uuids": list(uuids)})).all()
    by_id, by_uuid = {row.id: row for row in rows}, {row.uuid: row for row in rows}
    resolved = {}
    for entry in planned:
        agent = by_uuid.get(entry.agent_uuid or "") if entry.agent_id is None else by_id.get(entry.agent_id)
        if agent is not None and entry.agent_uuid not in (None, agent.uuid):
            raise refused(
                step,
                url,
                f"answered results[{entry.index}] with agent_id {agent.id}, which is agent {agent.uuid!r},"
                f" and agent_uuid {short(entry.agent_uuid)}",
            )
        if agent is not None and agent.id in replaced:
            agent = by_id.get(replaced[agent.id])
        if agent is None:
            name = entry.agent_uuid if entry.agent_id is None else entry.agent_id
            raise PlanningFailed(
                Failure(
                    code=FailureCode.AGENT_UNKNOWN,
                    step=step,
                    url=url,
                    text=f"step {step!r}: the service at {url} planned results[{entry.index}] for agent {short(name)},"
                    " which does not exist",
                )
            )
        resolved[entry.index] = agent
    return resolved


async def intend(connection: Connection, ids: Collection[int], start_time: str) -> datetime | None:
    """Commit to send these, before they are sent; returns when, by which `withdraw_intent` knows them again."""
    if not ids:
        return None
    rows = await connection.execute(_INTEND, {"ids": list(ids), "start": start_time})
    intent_at: datetime = rows.scalars().all()[0]
    return intent_at


async def take_over(connection: Connection, ids: Collection[int]) -> None:
    """An earlier try meant to send these, and may still be at it: from now on it cannot withdraw that."""
    await connection.execute(_TAKE_OVER, {"ids": list(ids)})


async def withdraw_intent(
    connection: Connection, work_process_id: int, ids: Collection[int], intent_at: datetime | None
) -> None:
    """These were surely not sent; one that is being cancelled needs no more, since no agent could confirm it.

    Not what a later try took over: it has said already that nobody knows. The mission is locked. It tells no agent of a
    cancel before the sending has ended, and looks at the row then.
    """
    own = await connection.execute(
        update(assignments)
        .where(
            assignments.c.id.in_(ids),
            assignments.c.intent_at == intent_at,
            assignments.c.status.in_([AssignmentStatus.TO_DISPATCH, AssignmentStatus.CANCELING]),
        )
        .values(intent_at=None)
        .returning(assignments.c.id)
    )
    withdrawn = list(own.scalars())
    await _end_unsent(connection, work_process_id, withdrawn, AssignmentStatus.CANCELING, AssignmentStatus.CANCELED)


async def sent(connection: Connection, work_process_id: int, rows: Sequence[Row]) -> None:
    """The broker has these: `executing`, unless the agent was faster with its report. Locks the mission."""
    before, after = AssignmentStatus.TO_DISPATCH, AssignmentStatus.EXECUTING
    moves = [changed(row, before, after) for row in rows]
    await events.append_where(connection, _SENT, work_process_id, moves, {"ids": [row["id"] for row in rows]})


async def fail_unsent(
    connection: Connection,
    work_process_id: int,
    ids: Collection[int],
    error: str,
    intent_at: datetime | None = None,
) -> None:
    """These could not be sent, because their agents do not listen; one that is being cancelled needs no more.

    `intent_at`: only those that no later try took over. The mission is locked.
    """
    if intent_at is not None:
        own = select(assignments.c.id).where(assignments.c.id.in_(ids), assignments.c.intent_at == intent_at)
        ids = list(await connection.scalars(own))
    before, severity = AssignmentStatus.TO_DISPATCH, Severity.ERROR
    await _end_unsent(connection, work_process_id, ids, before, AssignmentStatus.FAILED, severity, error)
    before = AssignmentStatus.CANCELING
    await _end_unsent(connection, work_process_id, ids, before, AssignmentStatus.CANCELED, error=error)


async def _end_unsent(
    connection: Connection,
    work_process_id: int,
    ids: Collection[int],
    before: AssignmentStatus,
    after: AssignmentStatus,
    severity: Severity = Severity.INFO,
    error: str | None = None,
) -> None:
    moved = await connection.execute(
        update(assignments)
        .where(assignments.c.id.in_(ids), assignments.c.status == before)
        .values(status=after, error=error, ended_at=func.now())
        .returning(*ABOUT)
    )
    told = [changed(row, before, after, severity) for row in moved.mappings()]
    await events.append_for_mission(connection, work_process_id, told)


async def ended_at_agent(connection: Connection, work_process: LockedWorkProcess, agent_id: int) -> Sequence[Row]:
    """What this agent had of the mission's attempt and failed or lost, with its address."""
    rows = await connection.execute(
        select(assignments, agents.c.uuid.label("agent_uuid"), agents.c.protocol)
        .join(agents, agents.c.id == assignments.c.agent_id)
        .where(
            assignments.c.work_process_id == work_process.id,
            assignments.c.attempt == work_process.attempt,
            assignments.c.agent_id == agent_id,
            assignments.c.status.in_([*ASSIGNMENT_FAILED, AssignmentStatus.CANCELED]),
        )
        .order_by(assignments.c.id)
    )
    return rows.mappings().all()


async def agents_at_work(connection: Connection, work_process_id: int) -> list[int]:
    """The agents that have, or may have, an assignment of this mission in hand."""
    rows = await connection.execute(
        select(assignments.c.agent_id)
        .where(
            assignments.c.work_process_id == work_process_id,
            assignments.c.intent_at.is_not(None),
            assignments.c.status.in_(_AT_AGENTS),
        )
        .distinct()
        .order_by(assignments.c.agent_id)
    )
    return list(rows.scalars())


async def statuses(connection: Connection, ids: Collection[int]) -> dict[int, str]:
    """Status by id."""
    rows = await connection.execute(select(assignments.c.id, assignments.c.status).where(assignments.c.id.in_(ids)))
    return {row.id: row.status for row in rows}


def changed(
    about: Row, from_: AssignmentStatus | str, to: AssignmentStatus, severity: Severity = Severity.INFO
) -> NewEvent:
    """The event of a change that the mission made; `about`: a row with at least the columns `ABOUT`."""
    payload = AssignmentStatusChanged(
        assignment_id=about["id"],
        agent_id=about["agent_id"],
        agent_uuid=about["agent_uuid"],
        step=about["step"],
        from_=AssignmentStatus(from_),
        to=to,
    )
    return event(payload, source=EventSource.MISSION_WORKER, actor=MUSTER, severity=severity)


async def dependency_results(connection: Connection, ids: Iterable[int]) -> list[dict[str, Any]]:
    """What later assignments are told of those before them (`metadata.context.dependencies`)."""
    rows = await connection.execute(
        select(assignments.c.id, assignments.c.status, assignments.c.result)
        .where(assignments.c.id.in_(list(ids)))
        .order_by(assignments.c.id)
    )
    return [{"assign": row.id, "status": AssignmentStatus(row.status).in_helyos, "result": row.result} for row in rows]


async def told_dependencies(connection: Connection, row: Row) -> list[dict[str, Any]]:
    """What this assignment was told of the group before its own."""
    before = await connection.execute(
        select(assignments.c.id).where(
            assignments.c.service_request_id == row["service_request_id"],
            assignments.c.dispatch_group == row["dispatch_group"] - 1,
        )
    )
    ids = list(before.scalars())
    return await dependency_results(connection, ids) if ids else []


async def in_words(connection: Connection, failure: Failure) -> Failure:
    """A failed assignment's failure, with its agent and what that said."""
    if failure.assignment_id is None:
        return failure
    row = (
        await connection.execute(
            select(assignments.c.error, assignments.c.result, assignments.c.agent_id, assignments.c.step, agents.c.uuid)
            .join(agents, agents.c.id == assignments.c.agent_id)
            .where(assignments.c.id == failure.assignment_id)
        )
    ).one()
    told = row.result.get("error") if isinstance(row.result, Mapping) else None
    said = row.error or (str(told)[:300] if told else f"its result: {str(row.result)[:300]}" if row.result else "")
    return failure.model_copy(
        update={
            "text": f"{failure.text} at agent {row.uuid}" + (f" ({said})" if said else ""),
            "agent_id": row.agent_id,
            "step": row.step,
        }
    )
