"""What a step's service is told of the world (spec 2, HelyOSContext)."""

from typing import Any

from sqlalchemy import or_, select

from store.database import Connection
from store.tables import agent_details, agents, map_objects, service_requests, yards
from store.work_process_status import LockedWorkProcess

_AGENT_COLUMNS = (
    "id",
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


async def step_context(connection: Connection, work_process: LockedWorkProcess, request: Any) -> dict[str, Any]:
    """The context of one service request row, as the service's `require_*` switches ask for it."""
    context: dict[str, Any] = {}
    if request["require_map_data"]:
        context["map"] = await _map(connection, work_process.yard_id, request["require_map_objects"] or [])
    context["agents"] = await _agents(connection, work_process, request)
    context["orchestration"] = await _orchestration(connection, work_process, request["step"])
    context["orchestation"] = context["orchestration"]  # the specification's spelling
    if request["depends_on_steps"]:
        context["dependencies"] = await _dependencies(connection, work_process, request["depends_on_steps"])
    return context


async def _map(connection: Connection, yard_id: int, wanted_types: list[str]) -> dict[str, Any]:
    yard = (await connection.execute(select(yards).where(yards.c.id == yard_id))).mappings().one()
    wanted = select(map_objects).where(map_objects.c.yard_id == yard_id, map_objects.c.deleted_at.is_(None))
    if "__all__" not in wanted_types:
        wanted = wanted.where(map_objects.c.type.in_(wanted_types))
    rows = (await connection.execute(wanted.order_by(map_objects.c.id))).mappings()
    return {
        "id": yard["id"],
        "uid": yard["uid"],
        "origin": {"lat": yard["lat"], "lon": yard["lon"], "long": yard["lon"], "alt": yard["alt"]},
        "map_data": yard["map_data"],
        "data_format": yard["data_format"],
        "coordinate_frame": yard["coordinate_frame"],
        "map_objects": [
            {name: row[name] for name in ("id", "yard_id", "type", "name", "data", "data_format", "metadata")}
            for row in rows
        ],
    }


async def _agents(connection: Connection, work_process: LockedWorkProcess, request: Any) -> list[dict[str, Any]]:
    conditions = []
    if request["require_agents_data"]:
        conditions.append(agents.c.yard_id == work_process.yard_id)
    if request["require_mission_agents_data"] or request["require_agents_data"]:
        conditions.append(agents.c.id.in_(work_process.agent_ids))
    if not conditions:
        return []
    rows = await connection.execute(
        select(*(agents.c[name] for name in _AGENT_COLUMNS), *(agent_details.c[name] for name in _DETAIL_COLUMNS))
        .outerjoin(agent_details, agent_details.c.agent_id == agents.c.id)
        .where(or_(*conditions))
        .order_by(agents.c.id)
    )
    # helyOS sends the id of an agent as text here.
    return [
        dict(row)
        | {
            "id": str(row["id"]),
            "pose": {"x": row["x"], "y": row["y"], "z": row["z"], "orientations": row["orientations"]},
        }
        for row in rows.mappings()
    ]


async def _orchestration(connection: Connection, work_process: LockedWorkProcess, step: str) -> dict[str, Any]:
    following = await connection.execute(
        select(service_requests.c.step).where(
            service_requests.c.work_process_id == work_process.id,
            service_requests.c.attempt == work_process.attempt,
            service_requests.c.depends_on_steps.any(step),
        )
    )
    return {"current_step": step, "next_step": list(following.scalars())}


async def _dependencies(
    connection: Connection, work_process: LockedWorkProcess, steps: list[str]
) -> list[dict[str, Any]]:
    rows = await connection.execute(
        select(service_requests.c.step, service_requests.c.request_uid, service_requests.c.response)
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
