"""What clients wish of missions that run: halt, pause at once, cancel of one assignment."""

from datetime import UTC, datetime

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


async def in_status(database: Database, mission_id: int, **values: object) -> None:
    async with database.transaction() as connection:
        await connection.execute(update(work_processes).where(work_processes.c.id == mission_id).values(**values))


@pytest.mark.parametrize("status", [WorkProcessStatus.PLANNING_FAILED, WorkProcessStatus.ASSIGNMENT_FAILED])
async def test_pause_of_a_failed_attempt_needs_another_one(
    world: AsyncClient, database: Database, status: WorkProcessStatus
) -> None:
    made = await mission(world, maxRetries=2)
    path = f"/work-processes/{made['id']}/pause"
    await in_status(database, made["id"], status=status, attempt=2)
    assert (await world.post(path)).status_code == 409
    await in_status(database, made["id"], attempt=1)
    assert (await world.post(path)).json()["pause"] == "requested"


async def test_pause_between_attempts_says_that_it_puts_the_next_one_off(
    world: AsyncClient, database: Database
) -> None:
    made = await mission(world, maxRetries=2)
    reason = {"code": "retry", "text": "attempt 1 of 2 failed", "agentId": None, "since": "2026-01-02T03:04:05+00:00"}
    begins = datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)
    await in_status(database, made["id"], attempt=2, next_attempt_at=begins, waiting_reasons=[reason])
    path = f"/work-processes/{made['id']}"
    shown = (await world.get(path)).json()
    assert shown["nextAttemptAt"] == "2026-01-02T03:04:06Z"
    assert shown["waitingReasons"][0]["text"].endswith("; the next one begins at 2026-01-02 03:04:06 UTC")
    paused = (await world.post(f"{path}/pause")).json()
    assert paused["nextAttemptAt"] is None
    assert "begins once the mission is resumed, not before 2026-" in paused["waitingReasons"][0]["text"]
