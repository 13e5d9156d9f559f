"""Commands to agents outside of assignments: written first, sent by a worker, acknowledged by agents that can."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, select, text, update

from missions.contracts import AgentTold, Signal
from missions.errors import NotFound
from missions.event_catalogue import event
from missions.event_payloads.agent import (
    AgentInstantActionAcknowledged,
    AgentInstantActionNotDelivered,
    AgentInstantActionRequested,
    AgentInstantActionSent,
)
from missions.events import EventSource, NewEvent
from missions.principals import MUSTER, Principal
from missions.statuses import AgentClass, InstantActionChannel, InstantActionStatus
from store import events, exclusive_access
from store.agents import AgentAddress, agent_principal
from store.connection import Connection
from store.rows import Row, all_rows, one_row
from store.tables import agents, instant_actions
from store.wakeups import NewSignal, Wakeup, add_signals

CHANNEL = "muster_instant_actions"
"""Told after the commit that there is something to send."""

FAILED = "failed"
"""The agent's word for a command that it could not carry out; any other word acknowledges."""


@dataclass(frozen=True)
class ToSend:
    """A command on its way to its agent."""

    id: int
    agent: AgentAddress
    command: str
    channel: InstantActionChannel


@dataclass(frozen=True)
class Acknowledgement:
    """What an agent says of a command."""

    id: int
    status: str
    result: Any = None


async def add(
    connection: Connection,
    agent_id: int,
    command: str,
    *,
    sender: str | None,
    principal: Principal,
    source: str,
    channel: InstantActionChannel = InstantActionChannel.INSTANT_ACTIONS,
) -> Row:
    """Write a command that is to be sent, and its event. After the commit: notify CHANNEL.

    Raises NotFound, Conflict for an instrument that a mission holds.
    """
    wanted = select(agents.c.uuid, agents.c.yard_id, agents.c.agent_class).where(agents.c.id == agent_id)
    agent = await one_row(connection, wanted)
    if agent is None:
        raise _unknown_agent(agent_id)
    if agent["agent_class"] == AgentClass.INSTRUMENT:
        await exclusive_access.refuse_if_held(connection, [agent_id], field="id")
    added = await connection.execute(
        insert(instant_actions)
        .values(
            agent_id=agent_id,
            agent_uuid=agent["uuid"],
            yard_id=agent["yard_id"],
            command=command,
            channel=channel,
            sender=sender,
            status=InstantActionStatus.TO_SEND,
            created_by=principal.model_dump(mode="json"),
        )
        .returning(instant_actions)
    )
    row: Row = added.one()._asdict()
    requested = AgentInstantActionRequested(**_about(row), command=command)
    await events.append(connection, [event(requested, source=source, actor=principal)])
    return row


async def add_of_mission(
    connection: Connection, work_process_id: int, commands: Sequence[tuple[int, str | dict[str, Any]]]
) -> list[int]:
    """Write the commands (by agent) of a mission, and their events; returns their ids. Then: notify CHANNEL."""
    added = await connection.execute(
        _ADD_OF_MISSION,
        {
            "agents": [agent_id for agent_id, _ in commands],
            "commands": [command_text(command) for _, command in commands],
            "of": work_process_id,
            "actor": json.dumps(MUSTER.model_dump(mode="json")),
        },
    )
    rows = added.all()
    new = [
        AgentInstantActionRequested(**_about(row._asdict() | {"work_process_id": work_process_id}), command=row.command)
        for row in rows
    ]
    await events.append(connection, [event(one, source=EventSource.MISSION_WORKER, actor=MUSTER) for one in new])
    return [row.id for row in rows]


async def agents_told(connection: Connection, ids: Sequence[int], *, not_since: str) -> list[int]:
    """The agents of these commands of a mission, unless it told them `not_since` afterwards."""
    later = instant_actions.alias()
    told_since = (
        select(later.c.id)
        .where(
            later.c.agent_id == instant_actions.c.agent_id,
            later.c.work_process_id == instant_actions.c.work_process_id,
            later.c.id > instant_actions.c.id,
            later.c.command == not_since,
        )
        .exists()
    )
    rows = await connection.execute(
        select(instant_actions.c.agent_id)
        .where(instant_actions.c.id.in_(ids), ~told_since)
        .order_by(instant_actions.c.id)
    )
    return list(rows.scalars())


_ADD_OF_MISSION = text(
    """
    INSERT INTO instant_actions (agent_id, agent_uuid, yard_id, work_process_id, command, status, created_by)
    SELECT agents.id, agents.uuid, agents.yard_id, :of, new.command, 'to_send', CAST(:actor AS jsonb)
    FROM unnest(CAST(:agents AS bigint[]), CAST(:commands AS text[])) WITH ORDINALITY AS new(agent_id, command, place)
    JOIN agents ON agents.id = new.agent_id ORDER BY new.place
    RETURNING id, agent_id, agent_uuid, command
    """
)


async def page(connection: Connection, agent_id: int, *, before: int | None, limit: int) -> list[Row]:
    """An agent's commands, newest first, with ids below `before`; raises NotFound."""
    if await connection.scalar(select(agents.c.id).where(agents.c.id == agent_id)) is None:
        raise _unknown_agent(agent_id)
    query = select(instant_actions).where(instant_actions.c.agent_id == agent_id)
    if before is not None:
        query = query.where(instant_actions.c.id < before)
    return await all_rows(connection, query.order_by(instant_actions.c.id.desc()).limit(limit))


async def get(connection: Connection, agent_id: int, action_id: int) -> Row:
    """One command; raises NotFound."""
    query = select(instant_actions).where(instant_actions.c.agent_id == agent_id, instant_actions.c.id == action_id)
    row = await one_row(connection, query)
    if row is None:
        raise NotFound(
            f"agent {agent_id} has no instant action {action_id}",
            field="id",
            value=action_id,
            remedy="list the agent's instant actions to find its id",
        )
    return row


async def claim_next(connection: Connection, lease: timedelta) -> ToSend | None:
    """Claim the oldest command of an agent that has none on its way; it is free again after the lease.

    So an agent gets its commands in their order, and one that is slow to take them holds up nobody else.
    """
    row = (await connection.execute(_CLAIM, {"lease": lease})).one_or_none()
    if row is None:
        return None
    agent = AgentAddress(row.agent_id, row.agent_uuid, row.protocol)
    return ToSend(row.id, agent, row.command, InstantActionChannel(row.channel))


_CLAIM = text(
    """
    UPDATE instant_actions AS i SET claimed_until = now() + CAST(:lease AS interval) FROM agents AS a
    WHERE a.id = i.agent_id AND i.id = (
        SELECT due.id FROM instant_actions AS due
        WHERE due.status = 'to_send' AND coalesce(due.claimed_until <= now(), true) AND NOT EXISTS (
            SELECT FROM instant_actions AS earlier
            WHERE earlier.agent_id = due.agent_id AND earlier.status = 'to_send' AND earlier.id < due.id
        )
        ORDER BY due.id LIMIT 1 FOR NO KEY UPDATE OF due SKIP LOCKED
    )
    RETURNING i.id, i.agent_id, i.agent_uuid, i.command, i.channel, a.protocol
    """
)


async def give_back(connection: Connection, action_id: int) -> None:
    """Let anybody send a claimed command at once."""
    await connection.execute(
        update(instant_actions).where(instant_actions.c.id == action_id).values(claimed_until=None)
    )


async def sent(connection: Connection, action_id: int, *, listening: bool) -> list[Wakeup]:
    """Note that a claimed command was sent, or that the broker gave it back; once, if its lease ran out meanwhile.

    A mission that pauses waits for that: returns its wake-ups.
    """
    row = (
        await connection.execute(
            update(instant_actions)
            .where(instant_actions.c.id == action_id, instant_actions.c.status == InstantActionStatus.TO_SEND)
            .values(
                status=InstantActionStatus.SENT if listening else InstantActionStatus.NOT_LISTENING,
                sent_at=func.now() if listening else None,
            )
            .returning(instant_actions)
        )
    ).one_or_none()
    if row is None:
        return []
    outcome = (AgentInstantActionSent if listening else AgentInstantActionNotDelivered)(**_about(row._asdict()))
    await events.append(connection, [event(outcome, source=EventSource.MISSION_WORKER, actor=MUSTER)])
    if row.work_process_id is None:
        return []
    waiting = await connection.execute(_PAUSES, {"of": row.work_process_id, "action": action_id})
    told = AgentTold(instant_action_id=action_id, listening=listening)
    return await add_signals(
        connection, [NewSignal(one.workflow_id, row.work_process_id, Signal.AGENT_TOLD, told) for one in waiting]
    )


# Without its lock: the mission's row comes before this one in the lock order.
_PAUSES = text("SELECT workflow_id FROM work_processes WHERE id = :of AND :action = ANY(pause_actions)")


async def acknowledge(
    connection: Connection, said: Sequence[tuple[int, Acknowledgement, datetime]]
) -> set[tuple[int, int]]:
    """Write what agents (by id) say of their commands, once each; returns those (agent, command) that do not exist."""
    if not said:
        return set()
    rows = await connection.execute(_LOCK, {"ids": sorted({one.id for _, one, _ in said})})
    known = {(row.agent_id, row.id): row for row in rows}
    first: dict[tuple[int, int], tuple[Acknowledgement, datetime]] = {}
    for agent_id, one, at in said:
        row = known.get((agent_id, one.id))
        if row is not None and row.acknowledged_at is None:
            first.setdefault((agent_id, one.id), (one, at))
    if first:
        await _acknowledge(connection, list(first.values()))
        await events.append(connection, [_acknowledged(known[key]._asdict(), one) for key, (one, _) in first.items()])
    return {(agent_id, one.id) for agent_id, one, _ in said} - known.keys()


_LOCK = text(
    "SELECT id, agent_id, agent_uuid, work_process_id, acknowledged_at FROM instant_actions"
    " WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY id FOR NO KEY UPDATE"
)


async def _acknowledge(connection: Connection, said: Sequence[tuple[Acknowledgement, datetime]]) -> None:
    await connection.execute(
        _ACKNOWLEDGE,
        {
            "ids": [one.id for one, _ in said],
            "failed": [one.status == FAILED for one, _ in said],
            "results": [None if one.result is None else json.dumps(one.result) for one, _ in said],
            "at": [at for _, at in said],
        },
    )


_ACKNOWLEDGE = text(
    """
    UPDATE instant_actions AS i SET
        status = CASE WHEN u.failed THEN 'failed' ELSE 'acknowledged' END,
        error = CASE WHEN u.failed THEN 'the agent reported failed' END,
        result = CAST(u.result AS jsonb),
        acknowledged_at = u.at
    FROM unnest(
        CAST(:ids AS bigint[]), CAST(:failed AS boolean[]), CAST(:results AS text[]), CAST(:at AS timestamptz[])
    ) AS u(id, failed, result, at)
    WHERE i.id = u.id
    """
)


def _acknowledged(row: Row, one: Acknowledgement) -> NewEvent:
    uuid = row["agent_uuid"]
    acknowledged = AgentInstantActionAcknowledged(**_about(row), status=one.status, result=one.result)
    return event(acknowledged, source=EventSource.agent(uuid), actor=agent_principal(uuid))


def _about(row: Row) -> dict[str, Any]:
    return {
        "agent_id": row["agent_id"],
        "agent_uuid": row["agent_uuid"],
        "instant_action_id": row["id"],
        "work_process_id": row["work_process_id"],
    }


def command_text(command: str | dict[str, Any]) -> str:
    """A command as it is sent: agents get text, whatever it is."""
    return command if isinstance(command, str) else json.dumps(command, separators=(",", ":"))


def _unknown_agent(agent_id: int) -> NotFound:
    return NotFound(
        f"agent {agent_id} does not exist", field="id", value=agent_id, remedy="list the agents to find its id"
    )
