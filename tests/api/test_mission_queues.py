"""Mission queues over HTTP: what may be asked of one in which status, what is written, and who is woken."""

from typing import Any

import httpx
import pytest
from sqlalchemy import ClauseElement, text

from store.connection import Connection
from store.database import Database
from store.wakeups import WakeupKind
from tests.api.conftest import RecordingWaker, created, mission, problem, stored


async def queue(api: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    return await created(api, "/mission-queues", {"name": "round", **fields})


async def in_status(api: httpx.AsyncClient, database: Database, status: str) -> int:
    """A queue that has come to this status; nobody runs workflows here."""
    queue_id = int((await queue(api))["id"])
    async with database.transaction() as connection:
        await connection.execute(
            text("UPDATE mission_queue SET status = :status, workflow_id = 'w' WHERE id = :id"),
            {"status": status, "id": queue_id},
        )
    return queue_id


async def queue_events(database: Database) -> list[tuple[str, dict[str, Any]]]:
    query = "SELECT type, payload FROM events WHERE type LIKE 'mission_queue.%' ORDER BY id"
    async with database.transaction() as connection:
        return [(row[0].partition(".")[2], row[1]) for row in await connection.execute(text(query))]


async def test_new_queue_is_stopped_and_waits_for_missions(world: httpx.AsyncClient, waker: RecordingWaker) -> None:
    made = await queue(world, description="each morning", stopOnFailure=True)
    assert (made["status"], made["stopOnFailure"], made["missions"]) == ("stopped", True, [])
    assert waker.sent == []
    listed = (await world.get("/mission-queues?status=stopped")).json()["items"]
    assert [item["id"] for item in listed] == [made["id"]]
    assert "missions" not in listed[0]


async def test_run_wakes_the_workflow_and_writes_the_wish_only(
    world: httpx.AsyncClient, database: Database, waker: RecordingWaker
) -> None:
    made = await queue(world, status="run")
    assert (made["status"], made["startedAt"]) == ("run", None)
    again = await world.post(f"/mission-queues/{made['id']}/run")
    assert (again.status_code, again.json()["version"]) == (200, made["version"])
    assert [wakeup.kind for wakeup in waker.sent] == [WakeupKind.RUN_QUEUE] * 2
    assert len({wakeup.workflow_id for wakeup in waker.sent}) == 1
    changed = {"mission_queue_id": made["id"], "from": "stopped", "to": "run", "reason": None, "failure": None}
    assert await queue_events(database) == [
        ("created", {"mission_queue_id": made["id"], "name": "round"}),
        ("status_changed", changed),
    ]


@pytest.mark.parametrize(
    ("status", "wish", "becomes"),
    [
        ("stopped", "run", "run"), ("canceled", "run", "run"), ("paused", "run", "run"), ("running", "run", "running"),
        ("run", "pause", "paused"), ("running", "pause", "paused"), ("paused", "pause", "paused"),
        ("run", "stop", "stopped"), ("running", "stop", "stopped"), ("paused", "stop", "stopped"),
        ("stopped", "stop", "stopped"), ("run", "cancel", "canceling"), ("running", "cancel", "canceling"),
        ("paused", "cancel", "canceling"), ("canceling", "cancel", "canceling"), ("canceled", "cancel", "canceled"),
    ],
)  # fmt: skip
async def test_wish_is_taken(
    world: httpx.AsyncClient, database: Database, status: str, wish: str, becomes: str
) -> None:
    queue_id = await in_status(world, database, status)
    answer = await world.post(f"/mission-queues/{queue_id}/{wish}")
    assert (answer.status_code, answer.json()["status"]) == (200, becomes)


@pytest.mark.parametrize(
    ("status", "wish"),
    [
        ("canceling", "run"), ("stopped", "pause"), ("canceling", "pause"), ("canceled", "pause"),
        ("canceling", "stop"), ("canceled", "stop"), ("stopped", "cancel"),
    ],
)  # fmt: skip
async def test_wish_is_refused_naming_the_status_and_the_remedy(
    world: httpx.AsyncClient, database: Database, waker: RecordingWaker, status: str, wish: str
) -> None:
    queue_id = await in_status(world, database, status)
    before = await stored(database)
    found = problem(await world.post(f"/mission-queues/{queue_id}/{wish}"), 409)
    assert repr(status) in found["detail"]
    assert found["errors"][0]["value"] == status
    assert await stored(database) == before
    assert waker.sent == []


@pytest.mark.parametrize(("word", "becomes"), [("paused", "paused"), ("stopped", "stopped"), ("cancel", "canceling")])
async def test_status_may_be_patched_in_the_words_of_helyos(
    world: httpx.AsyncClient, database: Database, word: str, becomes: str
) -> None:
    queue_id = await in_status(world, database, "running")
    assert (await world.patch(f"/mission-queues/{queue_id}", json={"status": word})).json()["status"] == becomes


@pytest.mark.parametrize("word", ["running", "canceled", "canceling", "", 1])
async def test_other_words_are_refused(world: httpx.AsyncClient, database: Database, word: Any) -> None:
    queue_id = await in_status(world, database, "stopped")
    problem(await world.patch(f"/mission-queues/{queue_id}", json={"status": word}), 422)


async def test_cancel_cancels_what_runs_for_the_same_person_and_leaves_drafts(
    world: httpx.AsyncClient, database: Database, waker: RecordingWaker
) -> None:
    queue_id = await in_status(world, database, "running")
    running = await mission(world, missionQueueId=queue_id)
    waiting = await mission(world, missionQueueId=queue_id, status="draft")
    waker.sent.clear()
    shown = (await world.post(f"/mission-queues/{queue_id}/cancel", json={"reason": "rain"})).json()
    assert shown["currentMissionId"] == running["id"]
    assert [item["status"] for item in shown["missions"]] == ["canceling", "draft"]
    cancel = (await world.get(f"/work-processes/{running['id']}")).json()["cancel"]
    assert cancel["reason"] == f"mission queue {queue_id} was cancelled: rain"
    assert cancel["requestedBy"]["kind"] == "client"
    assert {wakeup.kind for wakeup in waker.sent} == {WakeupKind.CANCEL, WakeupKind.RUN_QUEUE}
    assert (await world.get(f"/work-processes/{waiting['id']}")).json()["status"] == "draft"


async def test_missions_get_places_in_order_and_keep_them(world: httpx.AsyncClient) -> None:
    first, other = (await queue(world))["id"], (await queue(world))["id"]
    one = await mission(world, missionQueueId=first, status="draft")
    two = await mission(world, missionQueueId=first, status="draft", runOrder=None)
    early = await mission(world, missionQueueId=first, status="draft", runOrder=-1)
    assert [one["runOrder"], two["runOrder"], early["runOrder"]] == [1, 2, -1]

    async def order() -> list[int]:
        return [item["id"] for item in (await world.get(f"/mission-queues/{first}")).json()["missions"]]

    assert await order() == [early["id"], one["id"], two["id"]]
    path = f"/work-processes/{one['id']}"
    assert (await world.patch(path, json={"missionQueueId": first})).json()["runOrder"] == 1
    assert (await world.patch(path, json={"runOrder": None})).json()["runOrder"] == 3
    assert (await world.patch(path, json={"missionQueueId": other})).json()["runOrder"] == 1
    left = (await world.patch(path, json={"missionQueueId": None})).json()
    assert (left["missionQueueId"], left["runOrder"]) == (None, None)
    assert await order() == [early["id"], two["id"]]
    listed = (await world.get(f"/work-processes?missionQueueId={first}")).json()["items"]
    assert {item["id"] for item in listed} == {early["id"], two["id"]}


@pytest.mark.parametrize(
    ("fields", "field"), [({"missionQueueId": 99}, "missionQueueId"), ({"runOrder": 3}, "runOrder")]
)
async def test_place_that_cannot_be_is_refused_and_nothing_is_stored(
    world: httpx.AsyncClient, database: Database, fields: dict[str, Any], field: str
) -> None:
    before = await stored(database)
    body = {"workProcessTypeName": "driving", "status": "draft", "yardId": 1, **fields}
    found = problem(await world.post("/work-processes", json=body), 422)
    assert found["errors"][0]["field"] == field
    assert await stored(database) == before


async def test_fields_change_with_an_event_and_the_workflow_looks_again(
    world: httpx.AsyncClient, database: Database, waker: RecordingWaker
) -> None:
    queue_id = await in_status(world, database, "run")
    path = f"/mission-queues/{queue_id}"
    tag = (await world.get(path)).headers["ETag"]
    changes = {"stopOnFailure": True, "schedStartAt": "2030-01-31T06:00:00Z"}
    changed = await world.patch(path, json=changes, headers={"If-Match": tag})
    assert changed.json()["stopOnFailure"] is True
    assert [(wakeup.kind, wakeup.signal) for wakeup in waker.sent] == [(WakeupKind.SIGNAL, "queue_changed")]
    told = {"mission_queue_id": queue_id, "changed": ["sched_start_at", "stop_on_failure"]}
    assert (await queue_events(database))[-1] == ("updated", told)
    problem(await world.patch(path, json={"name": "x"}, headers={"If-Match": tag}), 412)


async def test_idle_queue_is_deleted_and_its_missions_stay(world: httpx.AsyncClient, database: Database) -> None:
    queue_id = await in_status(world, database, "running")
    waiting = await mission(world, missionQueueId=queue_id, status="draft")
    running = await mission(world, missionQueueId=queue_id)
    path = f"/mission-queues/{queue_id}"
    assert "'running'" in problem(await world.delete(path), 409)["detail"]
    await world.post(f"{path}/stop")
    assert str(running["id"]) in problem(await world.delete(path), 409)["detail"]
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE work_processes SET status = 'succeeded' WHERE status = 'dispatched'"))
    assert (await world.delete(path)).status_code == 204
    problem(await world.get(path), 404)
    left = (await world.get(f"/work-processes/{waiting['id']}")).json()
    assert (left["status"], left["missionQueueId"]) == ("draft", None)
    assert (await queue_events(database))[-1][0] == "deleted"


async def test_a_change_reads_its_queue_once(
    world: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_id = await in_status(world, database, "running")
    reads: list[str] = []

    execute = Connection.execute

    async def noted(self: Connection, statement: ClauseElement, *parameters: Any) -> Any:
        words = " ".join(str(statement).split())
        if words.startswith("SELECT") and "FROM mission_queue" in words:
            reads.append(words)
        return await execute(self, statement, *parameters)

    with monkeypatch.context() as patched:
        patched.setattr(Connection, "execute", noted)
        body = {"name": "other", "stopOnFailure": True, "status": "paused"}
        shown = (await world.patch(f"/mission-queues/{queue_id}", json=body)).json()
    assert len(reads) == 1, reads
    assert shown == (await world.get(f"/mission-queues/{queue_id}")).json()
    assert (shown["name"], shown["status"], shown["version"]) == ("other", "paused", 3)
