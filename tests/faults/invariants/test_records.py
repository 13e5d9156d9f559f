"""Each question is shown to find bad rows, and no good ones."""

import secrets
from datetime import timedelta
from typing import Any

import pytest

from faults.invariants.records import SeenRun, faults_in_database, runs_wrong
from missions.events import utc_now
from settings import Settings
from store.database import Database
from store.tables import agents, events, reservations, work_processes
from tests.support.rows import Rows

LONG_AGO = timedelta(minutes=2)


class World(Rows):
    """Missions that have ended long ago, unless a test says otherwise."""

    def __init__(self, database: Database, settings: Settings) -> None:
        super().__init__(database)
        self._url = settings.database_url

    async def mission(self, status: str = "succeeded", **values: Any) -> int:
        ended = {"ended_at": utc_now() - LONG_AGO} if status in ("succeeded", "failed", "canceled") else {}
        fields = {"work_process_type_name": "drive", "created_by": {}, "attempt": 1, **ended, **values}
        return await self.made(work_processes, status=status, **fields)

    async def event(self, mission: int, number: int, kind: str = "task.completed", **values: Any) -> None:
        fields: dict[str, Any] = {
            "uuid": f"00000000-0000-0000-0000-{secrets.token_hex(6)}",
            "source": "test",
            "timestamp": utc_now(),
            "payload": {},
            "severity": "INFO",
            "actor": {},
            "source_module": "test",
            "attempt": 1,
        }
        row = {**fields, "work_process_id": mission, "mission_sequence": number, "type": kind, **values}
        await self.made(events, **row)

    async def faults(self, *accepted: int) -> list[str]:
        return list(await faults_in_database(self._url, dict.fromkeys(accepted, "drive")))


@pytest.fixture
async def world(database: Database, settings: Settings) -> World:
    return World(database, settings)


async def test_a_good_mission_is_passed(world: World) -> None:
    uuid = secrets.token_hex(6)
    await world.made(agents, uuid=uuid, status="free")
    mission = await world.mission()
    await world.event(mission, 1, "task.created")
    await world.event(mission, 2)
    found = [fault for fault in await world.faults(mission) if f"mission {mission}" in fault or uuid in fault]
    assert found == []


async def test_an_agent_that_an_ended_mission_holds_is_found(world: World) -> None:
    uuid = secrets.token_hex(6)
    agent = await world.made(agents, uuid=uuid, status="free")
    mission = await world.mission()
    async with world.database.transaction() as connection:
        await connection.execute(reservations.insert().values(agent_id=agent, work_process_id=mission, attempt=1))
    assert f"agent {uuid} is held by mission {mission}, which is succeeded" in await world.faults()


@pytest.mark.parametrize("status", ["ready", "busy"])
async def test_an_agent_that_is_not_free_though_nobody_has_it_is_found(world: World, status: str) -> None:
    uuid = secrets.token_hex(6)
    agent = await world.made(agents, uuid=uuid, status=status)
    assert f"agent {uuid} is {status} (in service), though no mission has it" in await world.faults()
    mission = await world.mission("executing")
    async with world.database.transaction() as connection:
        await connection.execute(reservations.insert().values(agent_id=agent, work_process_id=mission, attempt=1))
    assert not [fault for fault in await world.faults() if uuid in fault]


async def test_an_agent_that_stays_out_of_service_is_found(world: World) -> None:
    uuid = secrets.token_hex(6)
    await world.made(agents, uuid=uuid, status="free", quarantined_since=utc_now(), quarantine_reason="silent")
    assert f"agent {uuid} is free (silent), though no mission has it" in await world.faults()


async def test_a_gap_in_a_missions_events_is_found(world: World) -> None:
    mission = await world.mission()
    await world.event(mission, 1, "task.created")
    await world.event(mission, 3)
    assert f"mission {mission}: 2 events, the last one's mission_sequence is 3" in await world.faults()


async def test_two_last_events_of_an_attempt_are_found_and_none_too(world: World) -> None:
    twice, never = await world.mission(), await world.mission()
    await world.event(twice, 1)
    await world.event(twice, 2, "task.failed")
    await world.event(never, 1, "task.completed", attempt=0)
    found = await world.faults()
    assert f"mission {twice} is succeeded with 2 last events of attempt 1" in found
    assert f"mission {never} is succeeded with 0 last events of attempt 1" in found


async def test_a_gap_in_the_log_is_found(world: World) -> None:
    mission = await world.mission()
    first = secrets.randbelow(10**6)
    await world.event(mission, 1, "task.created", sequence=first)
    await world.event(mission, 2, sequence=first + 2)
    assert [fault for fault in await world.faults() if "the log's sequence has gaps" in fault]


async def test_an_event_that_never_gets_its_place_is_found(world: World) -> None:
    mission = await world.mission()
    await world.event(mission, 1, timestamp=utc_now() - LONG_AGO)
    assert [fault for fault in await world.faults() if "has no place in the log" in fault]


async def test_an_accepted_mission_that_is_not_there_is_found(world: World) -> None:
    assert "mission 987654321 (drive) was accepted and is lost" in await world.faults(987654321)


async def test_each_attempt_has_one_last_event(world: World) -> None:
    good, bad = await world.mission(attempt=2), await world.mission("canceled", attempt=2)
    await world.event(good, 1, "task.failed", payload={"will_retry": True})
    await world.event(good, 2, attempt=2)
    await world.event(bad, 1, "task.failed", payload={"will_retry": True}, attempt=2)
    await world.event(bad, 2, "task.cancelled", attempt=2)
    found = await world.faults()
    assert not [fault for fault in found if f"mission {good} is" in fault]
    assert [fault for fault in found if f"mission {bad} is" in fault] == [
        f"mission {bad} is canceled with 0 last events of attempt 1"
    ]


async def test_a_mission_file_that_has_not_stopped_is_found(world: World) -> None:
    mission = await world.mission(work_process_type_name="mission-file")
    assert f"mission {mission} is succeeded and has stopped 0 times" in await world.faults()
    await world.event(mission, 1, "mission.stopped")
    assert not [fault for fault in await world.faults() if f"mission {mission} is succeeded and" in fault]


async def test_a_mission_that_nobody_asked_for_or_that_is_open_is_found(world: World) -> None:
    mission = await world.mission("executing", work_process_type_name="planned")
    assert f"mission {mission} is still executing" in await world.faults(mission)
    lonely = f"mission {mission} (planned) is there, and nobody was told so"
    assert lonely in await world.faults()
    assert lonely not in await world.faults(mission)


def test_runs_that_are_not_as_their_missions_are_found() -> None:
    runs = {"m-1": "RUNNING", "m-1-thread-0": "RUNNING", "m-2": "COMPLETED", "m-3": "FAILED", "m-4": "RUNNING"}
    seen = [SeenRun(*run) for run in [*runs.items(), ("m-2-thread-0", "CANCELED"), ("m-5", "CANCELED")]]
    ended = {"m-1": "succeeded", "m-2": "canceled", "m-3": "succeeded", "m-5": "canceled"}
    assert list(runs_wrong(seen, ended)) == [
        "run m-1 is open, its mission is succeeded",
        "run m-1-thread-0 is open, its mission is succeeded",
        "run m-2 is COMPLETED, its mission is canceled",
        "run m-3 is FAILED, its mission is succeeded",
    ]
