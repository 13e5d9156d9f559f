"""Platforms and instruments among the agents: their class, alias and family."""

from typing import Any

import pytest
from httpx import AsyncClient
from sqlalchemy import insert, select

from store import instruments
from store.database import Database
from store.device_tables import mission_files
from store.tables import events, work_processes
from tests.api.conftest import created, problem, stored

PLATFORM = {"uuid": "LJ01D", "agentClass": "platform"}
INSTRUMENT = {"uuid": "SBE37_SIM_02", "agentClass": "instrument", "alias": "PRE:SBE37_SIM_02"}


@pytest.fixture
async def station(api: AsyncClient) -> AsyncClient:
    """A platform (1) with an instrument (2), and a truck (3)."""
    await created(api, "/agents", PLATFORM)
    await created(api, "/agents", INSTRUMENT | {"parentUuid": "LJ01D"})
    await created(api, "/agents", {"uuid": "truck-1"})
    return api


async def test_an_instrument_has_an_alias_and_a_platform(station: AsyncClient, database: Database) -> None:
    async with database.transaction() as connection:
        await instruments.note_states(connection, {2: "IDLE"})
    platform, instrument, truck = (await station.get("/agents")).json()["items"]
    assert (platform["agentClass"], platform["platformState"], platform["instrumentState"]) == (
        "platform",
        "UNINITIALIZED",
        None,
    )
    assert {name: instrument[name] for name in INSTRUMENT} == INSTRUMENT
    assert (instrument["parentId"], instrument["parentUuid"]) == (1, "LJ01D")
    assert (instrument["instrumentState"], instrument["platformState"]) == ("IDLE", None)
    assert (truck["alias"], truck["parentId"], truck["platformState"]) == (None, None, None)
    assert (await station.get("/agents/2")).json()["parentUuid"] == "LJ01D"
    of_platform = (await station.get("/agents", params={"parentId": 1})).json()["items"]
    assert [agent["uuid"] for agent in of_platform] == ["SBE37_SIM_02"]


async def test_an_instrument_is_moved_to_another_platform_and_to_none(station: AsyncClient, database: Database) -> None:
    await created(station, "/agents", PLATFORM | {"uuid": "LJ02"})
    for sent, parent in (({"parentId": 4}, "LJ02"), ({"parentUuid": "LJ01D"}, "LJ01D"), ({"parentUuid": None}, None)):
        moved = await station.patch("/agents/2", json=sent)
        assert moved.json()["parentUuid"] == parent
    async with database.statement() as connection:
        told = await connection.execute(select(events.c.payload).where(events.c.type == "agent.updated"))
        assert [payload["changed"] for payload in told.scalars()] == [["parent_id"]] * 3
    assert (await station.patch("/agents/1", json={"agentClass": "vehicle"})).status_code == 200  # nobody hangs on it


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"agentClass": "instrument", "parentId": 3}, 422, "parentId"),
        ({"agentClass": "instrument", "parentUuid": "truck-1"}, 422, "parentUuid"),
        ({"agentClass": "instrument", "parentId": 99}, 422, "parentId"),
        ({"agentClass": "instrument", "parentUuid": "LJ99"}, 422, "parentUuid"),
        ({"parentId": 1}, 422, "parentId"),
        ({"parentUuid": "LJ01D"}, 422, "parentUuid"),
        ({"agentClass": "instrument", "parentId": 1, "parentUuid": "LJ01D"}, 422, None),
        ({"alias": "PRE:SBE37_SIM_02"}, 409, "alias"),
        ({"alias": "SBE37_SIM_02"}, 409, "alias"),  # in a mission file, the same as with PRE:
        ({"alias": "PRE:LJ01D"}, 409, "alias"),
        ({"alias": "LJ01D"}, 409, "alias"),
        ({"alias": "1"}, 422, "alias"),  # it would be read as an id
        ({"alias": "two words"}, 422, "alias"),
        ({"alias": "a,b"}, 422, "alias"),
        ({"alias": ""}, 422, "alias"),
    ],
)
async def test_an_unfit_family_or_alias_is_refused(
    station: AsyncClient, database: Database, body: dict[str, Any], status: int, field: str | None
) -> None:
    before = await stored(database)
    for answer in (
        await station.post("/agents", json={"uuid": "new"} | body),
        await station.patch("/agents/3", json=body),
    ):
        errors = problem(answer, status)["errors"]
        assert field is None or [error["field"] for error in errors] == [field]
    assert await stored(database) == before


async def test_a_uuid_that_is_the_alias_of_another_agent_is_refused(station: AsyncClient, database: Database) -> None:
    await created(station, "/agents", {"uuid": "ctd", "alias": "PRE:CTD_1"})
    before = await stored(database)
    (error,) = problem(await station.post("/agents", json={"uuid": "CTD_1"}), 409)["errors"]
    assert (error["field"], error["value"]) == ("uuid", "CTD_1")
    assert "agent ctd (alias PRE:CTD_1)" in error["detail"]
    assert await stored(database) == before
    assert (await station.patch("/agents/4", json={"alias": "CTD_1"})).status_code == 200  # its own


async def test_a_platform_with_instruments_or_missions_stays_one(station: AsyncClient, database: Database) -> None:
    found = problem(await station.patch("/agents/1", json={"agentClass": "vehicle"}), 409)
    assert found["errors"][0]["field"] == "agentClass"
    problem(await station.patch("/agents/2", json={"agentClass": "vehicle"}), 422)
    assert (await station.patch("/agents/2", json={"agentClass": "vehicle", "parentId": None})).status_code == 200
    async with database.transaction() as connection:
        await connection.execute(
            insert(work_processes).values(work_process_type_name="mission-file", status="executing", created_by={})
        )
        run = {
            "work_process_id": 1,
            "platform_id": 1,
            "plan_id": "m",
            "content": "",
            "plan": {},
            "devices": {},
            "thread_count": 1,
        }
        await connection.execute(insert(mission_files).values(**run))
    problem(await station.patch("/agents/1", json={"agentClass": "vehicle"}), 409)
