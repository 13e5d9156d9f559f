"""Platforms: what they say of themselves, and the commands that they take."""

import asyncio
from typing import Any

import pytest
from httpx import AsyncClient
from sqlalchemy import insert, select, update

from missions.mission_files.platform_states import PlatformState
from store import instruments
from store.database import Database
from store.device_tables import mission_files, platforms
from store.tables import events, work_processes
from store.wakeups import WakeupKind
from tests.api.conftest import RecordingWaker, created, problem, stored


@pytest.fixture
async def station(api: AsyncClient) -> AsyncClient:
    """A platform (1) with two instruments (2, 3), and a truck (4)."""
    await created(api, "/agents", {"uuid": "LJ01D", "agentClass": "platform", "alias": "PRE:LJ01D"})
    for number in ("02", "03"):
        uuid = f"SBE37_SIM_{number}"
        body = {"uuid": uuid, "agentClass": "instrument", "alias": f"PRE:{uuid}", "parentUuid": "LJ01D"}
        await created(api, "/agents", body)
    await created(api, "/agents", {"uuid": "truck-1"})
    return api


async def say(database: Database, **states: str) -> None:
    """Instruments 2 and 3 say their states; `platform`: bring it to that one."""
    async with database.transaction() as connection:
        if "platform" in states:
            state = PlatformState(states["platform"])
            await connection.execute(insert(platforms).values(agent_id=1, state=state))
        said = {int(name[1:]): state for name, state in states.items() if name != "platform"}
        await instruments.note_states(connection, said)


async def run(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            insert(work_processes).values(work_process_type_name="mission-file", status="executing", created_by={})
        )
        values = {"work_process_id": 1, "platform_id": 1, "plan_id": "m1", "content": "", "plan": {}}
        await connection.execute(insert(mission_files).values(**values, devices={}, thread_count=1))


async def test_a_platform_is_found_by_each_of_its_names(station: AsyncClient, database: Database) -> None:
    await say(database, platform="MISSION_COMMAND", i2="STREAMING")
    await run(database)
    (listed,) = (await station.get("/platforms")).json()["items"]
    for name in ("1", "LJ01D", "PRE:LJ01D"):
        assert (await station.get(f"/platforms/{name}")).json() == listed
    assert (listed["state"], listed["acceptedCommands"]) == (
        "MISSION_COMMAND",
        ["EXECUTE_RESOURCE", "RUN_MISSION", "ABORT_MISSION"],
    )
    assert [(one["alias"], one["state"]) for one in listed["instruments"]] == [
        ("PRE:SBE37_SIM_02", "STREAMING"),
        ("PRE:SBE37_SIM_03", None),
    ]
    assert listed["missions"] == [{"missionId": "m1", "workProcessId": 1}]
    for name in ("truck-1", "4", "99", "LJ02"):
        problem(await station.get(f"/platforms/{name}"), 404)


async def test_a_command_that_no_instrument_needs_is_done_at_once(station: AsyncClient, database: Database) -> None:
    await say(database, i2="INACTIVE", i3="IDLE")
    answer = await station.post("/platforms/LJ01D/commands", json={"command": "INITIALIZE"})
    assert answer.status_code == 200
    assert answer.json()["workProcessId"] is None
    assert answer.json()["platform"]["state"] == "INACTIVE"
    async with database.statement() as connection:
        told = await connection.scalar(select(events.c.payload).where(events.c.type == "agent.platform_state_changed"))
    assert told == {
        "agent_id": 1,
        "agent_uuid": "LJ01D",
        "from": "UNINITIALIZED",
        "to": "INACTIVE",
        "cause": "the command INITIALIZE",
    }


async def test_a_command_reserves_the_instruments_that_need_it(
    station: AsyncClient, database: Database, waker: RecordingWaker
) -> None:
    await say(database, platform="INACTIVE", i2="INACTIVE", i3="COMMAND")
    answer = await station.post("/platforms/LJ01D/commands", json={"command": "GO_ACTIVE"})
    assert answer.status_code == 202
    taken = answer.json()
    assert taken["platform"]["state"] == "INACTIVE"
    assert taken["platform"]["underWay"] == taken["workProcessId"]
    assert taken["platform"]["acceptedCommands"] == []
    mission = (await station.get(f"/work-processes/{taken['workProcessId']}")).json()
    assert (mission["workProcessTypeName"], mission["status"], mission["agentUuids"]) == (
        "platform-command",
        "dispatched",
        ["SBE37_SIM_02"],
    )
    assert [wakeup.kind for wakeup in waker.sent] == [WakeupKind.START_COMMAND]
    found = problem(await station.post("/platforms/LJ01D/commands", json={"command": "GO_ACTIVE"}), 409)
    assert f"work process {taken['workProcessId']}" in found["errors"][0]["remedy"]

    async with database.transaction() as connection:
        await connection.execute(update(work_processes).values(status="canceled"))
    after = (await station.get("/platforms/1")).json()
    assert (after["underWay"], after["acceptedCommands"]) == (None, ["GO_ACTIVE", "RESET"])


async def test_of_two_commands_at_once_one_is_taken(station: AsyncClient, database: Database) -> None:
    answers = await asyncio.gather(
        *(station.post("/platforms/LJ01D/commands", json={"command": "INITIALIZE"}) for _ in range(3))
    )
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409]


async def test_what_the_platform_itself_is_to_do_goes_to_its_agent(
    station: AsyncClient, database: Database, waker: RecordingWaker
) -> None:
    await say(database, platform="MISSION_STREAMING")
    body = {"command": "EXECUTE_RESOURCE", "name": "TURN_ON_PORT", "values": [1]}
    first, again = [
        await station.post("/platforms/LJ01D/commands", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)
    ]
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json()["workProcessId"] == again.json()["workProcessId"] == 1
    mission = (await station.get("/work-processes/1")).json()
    assert (mission["agentUuids"], mission["waitFreeAgent"]) == (["LJ01D"], False)
    assert len(waker.sent) == 1
    assert first.json()["platform"]["underWay"] is None


@pytest.mark.parametrize(
    ("state", "command"),
    [
        ("UNINITIALIZED", "GO_ACTIVE"),
        ("COMMAND", "INITIALIZE"),
        ("MISSION_COMMAND", "RESET"),
        ("MISSION_STREAMING", "STOP_MONITORING"),
    ],
)
async def test_a_command_that_the_state_forbids_is_refused(
    station: AsyncClient, database: Database, state: str, command: str
) -> None:
    await say(database, platform=state)
    before = await stored(database)
    found = problem(await station.post("/platforms/1/commands", json={"command": command}), 409)
    assert f"is {state}" in found["detail"]
    assert (found["errors"][0]["field"], found["errors"][0]["value"]) == ("command", command)
    assert await stored(database) == before


@pytest.mark.parametrize(
    "body",
    [
        {"command": "JUMP"},
        {"command": "RUN_MISSION"},
        {"command": "ABORT_MISSION"},
        {"command": "EXECUTE_RESOURCE"},
        {"command": "INITIALIZE", "name": "TURN_ON_PORT"},
        {"command": "INITIALIZE", "values": [1]},
        {},
    ],
)
async def test_a_command_that_is_none_is_refused(station: AsyncClient, body: dict[str, Any]) -> None:
    problem(await station.post("/platforms/1/commands", json=body), 422)
