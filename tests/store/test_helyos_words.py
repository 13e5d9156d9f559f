"""helyOS notes each `succeeded` as `completed` at once: what was written for it waits for that word."""

import json

from sqlalchemy import select

from store.assignments import dependency_results
from store.data_requests import read
from store.tables import assignments, work_processes
from tests.store.conftest import World


async def test_assistants_and_later_assignments_are_told_completed(world: World) -> None:
    async with world.database.transaction() as connection:
        yard = await connection.scalar(select(work_processes.c.yard_id).where(work_processes.c.id == world.mission))
    assert yard is not None
    await world.change(assignments, world.assignment, yard_id=yard)

    async def told(**conditions: object) -> list[str]:
        mission = {"work_process_id": world.mission}
        async with world.database.transaction() as connection:
            rows = await read(connection, "missionAssignments", mission | conditions, uuid=world.workflow, yard_id=yard)
        return [row["status"] for row in json.loads(rows)]

    assert await told() == await told(status="executing") == ["executing"]
    await world.change(assignments, world.assignment, status="succeeded")
    assert await told() == await told(status__in=["completed", "failed"]) == ["completed"]
    async with world.database.transaction() as connection:
        (dependency,) = await dependency_results(connection, [world.assignment])
    assert dependency == {"assign": world.assignment, "status": "completed", "result": None}
