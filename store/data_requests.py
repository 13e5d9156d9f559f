"""What agents may read by name (helyOS's data requests): one statement each, rows as helyOS names their columns.

Secrets (keys, accounts, permissions) are in none of them. PostgreSQL makes the JSON: thousands of rows would hold up
the process that asks, and all that it does beside.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Select,
    Text,
    any_,
    case,
    cast,
    func,
    literal,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from missions.errors import InvalidInput, TooLarge
from missions.requests import MAX_ID
from missions.statuses import AssignmentStatus, WorkProcessStatus
from store.agent_registry import CONNECTION_STATUS
from store.connection import Connection
from store.tables import (
    agent_details,
    agents,
    agents_interconnections,
    assignments,
    map_objects,
    reservations,
    work_processes,
    yards,
)

MOST_ROWS = 10_000
"""More are refused: who asks should say what it wants."""
MOST_BYTES = 8 * 1024 * 1024
"""Of an answer; RabbitMQ 4 takes messages of 16 MiB."""

_AGENT = (
    *(
        agents.c[name]
        for name in [
            "id",
            "uuid",
            "yard_id",
            "name",
            "code",
            "description",
            "agent_class",
            "agent_type",
            "protocol",
            "is_actuator",
            "operation_types",
            "acknowledge_reservation",
            "status",
            "last_message_time",
            "x",
            "y",
            "z",
            "orientations",
            "resources",
            "created_at",
            "modified_at",
        ]
    ),
    CONNECTION_STATUS,
    reservations.c.work_process_id,
    *(
        agent_details.c[name]
        for name in ["factsheet", "geometry", "sensors", "data_format", "unit", "coordinate_frame", "reference_point"]
    ),
)
_AGENTS = select(*_AGENT).select_from(
    agents.outerjoin(reservations, reservations.c.agent_id == agents.c.id).outerjoin(
        agent_details, agent_details.c.agent_id == agents.c.id
    )
)
_MISSIONS = select(
    *(
        work_processes.c[name]
        for name in [
            "id",
            "work_process_type_id",
            "work_process_type_name",
            "status",
            "description",
            "process_type",
            "yard_id",
            "yard_uid",
            "data",
            "agent_ids",
            "agent_uuids",
            "operation_types_required",
            "wait_free_agent",
            "on_assignment_failure",
            "fallback_mission",
            "sched_start_at",
            "started_at",
            "ended_at",
            "created_at",
            "modified_at",
        ]
    )
)
# Assistants written for helyOS wait for its word.
_STATUS = case(
    *((assignments.c.status == word.value, word.in_helyos) for word in AssignmentStatus if word.in_helyos != word),
    else_=assignments.c.status,
).label("status")
_ASSIGNMENTS = select(
    *(
        _STATUS if name == "status" else assignments.c[name]
        for name in [
            "id",
            "work_process_id",
            "yard_id",
            "service_request_id",
            "agent_id",
            "data",
            "context",
            "result",
            "status",
            "error",
            "start_time_stamp",
            "depend_on_assignments",
            "next_assignments",
            "on_assignment_failure",
            "fallback_mission",
            "created_at",
            "modified_at",
        ]
    )
)


def _yards(own_id: int) -> Select[Any]:
    """All yards, the map data of one's own only: each may be megabytes."""
    map_data = case((yards.c.id == own_id, yards.c.map_data)).label("map_data")
    columns = (map_data if column.name == "map_data" else column for column in yards.c if column.name != "deleted_at")
    return select(*columns).where(yards.c.deleted_at.is_(None))


_OBJECTS = select(*(column for column in map_objects.c if column.name != "deleted_at")).where(
    map_objects.c.deleted_at.is_(None)
)


def _of_yard(query: Select[Any], table: Any, yard_id: int) -> Select[Any]:
    return query.where(table.c.yard_id == yard_id)


async def read(connection: Connection, name: str, conditions: Mapping[str, Any], *, uuid: str, yard_id: int) -> str:
    """The rows of a named query as a JSON list, for the agent `uuid` that stands in a yard.

    Raises InvalidInput, TooLarge.
    """
    query, table = _query(name, dict(conditions), uuid, yard_id)
    found = query.order_by(table.c.id).limit(MOST_ROWS + 1).subquery("found")
    rows: Any = func.json_agg(aggregate_order_by(literal_column("found"), found.c.id))
    answer = select(
        func.count().label("count"), cast(func.coalesce(rows, literal_column("'[]'")), Text).label("rows")
    ).select_from(found)
    one = answer.subquery()
    fits = func.octet_length(one.c.rows) <= MOST_BYTES
    count, text = (await connection.execute(select(one.c.count, case((fits, one.c.rows))))).one()
    _refuse_many(count)
    if text is None:
        raise TooLarge(f"more than {MOST_BYTES} bytes", field="conditions", remedy="narrow it by conditions")
    return str(text)


async def map_object_ids(connection: Connection, conditions: Mapping[str, Any], *, yard_id: int) -> list[int]:
    """The ids that `allMapObjects` would give. Raises InvalidInput, TooLarge."""
    query = _where(_of_yard(_OBJECTS, map_objects, yard_id), map_objects, conditions)
    ids = query.with_only_columns(map_objects.c.id).order_by(map_objects.c.id).limit(MOST_ROWS + 1)
    found = list((await connection.execute(ids)).scalars())
    _refuse_many(len(found))
    return found


def _refuse_many(count: int) -> None:
    if count > MOST_ROWS:
        raise TooLarge(f"more than {MOST_ROWS} rows", field="conditions", remedy="narrow it by conditions")


def _query(name: str, conditions: dict[str, Any], uuid: str, yard_id: int) -> tuple[Select[Any], Any]:
    match name:
        case "allYards":
            return _where(_yards(yard_id), yards, conditions), yards
        case "allAgents":
            return _where(_of_yard(_AGENTS, agents, yard_id), agents, conditions), agents
        case "allLeaders" | "allFollowers":
            asked = conditions.pop("uuid", uuid)
            return _where(_of_yard(_linked(name, asked), agents, yard_id), agents, conditions), agents
        case "allMapObjects":
            return _where(_of_yard(_OBJECTS, map_objects, yard_id), map_objects, conditions), map_objects
        case "allExecutingMissions" | "executingMissions":
            running = _of_yard(_MISSIONS, work_processes, yard_id).where(
                work_processes.c.status == WorkProcessStatus.EXECUTING
            )
            return _where(running, work_processes, conditions), work_processes
        case "missionsById":
            if not conditions.keys() & {"id", "id__in"}:
                raise InvalidInput("no mission is named", field="conditions", value=conditions, remedy="send `id`")
            return _where(_of_yard(_MISSIONS, work_processes, yard_id), work_processes, conditions), work_processes
        case _:  # the assignments of a mission, by three names
            given = [conditions.pop(key) for key in ("id", "mission_id", "work_process_id") if key in conditions]
            if not given:
                raise InvalidInput(
                    "no mission is named", field="conditions", value=conditions, remedy="send `work_process_id`"
                )
            conditions["work_process_id"] = given[-1]
            return _where(_of_yard(_ASSIGNMENTS, assignments, yard_id), assignments, conditions), assignments


def _linked(name: str, uuid: Any) -> Select[Any]:
    link, other = agents_interconnections, agents.alias()
    mine, theirs = link.c.leader_id, link.c.follower_id
    if name == "allLeaders":
        mine, theirs = theirs, mine
    named = select(theirs).join(other, other.c.id == mine).where(other.c.uuid == cast(str(uuid), Text))
    return _AGENTS.where(agents.c.id.in_(named))


def _where(query: Select[Any], table: Any, conditions: Mapping[str, Any]) -> Select[Any]:
    """Each condition is a column's value as it is answered, or with `__in` a list of them."""
    answered = query.selected_columns
    selected = set(answered.keys()) & set(table.c.keys())
    for key, value in conditions.items():
        name = key.removesuffix("__in")
        column = answered[name] if name in selected else None
        if column is None:
            raise InvalidInput(
                f"there is no column {name!r}",
                field=f"conditions.{key}",
                value=value,
                remedy=f"use some of {', '.join(sorted(selected))}",
            )
        query = query.where(_equals(column, key, value))
    return query


def _equals(column: Any, key: str, value: Any) -> ColumnElement[bool]:
    if value is None:
        return column.is_(None)  # type: ignore[no-any-return]  # a column by name is Any
    values = value if key.endswith("__in") and isinstance(value, list) else [value]
    is_id = isinstance(column.type, BigInteger)
    try:
        if not is_id and not all(isinstance(each, str) for each in values):
            raise ValueError
        wanted: list[Any] = [int(each) if is_id else each for each in values]
        if is_id and any(abs(each) > MAX_ID for each in wanted):
            raise ValueError
        if not is_id and any("\0" in each for each in wanted):
            raise ValueError
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInput(
            f"{key!r} cannot be compared with {value!r}",
            field=f"conditions.{key}",
            value=value,
            remedy="compare ids with numbers, and columns of text with text",
        ) from error
    compared = column if is_id else cast(column, Text)
    return compared == any_(literal(wanted, ARRAY(BigInteger if is_id else Text)))
