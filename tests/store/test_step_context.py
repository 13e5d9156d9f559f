"""What a step's service is told of agents and of the map."""

import secrets
from types import SimpleNamespace
from typing import Any

from sqlalchemy import insert

from store.database import Database
from store.step_context import step_context
from store.tables import agents, map_objects, service_requests, work_processes, yards


async def made(database: Database, table: Any, **values: Any) -> int:
    async with database.transaction() as connection:
        return int(await connection.scalar(insert(table).values(**values).returning(table.c.id)) or 0)


async def context(database: Database, yard: int, mine: list[int], **switches: bool) -> Any:
    request = {"require_map_data": False, "require_map_objects": ["__all__"], "step": "A", "following": []}
    request |= {"require_agents_data": False, "require_mission_agents_data": False, "depends_on_steps": []} | switches
    mission: Any = SimpleNamespace(id=7, yard_id=yard, agent_ids=mine, agent_uuids=[f"truck-{one}" for one in mine])
    async with database.statement() as connection:
        return await step_context(connection, mission, request)


async def test_each_switch_brings_its_agents_and_no_others(database: Database) -> None:
    here, elsewhere = [await made(database, yards, uid=secrets.token_hex(6)) for _ in range(2)]
    standing = await made(database, agents, uuid=secrets.token_hex(6), yard_id=here)
    mine = await made(database, agents, uuid=secrets.token_hex(6), yard_id=elsewhere)

    async def shown(**switches: bool) -> list[str]:
        return [one["id"] for one in (await context(database, here, [mine], **switches))["agents"]]

    assert await shown(require_agents_data=True) == [str(standing)]
    assert await shown(require_mission_agents_data=True) == [str(mine)]
    assert await shown(require_agents_data=True, require_mission_agents_data=True) == [str(standing), str(mine)]
    assert await shown() == []


async def test_a_planner_can_tell_whose_mission_it_is(database: Database) -> None:
    here = await made(database, yards, uid=secrets.token_hex(6))
    mine, other = [await made(database, agents, uuid=secrets.token_hex(6), yard_id=here) for _ in range(2)]
    told = await context(database, here, [mine], require_agents_data=True, require_mission_agents_data=True)
    assert told["mission"] == {"id": 7, "agent_ids": [str(mine)], "agent_uuids": [f"truck-{mine}"]}
    assert [one["id"] for one in told["agents"]] == [str(mine), str(other)]


async def test_map_objects_are_whole_rows_in_order(database: Database) -> None:
    yard = await made(database, yards, uid=secrets.token_hex(6))
    ids = [await made(database, map_objects, yard_id=yard, type=kind, data={"x": 1.5}) for kind in ("wall", "gate")]
    objects = (await context(database, yard, [], require_map_data=True))["map"]["map_objects"]
    assert [one["id"] for one in objects] == ids
    assert set(objects[0]) == {column.name for column in map_objects.c} - {"deleted_at"}
    assert objects[0]["created_at"].endswith("+00:00")


async def test_each_step_before_has_an_id_also_where_its_service_gave_none(database: Database) -> None:
    yard = await made(database, yards, uid=secrets.token_hex(6))
    mission = await made(
        database,
        work_processes,
        work_process_type_name="t",
        status="calculating",
        yard_id=yard,
        yard_uid="y",
        created_by={},
    )
    step = {"work_process_id": mission, "attempt": 1, "uses": "microservice", "preset": {}, "status": "ready"}
    await made(database, service_requests, **step, step="A", request_uid="job")
    without = await made(database, service_requests, **step, step="B")
    request = {"require_map_data": False, "require_agents_data": False, "require_mission_agents_data": False}
    asks = request | {"step": "C", "following": [], "depends_on_steps": ["A", "B"]}
    row: Any = SimpleNamespace(id=mission, attempt=1, yard_id=yard, agent_ids=[], agent_uuids=[])
    async with database.statement() as connection:
        told = (await step_context(connection, row, asks))["dependencies"]
    assert [(one["step"], one["requestUid"]) for one in told] == [("A", "job"), ("B", str(without))]
