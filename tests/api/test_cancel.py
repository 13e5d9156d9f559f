import asyncio

import pytest
from httpx import AsyncClient
from sqlalchemy import update

from missions.statuses import WorkProcessStatus
from missions.transitions import WORK_PROCESS_OPEN
from store.database import Database
from store.tables import work_processes
from store.wakeups import WakeupKind
from tests.api.conftest import RecordingWaker, events_of, mission, problem, stored


async def _now(database: Database, mission_id: int, status: WorkProcessStatus) -> None:
    async with database.transaction() as connection:
        await connection.execute(update(work_processes).where(work_processes.c.id == mission_id).values(status=status))


async def test_a_cancel_says_who_when_and_why(world: AsyncClient, waker: RecordingWaker) -> None:
    made = await mission(world)
    answer = await world.post(f"/work-processes/{made['id']}/cancel", json={"reason": "withdrawn"})
    assert answer.status_code == 200
    found = answer.json()
    assert found["status"] == "canceling"
    assert found["cancel"]["reason"] == "withdrawn"
    assert found["cancel"]["requestedAt"]
    assert found["cancel"]["requestedBy"]["kind"] == "client"
    assert [wakeup.kind for wakeup in waker.sent] == [WakeupKind.START, WakeupKind.CANCEL]
    assert waker.sent[1].payload == {"reason": "withdrawn"}


@pytest.mark.parametrize("status", sorted(WORK_PROCESS_OPEN - {"draft", "canceling"}))
async def test_every_open_mission_can_be_canceled(
    world: AsyncClient, database: Database, status: WorkProcessStatus
) -> None:
    made = await mission(world)
    await _now(database, made["id"], status)
    answer = await world.patch(f"/work-processes/{made['id']}", json={"status": "canceling"})
    assert answer.json()["status"] == "canceling"


@pytest.mark.parametrize("status", [WorkProcessStatus.CANCELING, WorkProcessStatus.CANCELED])
async def test_a_second_cancel_is_fine_and_changes_nothing(
    world: AsyncClient, database: Database, waker: RecordingWaker, status: WorkProcessStatus
) -> None:
    made = await mission(world)
    await world.post(f"/work-processes/{made['id']}/cancel", json={"reason": "first"})
    await _now(database, made["id"], status)
    before = await stored(database)
    for answer in (
        await world.post(f"/work-processes/{made['id']}/cancel", json={"reason": "second"}),
        await world.post(f"/work-processes/{made['id']}/cancel"),
        await world.patch(f"/work-processes/{made['id']}", json={"status": "canceling"}),
    ):
        assert answer.status_code == 200
        assert answer.json()["cancel"]["reason"] == "first"
    assert await stored(database) == before
    assert len(waker.sent) == 2


@pytest.mark.parametrize("status", [WorkProcessStatus.SUCCEEDED, WorkProcessStatus.FAILED])
async def test_a_mission_that_ended_otherwise_cannot_be_canceled(
    world: AsyncClient, database: Database, status: WorkProcessStatus
) -> None:
    made = await mission(world)
    await _now(database, made["id"], status)
    before = await stored(database)
    problem(await world.post(f"/work-processes/{made['id']}/cancel"), 409)
    problem(await world.patch(f"/work-processes/{made['id']}", json={"status": "canceling"}), 409)
    assert await stored(database) == before


async def test_cancels_at_once_make_one_cancel(world: AsyncClient, waker: RecordingWaker) -> None:
    made = await mission(world)
    path = f"/work-processes/{made['id']}/cancel"
    answers = await asyncio.gather(*(world.post(path, json={"reason": str(n)}) for n in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["cancel"]["reason"] for answer in answers}) == 1
    assert [wakeup.kind for wakeup in waker.sent] == [WakeupKind.START, WakeupKind.CANCEL]
    assert (await events_of(world, made["id"])).count("work_process.status_changed") == 2


@pytest.mark.parametrize("turn", range(5))
async def test_dispatch_and_cancel_at_once_leave_one_consistent_mission(
    world: AsyncClient, waker: RecordingWaker, turn: int
) -> None:
    made = await mission(world, status="draft")
    path = f"/work-processes/{made['id']}"
    dispatched, canceled = await asyncio.gather(
        world.patch(path, json={"status": "dispatched"}), world.patch(path, json={"status": "canceling"})
    )
    assert canceled.status_code == 200
    kinds = [wakeup.kind for wakeup in waker.sent]
    if dispatched.status_code == 200:
        assert (await world.get(path)).json()["status"] == "canceling"
        assert sorted(kinds) == [WakeupKind.CANCEL, WakeupKind.START]
    else:
        problem(dispatched, 409)
        assert (await world.get(path)).json()["status"] == "canceled"
        assert kinds == []


async def test_dispatched_at_once_by_many_it_starts_once(world: AsyncClient, waker: RecordingWaker) -> None:
    made = await mission(world, status="draft")
    path = f"/work-processes/{made['id']}"
    answers = await asyncio.gather(*(world.patch(path, json={"status": "dispatched"}) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 5
    assert [wakeup.kind for wakeup in waker.sent] == [WakeupKind.START]


async def test_a_mission_that_does_not_exist(world: AsyncClient) -> None:
    problem(await world.post("/work-processes/77/cancel"), 404)
    problem(await world.patch("/work-processes/77", json={"status": "canceling"}), 404)


async def test_an_unknown_field_or_type_in_the_reason(world: AsyncClient, database: Database) -> None:
    made = await mission(world)
    before = await stored(database)
    for body in ({"reason": 1}, {"why": "x"}, {"reason": "\x00"}, ["x"]):
        problem(await world.post(f"/work-processes/{made['id']}/cancel", json=body), 422)
    assert await stored(database) == before
