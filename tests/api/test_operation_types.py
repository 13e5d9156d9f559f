"""What agents can do, by what they report and by what they were registered with."""

from typing import Any

import pytest
from httpx import AsyncClient
from sqlalchemy import select, update

from store.database import Database
from store.tables import agents
from store.waiting_line import agents_with_missed_grants, refresh_lines
from tests.api.conftest import MISSION, problem


async def knows(database: Database, registered: list[str], resources: Any) -> None:
    """Agent 1 is free, was registered with some types and reported something."""
    async with database.transaction() as connection:
        values = {"operation_types": registered, "resources": resources, "status": "free"}
        await connection.execute(update(agents).where(agents.c.id == 1).values(values))


@pytest.mark.parametrize(
    ("registered", "resources", "status"),
    [
        ([], None, 201),
        ([], {"operation_types_available": []}, 201),
        ([], {"operation_types_available": "weld"}, 201),
        (["drive"], None, 422),
        ([], {"operation_types_available": ["drive"]}, 422),
        ([], {"operation_types_available": ["drive", "weld"]}, 201),
        (["weld"], {"operation_types_available": ["drive"]}, 201),
    ],
)
async def test_only_what_is_known_to_be_impossible_is_refused(
    world: AsyncClient, database: Database, registered: list[str], resources: Any, status: int
) -> None:
    await knows(database, registered, resources)
    answer = await world.post("/work-processes", json=MISSION | {"operationTypesRequired": ["weld"]})
    if status == 422:
        assert problem(answer, 422)["errors"][0]["field"] == "operationTypesRequired"
    assert answer.status_code == status, answer.text


async def test_what_an_agent_reports_counts_before_what_it_was_registered_with(
    world: AsyncClient, database: Database
) -> None:
    for registered, reported, able_to in (
        (["weld"], [], ["weld"]),
        (["weld"], ["drive"], ["drive"]),
        (["weld"], [None, "lift"], ["lift"]),
    ):
        await knows(database, registered, {"operation_types_available": reported})
        async with database.transaction() as connection:
            assert await agents_with_missed_grants(connection) == [1]
        await refresh_lines(database, [1])
        async with database.transaction() as connection:
            assert await connection.scalar(select(agents.c.able_to).where(agents.c.id == 1)) == able_to
            assert await agents_with_missed_grants(connection) == []
