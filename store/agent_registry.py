"""Agents as clients see and register them; what agents say of themselves is written elsewhere."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from asyncpg import IntegrityConstraintViolationError
from sqlalchemy import ColumnElement, bindparam, case, delete, func, insert, literal_column, select, text, update

from missions.errors import InvalidInput, NotFound
from missions.event_catalogue import event
from missions.event_payloads.agent import AgentQuarantineCleared, AgentRegistered, AgentUpdated
from missions.event_payloads.base import Payload
from missions.principals import Principal
from missions.statuses import AgentClass
from store import account_rights, agent_names, agent_parents, events, exclusive_access, follower_links
from store.agents import part
from store.connection import Connection
from store.device_tables import instruments, platforms
from store.rows import Row, all_rows, one_row
from store.tables import Json, agent_details, agents, reservations, yards

ONLINE_FOR = timedelta(seconds=10)
"""An agent is online this long after its last message, as in helyOS."""

CONNECTION_STATUS = case((agents.c.last_message_time > func.now() - ONLINE_FOR, "online"), else_="offline").label(
    "connection_status"
)
_PARENTS = agents.alias("parents")
_COLUMNS = (
    *agents.c,
    CONNECTION_STATUS,
    reservations.c.work_process_id.label("reserved_for"),
    _PARENTS.c.uuid.label("parent_uuid"),
    instruments.c.state.label("instrument_state"),
    case((agents.c.agent_class == AgentClass.PLATFORM, func.coalesce(platforms.c.state, "UNINITIALIZED"))).label(
        "platform_state"
    ),
)
_DETAILS = [column for column in agent_details.c if column.name not in ("agent_id", "modified_at")]
_LINKED = """
    coalesce((
        SELECT jsonb_agg(jsonb_build_object(
            'id', other.id, 'uuid', other.uuid, 'connection_geometry', link.connection_geometry) ORDER BY other.id)
        FROM agents_interconnections AS link JOIN agents AS other ON other.id = link.{other}
        WHERE link.{one} = agents.id
    ), '[]')
"""
_LINKS: tuple[ColumnElement[Any], ...] = (
    literal_column(_LINKED.format(one="follower_id", other="leader_id"), agents.c.resources.type).label("leaders"),
    literal_column(_LINKED.format(one="leader_id", other="follower_id"), agents.c.resources.type).label("followers"),
)
_JOINED = (
    agents.outerjoin(reservations, reservations.c.agent_id == agents.c.id)
    .outerjoin(_PARENTS, _PARENTS.c.id == agents.c.parent_id)
    .outerjoin(instruments, instruments.c.agent_id == agents.c.id)
    .outerjoin(platforms, platforms.c.agent_id == agents.c.id)
)


@dataclass(frozen=True)
class AgentFilter:
    """Which agents to list; None: any."""

    yard_id: int | None = None
    uuid: str | None = None
    status: str | None = None
    agent_class: str | None = None
    agent_type: str | None = None
    parent_id: int | None = None


async def page(connection: Connection, wanted: AgentFilter, *, after: int, limit: int) -> list[Row]:
    """Agents in the order of their ids, without their big details."""
    query = select(*_COLUMNS).select_from(_JOINED).where(agents.c.id > after).order_by(agents.c.id).limit(limit)
    for column, value in (
        (agents.c.yard_id, wanted.yard_id),
        (agents.c.uuid, wanted.uuid),
        (agents.c.status, wanted.status),
        (agents.c.agent_class, wanted.agent_class),
        (agents.c.agent_type, wanted.agent_type),
        (agents.c.parent_id, wanted.parent_id),
    ):
        if value is not None:
            query = query.where(column == value)
    return await all_rows(connection, query)


async def get(connection: Connection, agent_id: int) -> Row:
    """One agent with its details; raises NotFound."""
    joined = _JOINED.outerjoin(agent_details, agent_details.c.agent_id == agents.c.id)
    query = select(*_COLUMNS, *_DETAILS, *_LINKS).select_from(joined).where(agents.c.id == agent_id)
    row = await one_row(connection, query)
    if row is None:
        raise _unknown(agent_id)
    return row


async def insert_agent(connection: Connection, values: Row) -> int:
    """Store an agent (columns of the table, or `parent_uuid`); raises Conflict, InvalidInput. Then: `registered`."""
    await _refuse_unknown_yard(connection, values)
    sent, values = values, await agent_parents.resolved(connection, values)
    try:
        agent_id: int | None = await connection.scalar(insert(agents).values(**values).returning(agents.c.id))
    except IntegrityConstraintViolationError as error:
        raise agent_names.same_name(error, values) or error from error
    assert agent_id is not None
    await agent_names.refuse_taken(connection, agent_id, values)
    if values.get("parent_id") is not None:
        await agent_parents.refuse_unfit(connection, agent_id, sent)
    return agent_id


async def registered(
    connection: Connection, agent_id: int, uuid: str, yard_id: int | None, principal: Principal, source: str
) -> None:
    """Tell of an agent that is registered now, with all that was asked for."""
    registered = AgentRegistered(agent_id=agent_id, agent_uuid=uuid, yard_id=yard_id)
    await _tell(connection, registered, principal, source)


async def take_back(connection: Connection, agent_id: int) -> bool:
    """Delete an agent that could not be registered; one that has checked in meanwhile stays. Whether it is gone now."""
    deleted = await connection.execute(
        delete(agents)
        .where(agents.c.id == agent_id, agents.c.last_message_time.is_(None), ~agents.c.has_rbmq_account)
        .returning(agents.c.id)
    )
    return deleted.scalar_one_or_none() is not None


async def patch(connection: Connection, agent_id: int, values: Row, *, principal: Principal, source: str) -> bool:
    """Change columns of an agent, with an event; returns whether its lines may move.

    Raises NotFound, Conflict, InvalidInput.
    """
    await follower_links.lock_with_leader(connection, agent_id=agent_id)
    row = await _locked(connection, agent_id)
    await _refuse_unknown_yard(connection, values)
    sent, values = values, await agent_parents.resolved(connection, values)
    changed = {name: value for name, value in values.items() if row[name] != value}
    if not changed:
        return False
    _refuse_verifying_without_key(row, changed)
    if row["agent_class"] == AgentClass.INSTRUMENT:
        await agent_parents.refuse_while_used(connection, agent_id, row["uuid"], changed, sent)
        if "agent_class" in changed:
            await exclusive_access.refuse_if_held(connection, [agent_id], field="agentClass")
    try:
        await connection.execute(
            update(agents).where(agents.c.id == agent_id).values(modified_at=func.now(), **changed)
        )
    except IntegrityConstraintViolationError as error:
        raise agent_names.same_name(error, values) or error from error
    await agent_names.refuse_taken(connection, agent_id, changed)
    if not changed.keys().isdisjoint({"parent_id", "agent_class"}):
        await agent_parents.refuse_unfit(connection, agent_id, sent)
    if not changed.keys().isdisjoint({"yard_id", "agent_class"}):
        await account_rights.changed(connection, [agent_id])
    if "yard_id" in changed or changed.get("agent_class") == AgentClass.ASSISTANT:
        await part(connection, agent_id, as_leader="yard_id" in changed)
    updated = AgentUpdated(agent_id=agent_id, agent_uuid=row["uuid"], changed=sorted(changed))
    await _tell(connection, updated, principal, source)
    return not changed.keys().isdisjoint({"yard_id", "operation_types", "agent_class", "agent_type"})


async def clear_quarantine(connection: Connection, agent_id: int, *, principal: Principal, source: str) -> bool:
    """Let an agent be reserved again; returns whether it was quarantined. Raises NotFound.

    The caller refreshes the lines of waiting missions after the commit (store/waiting_line.py).
    """
    row = await _locked(connection, agent_id)
    if row["quarantined_since"] is None:
        return False
    await connection.execute(
        update(agents)
        .where(agents.c.id == agent_id)
        .values(quarantined_since=None, quarantine_reason=None, modified_at=func.now())
    )
    cleared = AgentQuarantineCleared(agent_id=agent_id, agent_uuid=row["uuid"], reason="an operator cleared it")
    await _tell(connection, cleared, principal, source)
    return True


async def describe_connection(
    connection: Connection, leader_id: int, follower_id: int, geometry: Any, *, principal: Principal, source: str
) -> None:
    """Say how a follower hangs on its leader, with an event; raises NotFound."""
    found = await connection.execute(
        _DESCRIBE, {"leader_id": leader_id, "follower_id": follower_id, "geometry": geometry}
    )
    uuid = found.scalar_one_or_none()
    if uuid is None:
        raise NotFound(
            f"agent {follower_id} does not follow agent {leader_id}",
            field="followerId",
            value=follower_id,
            remedy="read the agent: its `followers` are those that it names itself",
        )
    updated = AgentUpdated(agent_id=leader_id, agent_uuid=uuid, changed=["followers"], follower_id=follower_id)
    await _tell(connection, updated, principal, source)


_DESCRIBE = text(
    """
    UPDATE agents_interconnections AS link SET connection_geometry = :geometry
    FROM agents AS leader
    WHERE leader.id = link.leader_id AND link.leader_id = :leader_id AND link.follower_id = :follower_id
    RETURNING leader.uuid
    """
).bindparams(bindparam("geometry", type_=Json))


async def _locked(connection: Connection, agent_id: int) -> Row:
    query = select(agents).where(agents.c.id == agent_id).with_for_update()
    row = await one_row(connection, query)
    if row is None:
        raise _unknown(agent_id)
    return row


async def _refuse_unknown_yard(connection: Connection, values: Row) -> None:
    yard_id = values.get("yard_id")
    if yard_id is None:
        return
    query = select(yards.c.id).where(yards.c.id == yard_id, yards.c.deleted_at.is_(None))
    if await connection.scalar(query) is None:
        raise InvalidInput(
            f"there is no yard with yardId {yard_id!r}",
            field="yardId",
            value=yard_id,
            remedy="list the yards (GET /api/v1/yards) and use one of them",
        )


def _refuse_verifying_without_key(row: Row, changed: Row) -> None:
    """Nothing that the agent says would be taken any more."""
    after = row | changed
    if changed.keys() & {"verify_signature", "public_key"} and after["verify_signature"] and not after["public_key"]:
        raise InvalidInput(
            "`verifySignature` needs a key to verify with",
            field="publicKey",
            value=after["public_key"],
            remedy="send `publicKey` too, or `verifySignature` as false",
        )


async def _tell(connection: Connection, payload: Payload, principal: Principal, source: str) -> None:
    await events.append(connection, [event(payload, source=source, actor=principal)])


def _unknown(agent_id: int) -> NotFound:
    return NotFound(
        f"agent {agent_id} does not exist", field="id", value=agent_id, remedy="list the agents to find its id"
    )
