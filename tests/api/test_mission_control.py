"""What clients wish of missions that run: halt, pause at once, cancel of one assignment."""

import pytest
from httpx import AsyncClient
from sqlalchemy import update

from missions.statuses import WorkProcessStatus
from store.database import Database
from store.tables import work_processes
from tests.api.conftest import RecordingWaker, mission, stored

WAYS = ["cancel", "halt"]


async def test_halt_says_so_and_wakes_before_the_cancel(world: AsyncClient, waker: RecordingWaker) -> None:
    made = await mission(world)
    shown = (await world.post(f"/work-processes/{made['id']}/halt", json={"reason": "fire"})).json()
    assert (shown["status"], shown["cancel"]["halt"], shown["cancel"]["reason"]) == ("canceling", True, "fire")
    assert [wakeup.signal or wakeup.kind for wakeup in waker.sent] == ["start", "halt", "cancel"]


async def test_halt_of_a_cancel_under_way_keeps_who_cancelled(world: AsyncClient, waker: RecordingWaker) -> None:
    made = await mission(world)
    await world.post(f"/work-processes/{made['id']}/cancel", json={"reason": "withdrawn"})
    for _ in range(2):
        shown = (await world.post(f"/work-processes/{made['id']}/halt", json={"reason": "fire"})).json()
    assert (shown["status"], shown["cancel"]["halt"], shown["cancel"]["reason"]) == ("canceling", True, "withdrawn")
    assert [wakeup.signal or wakeup.kind for wakeup in waker.sent] == ["start", "cancel", "halt"], "told once"


@pytest.mark.parametrize("way", WAYS)
async def test_draft_is_canceled_at_once(world: AsyncClient, waker: RecordingWaker, way: str) -> None:
    made = await mission(world, status="draft")
    assert (await world.post(f"/work-processes/{made['id']}/{way}")).json()["status"] == "canceled"
    assert waker.sent == []


@pytest.mark.parametrize("status", [WorkProcessStatus.SUCCEEDED, WorkProcessStatus.FAILED, WorkProcessStatus.CANCELED])
async def test_halt_of_what_has_ended_changes_nothing(
    world: AsyncClient, database: Database, status: WorkProcessStatus
) -> None:
    made = await mission(world)
    async with database.transaction() as connection:
        await connection.execute(update(work_processes).values(status=status))
    before = await stored(database)
    answer = await world.post(f"/work-processes/{made['id']}/halt")
    assert answer.status_code == (200 if status is WorkProcessStatus.CANCELED else 409)
    assert await stored(database) == before


async def test_immediate_pause_may_follow_a_deferred_one(world: AsyncClient, waker: RecordingWaker) -> None:
    made = await mission(world)
    path = f"/work-processes/{made['id']}/pause"
    modes = [None, {"mode": "immediate"}, {"mode": "immediate"}, {"mode": "deferred"}]
    shown = [(await world.post(path, json=mode)).json()["pauseMode"] for mode in modes]
    assert shown == ["deferred", "immediate", "immediate", "immediate"]
    assert [wakeup.payload["immediate"] for wakeup in waker.sent[1:]] == [False, True]


async def test_unknown_mode_is_refused(world: AsyncClient) -> None:
    made = await mission(world)
    answer = await world.post(f"/work-processes/{made['id']}/pause", json={"mode": "now"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "mode"


async def test_assignment_that_does_not_exist_cannot_be_cancelled(world: AsyncClient) -> None:
    assert (await world.post("/assignments/7/cancel")).status_code == 404
