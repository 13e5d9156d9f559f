"""Missions of platforms over the API: what RUN_MISSION answers, and what a reader of a mission sees."""

from typing import Any

import pytest
from httpx import AsyncClient
from sqlalchemy import insert, update

from missions.errors import Failure, FailureCode
from store.database import Database
from store.device_tables import mission_files, platforms
from store.tables import reservations, work_processes
from tests.api.conftest import created, problem, stored

MISSION = """\
platform: {platformID: LJ01D}
mission:
  - instrumentID: [PRE:CTD_1]
    schedule: {startTime: 2014-07-18, loop: {quantity: %s}}
    missionSequence: [command: execute_resource(ACQUIRE_SAMPLE)]
"""


@pytest.fixture
async def station(api: AsyncClient, database: Database) -> AsyncClient:
    """A platform (1) in COMMAND with two instruments (2, 3); another platform (4)."""
    yard = (await created(api, "/yards", {"uid": "sea", "name": "Sea"}))["id"]
    await created(api, "/agents", {"uuid": "LJ01D", "agentClass": "platform", "yardId": yard})
    for uuid in ("CTD_1", "CTD_2"):
        body = {"uuid": uuid, "agentClass": "instrument", "alias": f"PRE:{uuid}", "parentUuid": "LJ01D"}
        await created(api, "/agents", body | {"yardId": yard})
    await created(api, "/agents", {"uuid": "LJ02", "agentClass": "platform"})
    async with database.transaction() as connection:
        await connection.execute(insert(platforms).values(agent_id=1, state="COMMAND"))
    return api


async def run(api: AsyncClient, quantity: str = "1.5") -> dict[str, Any]:
    body = {"missionId": "m1", "missionYaml": MISSION % quantity}
    answer = await api.post("/platforms/LJ01D/missions", json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_the_answer_to_a_run_has_the_warnings_of_its_file(station: AsyncClient) -> None:
    started = await run(station)
    checked = await station.post("/mission-files/validate", json={"content": MISSION % "1.5", "platformId": "LJ01D"})
    assert started["warnings"] == checked.json()["warnings"]
    assert [warning["text"] for warning in started["warnings"]] == ["1.5"]
    shown = (await station.get("/platforms/LJ01D/missions/m1")).json()
    assert {**shown, "warnings": started["warnings"]} == started


async def test_a_file_without_warnings_says_so(station: AsyncClient) -> None:
    assert (await run(station, "1"))["warnings"] == []


async def test_the_failure_of_a_mission_has_the_same_keys_as_its_work_process(
    station: AsyncClient, database: Database
) -> None:
    started = await run(station)
    failure = Failure(code=FailureCode.ASSIGNMENT_FAILED, text="no", assignment_id=7, agent_id=2)
    async with database.transaction() as connection:
        values = {"status": "failed", "failure": failure.model_dump(mode="json")}
        await connection.execute(update(work_processes).values(**values))
    shown = (await station.get("/platforms/LJ01D/missions/m1")).json()["failure"]
    assert (shown["agentId"], shown["assignmentId"]) == (2, 7)
    assert shown == (await station.get(f"/work-processes/{started['workProcessId']}")).json()["failure"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"parentUuid": "LJ02"}, "parentUuid"),
        ({"parentId": 4}, "parentId"),
        ({"parentId": None}, "parentId"),
        ({"alias": None}, "alias"),
        ({"alias": "PRE:OTHER"}, "alias"),
        ({"agentClass": "vehicle", "parentId": None}, "parentId"),
    ],
)
async def test_an_instrument_of_a_running_mission_stays_what_it_is(
    station: AsyncClient, database: Database, body: dict[str, Any], field: str
) -> None:
    await run(station)
    before = await stored(database)
    (error,) = problem(await station.patch("/agents/2", json=body), 409)["errors"]
    assert (error["field"], error["value"]) == (field, body[field])
    assert "mission file m1 of platform LJ01D (work process 1)" in error["detail"]
    assert "abort it" in error["remedy"]
    assert await stored(database) == before
    assert (await station.patch("/agents/2", json={"name": "CTD"})).status_code == 200
    assert (await station.patch("/agents/3", json=body)).status_code == 200  # it is not in the mission


async def test_when_the_mission_has_ended_the_instrument_may_change(station: AsyncClient, database: Database) -> None:
    await run(station)
    async with database.transaction() as connection:
        await connection.execute(update(mission_files).values(running=False))
    moved = await station.patch("/agents/2", json={"parentUuid": "LJ02", "alias": None})
    assert moved.json()["parentUuid"] == "LJ02"


async def test_an_instrument_that_any_mission_holds_keeps_its_class(station: AsyncClient, database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            insert(work_processes).values(work_process_type_name="driving", status="executing", created_by={})
        )
        await connection.execute(insert(reservations).values(agent_id=2, work_process_id=1, attempt=1))
    (error,) = problem(await station.patch("/agents/2", json={"agentClass": "vehicle", "parentId": None}), 409)[
        "errors"
    ]
    assert (error["field"], "work process 1" in error["detail"]) == ("agentClass", True)
    assert (await station.patch("/agents/2", json={"parentUuid": "LJ02"})).status_code == 200
