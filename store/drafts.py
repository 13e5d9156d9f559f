"""Drafts: missions that are written down and not dispatched yet. What they name must exist."""

from typing import Any

from sqlalchemy import bindparam, func, insert, select, text, update

from missions.errors import Conflict, InvalidInput, NotFound
from missions.event_catalogue import event
from missions.event_payloads.work_process import WorkProcessCreated, WorkProcessUpdated
from missions.failure_policies import DEFAULT_FALLBACK
from missions.principals import Principal
from missions.priorities import Priority
from missions.recipes import refuse_too_many_agents
from missions.requests import MissionChanges, NewMission, in_order
from missions.statuses import WorkProcessStatus
from store import events, queue_places
from store.connection import Connection
from store.operation_types import REPORTED
from store.tables import work_process_types, work_processes, yards

# Columns that are stored as they were sent.
_PLAIN = (
    "data",
    "wait_free_agent",
    "description",
    "process_type",
    "operation_types_required",
    "on_assignment_failure",
    "priority",
    "max_retries",
    "sched_start_at",
)


async def create(connection: Connection, mission: NewMission, *, principal: Principal, source: str) -> int:
    """Store a draft and its event; returns its id. Raises InvalidInput for an unknown recipe, yard or agent."""
    values = {name: getattr(mission, name) for name in _PLAIN} | await _references(connection, mission)
    work_process_id: int | None = await connection.scalar(
        _INSERT, {"status": WorkProcessStatus.DRAFT, "created_by": principal.model_dump(mode="json"), **values}
    )
    assert work_process_id is not None
    created = WorkProcessCreated(
        mission_type=values["work_process_type_name"],
        yard_id=values["yard_id"],
        yard_uid=values["yard_uid"],
        agent_ids=values["agent_ids"],
        agent_uuids=values["agent_uuids"],
        priority=mission.priority.name,
    )
    new = event(created, source=source, actor=principal)
    await events.append_for_mission(connection, work_process_id, [new])
    return work_process_id


_INSERT = insert(work_processes).returning(work_processes.c.id)


async def lock_version(connection: Connection, work_process_id: int) -> int:
    """Lock a mission's row and return its version; raises NotFound."""
    version: int = (await _locked(connection, work_process_id))["version"]
    return version


async def edit(
    connection: Connection, work_process_id: int, changes: MissionChanges, *, principal: Principal, source: str
) -> None:
    """Change the given fields of a draft.

    Raises NotFound, Conflict (no draft any more), InvalidInput for an unknown recipe, yard or agent.
    """
    row = await _locked(connection, work_process_id)
    given = sorted(changes.model_fields_set & set(MissionChanges.model_fields))
    if not given:
        return
    if row["status"] != WorkProcessStatus.DRAFT:
        field, value = MissionChanges.model_fields[given[0]].alias, getattr(changes, given[0])
        raise Conflict(
            f"work process {work_process_id} is {row['status']!r}: its fields cannot change any more",
            field=field,
            value=value.name if isinstance(value, Priority) else changes.model_dump(mode="json")[given[0]],
            remedy="only a draft can be edited; cancel this mission and create a new one",
        )
    wanted = {name: getattr(changes, name) for name in _PLAIN if name in given}
    wanted |= await _references(connection, changes, row)
    changed = {name: value for name, value in wanted.items() if row[name] != value}
    if not changed:
        return
    await connection.execute(
        update(work_processes)
        .where(work_processes.c.id == work_process_id)
        .values(version=work_processes.c.version + 1, modified_at=func.now(), **changed)
    )
    updated = event(WorkProcessUpdated(changed=sorted(changed)), source=source, actor=principal)
    await events.append_for_mission(connection, work_process_id, [updated])


async def _locked(connection: Connection, work_process_id: int) -> Any:
    row = (
        (
            await connection.execute(
                select(work_processes).where(work_processes.c.id == work_process_id).with_for_update()
            )
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise NotFound(
            f"work process {work_process_id} does not exist",
            field="id",
            value=work_process_id,
            remedy="list the work processes to find its id",
        )
    return row


async def _references(connection: Connection, mission: MissionChanges, row: Any = None) -> dict[str, Any]:
    """The columns that name recipes, a yard and agents; those that were not given stay as in `row`."""
    values: dict[str, Any] = {}
    if row is None or mission.given("yard_id", "yard_uid"):
        values |= await _yard(connection, mission)
    if row is None or mission.given("agent_ids", "agent_uuids", "agent_selector"):
        values |= await _agents(connection, mission) | {"agent_selector": await _selector(connection, mission)}
    if row is None or values.keys() & {"agent_ids"} or mission.given("work_process_type_name"):
        name = mission.work_process_type_name if mission.given("work_process_type_name") else None
        recipe = await find_recipe(connection, name or row["work_process_type_name"], "workProcessTypeName")
        values |= {"work_process_type_id": recipe.id, "work_process_type_name": recipe.name}
        after = {**(row or {}), **values}
        refuse_too_many_agents(recipe.name, recipe.num_max_agents, after["agent_ids"], after["agent_selector"])
    if row is None or values.keys() & {"agent_ids"} or mission.given("operation_types_required"):
        given = row is None or mission.given("operation_types_required")
        required = mission.operation_types_required if given else row["operation_types_required"]
        await _refuse_unable(connection, required, values["agent_ids"] if "agent_ids" in values else row["agent_ids"])
    if mission.given("mission_queue_id", "run_order"):
        values |= await queue_places.resolve(connection, mission, row)
    _refuse_choice_without_reservation(mission, {**(row or {}), **values})
    _refuse_agents_without_yard({**(row or {}), **values})
    if mission.given("fallback_mission"):
        if mission.fallback_mission != DEFAULT_FALLBACK:
            await find_recipe(connection, mission.fallback_mission, "fallbackMission")
        values["fallback_mission"] = mission.fallback_mission
    return values


def _refuse_agents_without_yard(after: dict[str, Any]) -> None:
    """Agents work in a yard; a mission without agents may name none."""
    if after["yard_id"] is None and (after["agent_ids"] or after["agent_selector"] is not None):
        raise InvalidInput(
            "the mission has agents and names no yard",
            field="yardId",
            value=None,
            remedy="send `yardId` or `yardUid`; only a mission without agents needs no yard",
        )


def _refuse_choice_without_reservation(mission: MissionChanges, after: dict[str, Any]) -> None:
    """Agents are chosen by reserving them."""
    reserves = mission.wait_free_agent if mission.given("wait_free_agent") else after.get("wait_free_agent", True)
    if after.get("agent_selector") is not None and not reserves:
        raise InvalidInput(
            "`waitFreeAgent` is false, and agents are chosen when they are reserved",
            field="waitFreeAgent",
            value=False,
            remedy="leave `waitFreeAgent` out, or name the agents",
        )


async def _refuse_unable(connection: Connection, required: list[str], agent_ids: list[int]) -> None:
    """Raise InvalidInput for an agent of which we know what it can do, and that is not enough.

    One that was registered with it and does not report it now may report it again: the mission waits for that.
    """
    if not required or not agent_ids:
        return
    for agent in await connection.execute(_ABILITIES, {"ids": agent_ids}):
        lacking = sorted(set(required) - set(agent.able_to))
        if agent.able_to and lacking:
            raise InvalidInput(
                f"agent {agent.uuid!r} cannot do {', '.join(lacking)}; it can do {', '.join(agent.able_to)}",
                field="operationTypesRequired",
                value=required,
                remedy="name another agent, or add to the agent's `operationTypes`",
            )


_ABILITIES = text(
    f"SELECT uuid, operation_types || {REPORTED} AS able_to FROM agents"
    " WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY id"
)


async def find_recipe(connection: Connection, name: str, field: str) -> Any:
    """The id, name and `num_max_agents` of the recipe that a field names; raises InvalidInput naming the known ones."""
    recipe = (await connection.execute(_RECIPE, {"of": name})).one_or_none()
    if recipe is None:
        known = (
            await connection.execute(select(work_process_types.c.name).order_by(work_process_types.c.name).limit(20))
        ).scalars()
        names = ", ".join(known)
        raise InvalidInput(
            f"there is no recipe {name!r}",
            field=field,
            value=name,
            remedy=f"use one of: {names}" if names else "create a recipe first (POST /api/v1/recipes)",
        )
    return recipe


_RECIPE = select(work_process_types.c.id, work_process_types.c.name, work_process_types.c.num_max_agents).where(
    work_process_types.c.name == bindparam("of")
)


async def _yard(connection: Connection, mission: MissionChanges) -> dict[str, Any]:
    if mission.yard_id is None and mission.yard_uid is None:
        return {"yard_id": None, "yard_uid": None}
    yard = await _find_yard(connection, mission.yard_id, mission.yard_uid)
    return {"yard_id": yard.id, "yard_uid": yard.uid}


async def _find_yard(connection: Connection, yard_id: int | None, yard_uid: str | None, within: str = "") -> Any:
    """The id and uid of the yard that is named, by id, uid or both; raises InvalidInput.

    `within`: the object that the fields are in.
    """
    wanted = [
        (field, query, value)
        for field, query, value in (
            (f"{within}yardId", _YARD_OF_ID, yard_id),
            (f"{within}yardUid", _YARD_OF_UID, yard_uid),
        )
        if value is not None
    ]
    found = []
    for field, query, value in wanted:
        row = (await connection.execute(query, {"of": value})).one_or_none()
        if row is None:
            raise InvalidInput(
                f"there is no yard with {field} {value!r}",
                field=field,
                value=value,
                remedy="list the yards (GET /api/v1/yards) and use one of them",
            )
        found.append(row)
    if found[0] != found[-1]:
        raise InvalidInput(
            f"`yardId` and `yardUid` name different yards ({found[0].uid!r} and {found[1].uid!r})",
            field=f"{within}yardUid",
            value=yard_uid,
            remedy="send one of the two",
        )
    return found[0]


_YARD = select(yards.c.id, yards.c.uid).where(yards.c.deleted_at.is_(None))
_YARD_OF_ID = _YARD.where(yards.c.id == bindparam("of"))
_YARD_OF_UID = _YARD.where(yards.c.uid == bindparam("of"))


async def _selector(connection: Connection, mission: MissionChanges) -> dict[str, Any] | None:
    """The selector to store; its yard as an id. Raises InvalidInput beside named agents, and where nobody reserves."""
    selector = mission.agent_selector
    if selector is None:
        return None
    if mission.agent_ids or mission.agent_uuids:
        raise InvalidInput(
            "`agentSelector` stands beside named agents",
            field="agentSelector",
            value=selector.model_dump(mode="json", by_alias=True, exclude_unset=True),
            remedy="send either `agentSelector`, or `agentIds` or `agentUuids`",
        )
    if selector.yard_id is not None or selector.yard_uid is not None:
        yard = await _find_yard(connection, selector.yard_id, selector.yard_uid, within="agentSelector.")
        selector = selector.model_copy(update={"yard_id": yard.id, "yard_uid": yard.uid})
    return selector.model_dump(mode="json", by_alias=True)


_AGENTS = text(
    "SELECT id, uuid FROM agents WHERE id = ANY(CAST(:ids AS bigint[])) OR uuid = ANY(CAST(:uuids AS text[]))"
)


async def _agents(connection: Connection, mission: MissionChanges) -> dict[str, Any]:
    ids, uuids = in_order(mission.agent_ids), in_order(mission.agent_uuids)
    if not ids and not uuids:
        return {"agent_ids": [], "agent_uuids": []}
    rows = (await connection.execute(_AGENTS, {"ids": ids, "uuids": uuids})).all()
    by_id = {row.id: row.uuid for row in rows}
    by_uuid = {row.uuid: row.id for row in rows}
    for field, names, known in (("agentIds", ids, by_id.keys()), ("agentUuids", uuids, by_uuid.keys())):
        missing = [name for name in names if name not in known]
        if missing:
            raise InvalidInput(
                f"there is no agent {missing[0]!r}",
                field=field,
                value=missing,
                remedy="list the agents (GET /api/v1/agents), or register this one",
            )
    if ids and uuids and {by_uuid[uuid] for uuid in uuids} != set(ids):
        raise InvalidInput(
            "`agentIds` and `agentUuids` name different agents",
            field="agentUuids",
            value=uuids,
            remedy="send one of the two",
        )
    chosen = ids or [by_uuid[uuid] for uuid in uuids]
    return {"agent_ids": chosen, "agent_uuids": [by_id[agent_id] for agent_id in chosen]}
