"""What a step's service is told of the world (spec 2, HelyOSContext)."""

from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    ColumnElement,
    Text,
    any_,
    bindparam,
    cast,
    func,
    literal_column,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from store.agent_registry import CONNECTION_STATUS
from store.connection import Connection
from store.tables import agent_details, agents, service_requests, yards
from store.work_process_status import LockedWorkProcess

_AGENT_COLUMNS = (
    "uuid",
    "agent_class",
    "agent_type",
    "name",
    "message_channel",
    "public_key",
    "is_actuator",
    "status",
    "yard_id",
    "protocol",
    "operation_types",
    "x",
    "y",
    "z",
    "orientations",
    "resources",
)
_DETAIL_COLUMNS = ("reference_point", "coordinate_frame", "geometry", "data_format", "factsheet", "unit", "sensors")


_YARD = select(yards).where(yards.c.id == bindparam("of"))
# What there may be many of comes as one JSON text: to decode row by row costs Python several times as much.
_MAP_OBJECTS = text(
    """
    SELECT coalesce(json_agg(json_build_object(
        'id', id, 'yard_id', yard_id, 'type', type, 'name', name, 'data', data, 'data_format', data_format,
        'metadata', metadata, 'created_at', created_at, 'modified_at', modified_at) ORDER BY id), '[]') AS objects
    FROM map_objects
    WHERE yard_id = :of AND deleted_at IS NULL AND (:everything OR type = ANY(CAST(:types AS text[])))
    """
).columns(objects=JSON)
# Within the query of the agents, so that it costs no round trip where nobody follows.
_FOLLOWERS = """
    coalesce((
        SELECT json_agg(json_build_object(
            'id', CAST(follower.id AS text), 'uuid', follower.uuid, 'geometry', details.geometry,
            'yard_id', follower.yard_id, 'connection_geometry', link.connection_geometry) ORDER BY follower.id)
        FROM agents_interconnections AS link JOIN agents AS follower ON follower.id = link.follower_id
        LEFT JOIN agent_details AS details ON details.agent_id = follower.id WHERE link.leader_id = agents.id
    ), '[]')
    """
_POSE = "json_build_object('x', x, 'y', y, 'z', z, 'orientations', orientations)"


def _name(name: str) -> ColumnElement[str]:
    return literal_column(f"'{name}'")


_AGENT: list[ColumnElement[Any]] = [
    _name("id"),  # as text: so helyOS sends the id of an agent here
    cast(agents.c.id, Text),
    *(part for name in _AGENT_COLUMNS for part in (_name(name), agents.c[name])),
    *(part for name in _DETAIL_COLUMNS for part in (_name(name), agent_details.c[name])),
    _name("connection_status"),
    CONNECTION_STATUS.element,
    _name("follower_connections"),
    literal_column(_FOLLOWERS),
    _name("pose"),
    literal_column(_POSE),
]
_AGENTS = (
    select(
        func.coalesce(
            func.json_agg(aggregate_order_by(func.json_build_object(*_AGENT), agents.c.id)),
            literal_column("'[]'::json"),
        ).cast(JSON)
    )
    .select_from(agents)
    .outerjoin(agent_details, agent_details.c.agent_id == agents.c.id)
    .where(
        or_(
            agents.c.yard_id == bindparam("yard", type_=BigInteger),
            agents.c.id == any_(bindparam("ids", type_=ARRAY(BigInteger))),
        )
    )
)


async def step_context(connection: Connection, work_process: LockedWorkProcess, request: Any) -> dict[str, Any]:
    """The context of one service request row, as the service's `require_*` switches ask for it."""
    context: dict[str, Any] = {}
    if request["require_map_data"] and work_process.yard_id is not None:
        context["map"] = await _map(connection, work_process.yard_id, request["require_map_objects"] or [])
    # helyOS has no such key: with `require_agents_data` nobody could tell the mission's agents from the others.
    context["mission"] = {
        "id": work_process.id,
        "agent_ids": [str(agent_id) for agent_id in work_process.agent_ids],  # as in `agents`
        "agent_uuids": list(work_process.agent_uuids),
    }
    context["agents"] = await _agents(connection, work_process, request)
    context["orchestration"] = {"current_step": request["step"], "next_step": list(request["following"])}
    context["orchestation"] = context["orchestration"]  # the specification's spelling
    if request["depends_on_steps"]:
        context["dependencies"] = await _dependencies(connection, work_process, request["depends_on_steps"])
    return context


async def _map(connection: Connection, yard_id: int, wanted_types: list[str]) -> dict[str, Any]:
    yard = (await connection.execute(_YARD, {"of": yard_id})).mappings().one()
    everything = "__all__" in wanted_types
    wanted = {"of": yard_id, "everything": everything, "types": wanted_types}
    return {
        "id": yard["id"],
        "uid": yard["uid"],
        "origin": {"lat": yard["lat"], "lon": yard["lon"], "long": yard["lon"], "alt": yard["alt"]},
        "map_data": yard["map_data"],
        "data_format": yard["data_format"],
        "coordinate_frame": yard["coordinate_frame"],
        "map_objects": await connection.scalar(_MAP_OBJECTS, wanted),
    }


async def _agents(connection: Connection, work_process: LockedWorkProcess, request: Any) -> list[dict[str, Any]]:
    all_of_yard, of_mission = request["require_agents_data"], request["require_mission_agents_data"]
    if not (all_of_yard or of_mission):
        return []
    wanted = {
        "yard": work_process.yard_id if all_of_yard else None,
        "ids": work_process.agent_ids if of_mission else [],
    }
    return list((await connection.execute(_AGENTS, wanted)).scalar_one())


async def _dependencies(
    connection: Connection, work_process: LockedWorkProcess, steps: list[str]
) -> list[dict[str, Any]]:
    # A service that answers at once may give no id.
    uid = func.coalesce(service_requests.c.request_uid, cast(service_requests.c.id, Text)).label("request_uid")
    rows = await connection.execute(
        select(service_requests.c.step, uid, service_requests.c.response)
        .where(
            service_requests.c.work_process_id == work_process.id,
            service_requests.c.attempt == work_process.attempt,
            service_requests.c.step.in_(steps),
        )
        .order_by(service_requests.c.id)
    )
    return [
        {"step": row["step"], "requestUid": row["request_uid"], "response": row["response"]} for row in rows.mappings()
    ]
