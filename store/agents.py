"""Agents: who they are, how they are addressed, and their check-in and check-out."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from missions.errors import Conflict, InvalidInput, NotFound
from missions.event_catalogue import event
from missions.event_payloads.agent import (
    AgentCheckedIn,
    AgentCheckedOut,
    AgentPayload,
    AgentRegistered,
    AgentStatusChanged,
    AgentUpdated,
)
from missions.events import EventSource, NewEvent
from missions.principals import Principal, PrincipalKind
from missions.statuses import AgentStatus
from store import account_rights, agent_names, follower_links, selectors
from store.connection import Connection
from store.events import append
from store.tables import agents, map_objects, yards

# What an agent may say of itself, by the table that keeps it; x, y, z in metres, orientations in radians.
AGENT_FIELDS = ("name", "code", "agent_type", "is_actuator")
DETAIL_FIELDS = (
    "factsheet",
    "geometry",
    "sensors",
    "sensors_data_format",
    "geometry_data_format",
    "data_format",
    "unit",
    "coordinate_frame",
    "reference_point",
)
POSE_FIELDS = ("x", "y", "z", "orientations")


@dataclass(frozen=True)
class AgentAddress:
    """How an agent is reached; protocol: AMQP or MQTT."""

    id: int
    uuid: str
    protocol: str


@dataclass(frozen=True)
class AgentIdentity:
    """What a message that claims to come from an agent is checked against."""

    id: int
    uuid: str
    protocol: str
    rbmq_username: str | None
    has_rbmq_account: bool
    allow_anonymous_checkin: bool
    verify_signature: bool
    public_key: str | None
    agent_class: str
    leaders: list[str]
    """The accounts of its leaders, which may speak for it."""


@dataclass(frozen=True)
class CheckIn:
    """An accepted check-in; `profile` holds the fields of AGENT_FIELDS, DETAIL_FIELDS and POSE_FIELDS that it names."""

    uuid: str
    yard_uid: str
    status: AgentStatus
    protocol: str
    at: datetime
    said_at: datetime
    rbmq_username: str | None = None
    public_key: str | None = None
    public_key_format: str | None = None
    profile: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CheckedIn:
    """What the answer to a check-in needs."""

    agent_id: int
    yard_id: int
    yard_uid: str
    origin: Mapping[str, float | None]
    map_objects: Sequence[Mapping[str, Any]]
    moved: frozenset[int]
    """Agents whose lines are to be refreshed."""


async def identities(connection: Connection, uuids: Collection[str]) -> dict[str, AgentIdentity]:
    """The known ones of these agents, by uuid."""
    rows = await connection.execute(_IDENTITIES, {"uuids": list(uuids)})
    return {row.uuid: AgentIdentity(*row) for row in rows}


_IDENTITIES = text(
    """
    SELECT id, uuid, protocol, rbmq_username, has_rbmq_account, allow_anonymous_checkin, verify_signature, public_key,
        agent_class,
        ARRAY(
            SELECT coalesce(leader.rbmq_username, leader.uuid) FROM agents_interconnections AS link
            JOIN agents AS leader ON leader.id = link.leader_id WHERE link.follower_id = agents.id
        ) AS leaders
    FROM agents WHERE uuid = ANY(CAST(:uuids AS text[]))
    """
)


@dataclass(frozen=True)
class InYard:
    """An agent that stands in a yard."""

    id: int
    agent_class: str
    yard_id: int
    yard_uid: str


async def in_yards(connection: Connection, names: Collection[str]) -> dict[str, InYard]:
    """The agents of these uuids or accounts that stand in a yard, by both."""
    rows = await connection.execute(_IN_YARDS, {"names": list(names)})
    found: dict[str, InYard] = {}
    for uuid, account, *facts in rows:
        found |= {name: InYard(*facts) for name in (uuid, account) if name}
    return found


_IN_YARDS = text(
    """
    SELECT agents.uuid, agents.rbmq_username, agents.id, agents.agent_class, yards.id, yards.uid
    FROM agents JOIN yards ON yards.id = agents.yard_id
    WHERE agents.uuid = ANY(CAST(:names AS text[])) OR agents.rbmq_username = ANY(CAST(:names AS text[]))
    """
)


async def class_and_yard(connection: Connection, uuid: str) -> tuple[str, int | None]:
    """What a known agent is, and where it stands."""
    row = (await connection.execute(select(agents.c.agent_class, agents.c.yard_id).where(agents.c.uuid == uuid))).one()
    return row.agent_class, row.yard_id


async def check_in(connection: Connection, arrival: CheckIn) -> CheckedIn:
    """Write a check-in, registering the agent if it is new.

    Raises InvalidInput if the yard does not exist, Conflict if its uuid is another agent's alias.
    """
    yard = (
        await connection.execute(select(yards).where(yards.c.uid == arrival.yard_uid, yards.c.deleted_at.is_(None)))
    ).one_or_none()
    if yard is None:
        raise InvalidInput(
            f"yard {arrival.yard_uid!r} does not exist",
            field="yard_uid",
            value=arrival.yard_uid,
            remedy="create the yard first, or check in to one that exists",
        )
    new_id = await connection.scalar(
        insert(agents).values(uuid=arrival.uuid, name=arrival.uuid).on_conflict_do_nothing().returning(agents.c.id)
    )
    if new_id is not None:
        await agent_names.refuse_taken(connection, new_id, {"uuid": arrival.uuid})
    before = await follower_links.lock_with_leader(connection, uuid=arrival.uuid)
    assert before is not None
    agent_id: int = before["id"]
    changed = before["status"] != arrival.status
    values: dict[str, Any] = {
        "yard_id": yard.id,
        "protocol": arrival.protocol,
        "message_channel": arrival.uuid,
        "status": arrival.status,
        "state_at": arrival.said_at,
        "last_message_time": arrival.at,
        # Whoever checks in is about to listen; if it does not, the next message to it comes back.
        "not_listening_since": None,
        "not_listening_count": 0,
        "listen_again_at": None,
        "modified_at": func.now(),
    }
    if changed:
        values["status_since"] = arrival.at
    if arrival.public_key:
        values |= {"public_key": arrival.public_key, "public_key_format": arrival.public_key_format}
    if arrival.rbmq_username:
        values["rbmq_username"] = arrival.rbmq_username
    await connection.execute(update(agents).where(agents.c.id == agent_id).values(values))
    moved = before["yard_id"] != yard.id
    if moved and before["yard_id"] is not None:
        # A leader drives whom it stands with: with the yard go the links.
        await part(connection, agent_id, as_leader=True)
    if before["protocol"] != arrival.protocol or (moved and before["agent_class"] in account_rights.SEERS):
        await account_rights.changed(connection, [agent_id])
    also_moved = await write_profiles(connection, {agent_id: arrival.profile}, at=arrival.at)

    uuid = arrival.uuid
    new = [] if new_id is None else [_event(AgentRegistered(agent_id=agent_id, agent_uuid=uuid, yard_id=yard.id))]
    checked_in = AgentCheckedIn(
        agent_id=agent_id, agent_uuid=uuid, yard_id=yard.id, yard_uid=yard.uid, protocol=arrival.protocol
    )
    new.append(_event(checked_in))
    if changed:
        new.append(status_changed(agent_id, arrival.uuid, before["status"], arrival.status))
    await append(connection, new)
    objects = await connection.execute(
        select(map_objects.c.type, map_objects.c.metadata, map_objects.c.data)
        .where(map_objects.c.yard_id == yard.id, map_objects.c.deleted_at.is_(None))
        .order_by(map_objects.c.id)
    )
    return CheckedIn(
        agent_id=agent_id,
        yard_id=yard.id,
        yard_uid=yard.uid,
        origin={"lat": yard.lat, "lon": yard.lon, "alt": yard.alt},
        map_objects=[dict(row) for row in objects.mappings()],
        moved=frozenset({agent_id, *also_moved}),
    )


async def check_out(connection: Connection, uuid: str, at: datetime) -> int:
    """Take an agent out of its yard; returns its id. Raises NotFound, or Conflict while it is ready or busy."""
    row = await follower_links.lock_with_leader(connection, uuid=uuid)
    if row is None:
        raise NotFound(f"agent {uuid!r} is not known", field="uuid", value=uuid)
    agent_id: int = row["id"]
    if row["status"] in (AgentStatus.READY, AgentStatus.BUSY):
        raise Conflict(
            f"agent {uuid!r} is {row['status']}",
            field="status",
            value=row["status"],
            remedy="finish or cancel its mission, report `free`, then check out",
        )
    await connection.execute(
        update(agents).where(agents.c.id == agent_id).values(yard_id=None, last_message_time=at, modified_at=func.now())
    )
    if row["yard_id"] is not None:
        await part(connection, agent_id, as_leader=True)
        if row["agent_class"] in account_rights.SEERS:
            await account_rights.changed(connection, [agent_id])
        checked_out = AgentCheckedOut(agent_id=agent_id, agent_uuid=uuid, yard_id=row["yard_id"])
        await append(connection, [_event(checked_out)])
    return agent_id


async def part(connection: Connection, agent_id: int, *, as_leader: bool) -> None:
    """Take an agent from its leader, and with `as_leader` also its followers from it, with events. They are locked."""
    parted = await follower_links.part(connection, agent_id, as_leader=as_leader)
    await append(connection, [updated(leader_id, parted[leader_id], ["followers"]) for leader_id in sorted(parted)])


async def account_made(connection: Connection, used: account_rights.Standing, username: str) -> None:
    """Note that the agent has an account of its own on the broker, with the rights of one that stands so.

    If it stands otherwise by now they are noted to be set anew.
    """
    await connection.execute(
        update(agents).where(agents.c.id == used.agent_id).values(has_rbmq_account=True, rbmq_username=username)
    )
    if not used.same_rights(await account_rights.standing(connection, used.agent_id)):
        await account_rights.changed(connection, [used.agent_id])


async def write_profiles(
    connection: Connection, profiles: Mapping[int, Mapping[str, Any]], *, at: datetime | None
) -> set[int]:
    """Write what agents say of themselves, by agent id: two statements, whatever their number.

    Fields that are absent or None stay as they are. `at`: when they said it; None if another saw it. Locks the agents'
    rows in id order. Returns the agents whose lines the caller refreshes after the commit (store/waiting_line.py):
    of another type now, or with a battery that passed a limit for which a mission waits.
    """
    if not profiles:
        return set()
    rows = json.dumps([{"agent_id": agent_id, **profiles[agent_id]} for agent_id in sorted(profiles)])
    await connection.execute(_LOCK, {"ids": sorted(profiles)})
    moved = set((await connection.execute(_WRITE_AGENTS, {"rows": rows, "at": at})).scalars())
    if any(name in profile for profile in profiles.values() for name in DETAIL_FIELDS):
        crossed = (await connection.execute(_WRITE_DETAILS, {"rows": rows})).all()
        moved |= {row.id for row in crossed}
        # In this transaction, so that a claim and the batteries it is made of never differ.
        moved.update(await selectors.agents_came_or_went(connection, sorted({row.yard_id for row in crossed})))
    return moved


async def changed_fields(connection: Connection, profiles: Mapping[int, Mapping[str, Any]]) -> dict[int, list[str]]:
    """Which of the lasting fields (neither pose nor sensors) would change, by agent id; to be asked before writing."""
    lasting = [name for name in (*AGENT_FIELDS, *DETAIL_FIELDS) if name != "sensors"]
    asked = [agent_id for agent_id, profile in profiles.items() if any(name in profile for name in lasting)]
    if not asked:
        return {}
    rows = (
        await connection.execute(
            text(
                "SELECT a.id, a.name, a.code, a.agent_type, a.is_actuator, d.factsheet, d.geometry, "
                "d.sensors_data_format, d.geometry_data_format, d.data_format, d.unit, d.coordinate_frame, "
                "d.reference_point FROM agents a LEFT JOIN agent_details d ON d.agent_id = a.id "
                "WHERE a.id = ANY(CAST(:ids AS bigint[]))"
            ).columns(factsheet=_JSON, geometry=_JSON),
            {"ids": asked},
        )
    ).mappings()
    changed: dict[int, list[str]] = {}
    for row in rows:
        said = profiles[row["id"]]
        names = [name for name in lasting if said.get(name) is not None and said[name] != row[name]]
        if names:
            changed[row["id"]] = names
    return changed


def updated(agent_id: int, uuid: str, fields: Sequence[str]) -> NewEvent:
    """The event that an agent described itself anew."""
    return _event(AgentUpdated(agent_id=agent_id, agent_uuid=uuid, changed=list(fields)))


def status_changed(agent_id: int, uuid: str, before: str | None, after: str) -> NewEvent:
    """The event of an agent's new status."""
    from_ = None if before is None else AgentStatus(before)
    return _event(AgentStatusChanged(agent_id=agent_id, agent_uuid=uuid, from_=from_, to=AgentStatus(after)))


def agent_principal(uuid: str) -> Principal:
    """An agent as the one who acts."""
    return Principal(kind=PrincipalKind.AGENT, id=uuid, role="agent")


def _event(payload: AgentPayload) -> NewEvent:
    """Of what an agent says of itself."""
    uuid = payload.agent_uuid
    return event(payload, source=EventSource.agent(uuid), actor=agent_principal(uuid))


_JSON = agents.c.resources.type

_LOCK = text("SELECT id FROM agents WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY id FOR NO KEY UPDATE")

# Returns those that are of another type than the line knows.
_WRITE_AGENTS = text(
    f"""
    WITH written AS (
        UPDATE agents SET
            name = coalesce(u.name, agents.name),
            code = coalesce(u.code, agents.code),
            agent_type = coalesce(u.agent_type, agents.agent_type),
            is_actuator = coalesce(u.is_actuator, agents.is_actuator),
            x = coalesce(u.x, agents.x), y = coalesce(u.y, agents.y), z = coalesce(u.z, agents.z),
            orientations = coalesce(u.orientations, agents.orientations),
            last_message_time = greatest(agents.last_message_time, CAST(:at AS timestamptz))
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS u(
            agent_id bigint, name text, code text, agent_type text, is_actuator boolean,
            x float8, y float8, z float8, orientations float8[]
        )
        WHERE agents.id = u.agent_id
        RETURNING agents.id, agents.available AND agents.seen_as IS DISTINCT FROM {selectors.SEEN_AS} AS other
    )
    SELECT id FROM written WHERE other
    """
)

_DETAIL_TYPES = {"factsheet": "jsonb", "geometry": "jsonb", "sensors": "jsonb"}
# Returns those whose battery passes a limit. The read of `agent_details` sees them as they were before.
_WRITE_DETAILS = text(
    f"""
    WITH said AS (
        SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS u(
            agent_id bigint, {", ".join(f"{name} {_DETAIL_TYPES.get(name, 'text')}" for name in DETAIL_FIELDS)}
        )
    ), written AS (
        INSERT INTO agent_details (agent_id, {", ".join(DETAIL_FIELDS)})
        SELECT agent_id, {", ".join(DETAIL_FIELDS)} FROM said ORDER BY agent_id
        ON CONFLICT (agent_id) DO UPDATE SET
            {", ".join(f"{name} = coalesce(excluded.{name}, agent_details.{name})" for name in DETAIL_FIELDS)},
            modified_at = now()
    )
    SELECT agents.id, agents.yard_id FROM said
    JOIN agents ON agents.id = said.agent_id
    LEFT JOIN agent_details AS before ON before.agent_id = said.agent_id
    WHERE {selectors.CROSSES_A_LIMIT}
    """
)
