import pytest
from httpx import AsyncClient
from sqlalchemy import delete, update

from missions.contracts import RaiseAttention
from missions.limits import LONGEST
from store.attention import raise_
from store.database import Database
from store.tables import recipe_steps, work_process_types
from store.wakeups import WakeupKind
from tests.api.conftest import MISSION, RECIPE, RecordingWaker, created, events_of, mission, problem, stored

DRAFT = MISSION | {"status": "draft"}


async def test_a_dispatched_mission_starts_its_workflow(world: AsyncClient, waker: RecordingWaker) -> None:
    made = await mission(world)
    assert made["status"] == "dispatched"
    assert made["agentUuids"] == ["truck-1"]
    assert made["yardUid"] == "north"
    assert made["priority"] == "NORMAL"
    assert made["createdBy"]["kind"] == "client"
    assert made["links"]["temporalUi"].endswith(f"/workflows/{made['workflowId']}")
    (start,) = waker.sent
    assert start.kind is WakeupKind.START
    assert start.work_process_id == made["id"]
    assert await events_of(world, made["id"]) == [
        "work_process.created",
        "work_process.status_changed",
        "task.created",
    ]
    (request,) = (await world.get(f"/work-processes/{made['id']}/service-requests")).json()["items"]
    assert request["step"] == "plan"
    assert request["status"] == "ready_for_service"
    assert "request" not in request


async def test_service_requests_show_their_bulk_on_demand(world: AsyncClient) -> None:
    made = await mission(world)
    path = f"/work-processes/{made['id']}/service-requests"
    (full,) = (await world.get(path, params={"full": True})).json()["items"]
    assert full["request"] is None
    single = (await world.get(f"{path}/{full['id']}")).json()
    assert single == full
    problem(await world.get(f"{path}/99"), 404)


async def test_attention_names_the_assignment_that_it_is_about(world: AsyncClient, database: Database) -> None:
    made = await mission(world)
    call = RaiseAttention(
        work_process_id=made["id"], attempt=1, transition=0, code="agent_restarted", text="look at it", assignment_id=7
    )
    async with database.transaction() as connection:
        await raise_(connection, call)
    (shown,) = (await world.get(f"/work-processes/{made['id']}")).json()["attention"]
    assert shown["code"] == "agent_restarted"
    assert shown["assignmentId"] == 7


async def test_a_draft_is_saved_edited_and_dispatched_later(world: AsyncClient, waker: RecordingWaker) -> None:
    made = await created(world, "/work-processes", DRAFT)
    assert made["status"] == "draft"
    assert waker.sent == []
    path = f"/work-processes/{made['id']}"
    edited = await world.patch(path, json={"agentUuids": ["truck-3"], "yardUid": "south", "priority": "high"})
    assert edited.status_code == 200, edited.text
    assert edited.json()["agentIds"] == [3]
    assert edited.json()["yardId"] == 2
    assert edited.json()["priority"] == "HIGH"
    assert edited.json()["version"] == made["version"] + 1
    assert edited.json()["data"] == {"x": 1}
    both = await world.patch(path, json={"data": {"x": 2}, "status": "dispatched"})
    assert both.json()["status"] == "dispatched"
    assert both.json()["data"] == {"x": 2}
    assert [wakeup.kind for wakeup in waker.sent] == [WakeupKind.START]
    assert await events_of(world, made["id"]) == [
        "work_process.created",
        "work_process.updated",
        "work_process.updated",
        "work_process.status_changed",
        "task.created",
    ]
    # The draft's fields are fixed now.
    problem(await world.patch(path, json={"data": {"x": 3}}), 409)
    problem(await world.patch(path, json={"status": "dispatched"}), 409)


async def test_failure_policy_and_fallback_are_fixed_at_dispatch(world: AsyncClient) -> None:
    policy = {"onAssignmentFailure": "RELEASE_FAILED", "fallbackMission": "driving"}
    await created(world, "/recipes", RECIPE | {"name": "careful"} | policy)
    draft = await created(world, "/work-processes", DRAFT | {"workProcessTypeName": "careful"})
    assert {draft[key] for key in policy} == {"DEFAULT"}
    own = {"onAssignmentFailure": "CONTINUE_MISSION", "fallbackMission": "careful"}
    edited = (await world.patch(f"/work-processes/{draft['id']}", json=own)).json()
    assert {key: edited[key] for key in own} == own
    started = (await world.patch(f"/work-processes/{draft['id']}", json={"status": "dispatched"})).json()
    assert {key: started[key] for key in own} == own
    by_recipe = await mission(world, workProcessTypeName="careful")
    assert {key: by_recipe[key] for key in policy} == policy
    plain = await mission(world)
    assert (plain["onAssignmentFailure"], plain["fallbackMission"]) == ("FAIL_MISSION", "DEFAULT")


async def test_a_draft_is_canceled_without_a_run(world: AsyncClient, waker: RecordingWaker) -> None:
    made = await created(world, "/work-processes", DRAFT)
    canceled = await world.patch(f"/work-processes/{made['id']}", json={"status": "cancelling"})
    assert canceled.json()["status"] == "canceled"
    assert waker.sent == []
    assert await events_of(world, made["id"]) == ["work_process.created", "work_process.status_changed"]


async def test_an_edit_that_changes_nothing_leaves_no_trace(world: AsyncClient, database: Database) -> None:
    made = await created(world, "/work-processes", DRAFT)
    before = await stored(database)
    for nothing in ({}, {"data": {"x": 1}}, {"agentUuids": ["truck-1"], "yardId": 1}):
        answer = await world.patch(f"/work-processes/{made['id']}", json=nothing)
        assert answer.json() == made
    assert await stored(database) == before


async def test_an_edit_and_dispatch_is_one_step(world: AsyncClient, database: Database) -> None:
    await created(world, "/recipes", {"name": "no-service", "steps": [{"step": "a", "serviceType": "nowhere"}]})
    made = await created(world, "/work-processes", DRAFT | {"workProcessTypeName": "no-service"})
    before = await stored(database)
    refused = await world.patch(f"/work-processes/{made['id']}", json={"data": {"x": 9}, "status": "dispatched"})
    assert "nowhere" in problem(refused, 422)["detail"]
    assert await stored(database) == before


async def test_only_who_saw_the_present_version_may_change_it(world: AsyncClient) -> None:
    made = await created(world, "/work-processes", DRAFT)
    path = f"/work-processes/{made['id']}"
    tag = (await world.get(path)).headers["ETag"]
    assert tag == f'"{made["version"]}"'
    changed = await world.patch(path, json={"description": "one"}, headers={"If-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != tag
    late = problem(await world.patch(path, json={"description": "two"}, headers={"If-Match": tag}), 412)
    assert late["errors"][0]["field"] == "If-Match"
    assert (await world.get(path)).json()["description"] == "one"
    anyway = await world.patch(path, json={"description": None}, headers={"If-Match": "*"})
    assert anyway.json()["description"] is None


@pytest.mark.parametrize("word", ["LOW", "low", 10, "10"])
async def test_priorities_are_read_by_name_and_number(world: AsyncClient, word: object) -> None:
    assert (await mission(world, priority=word))["priority"] == "LOW"


async def test_agents_may_be_named_by_id_and_uuid_at_once(world: AsyncClient) -> None:
    made = await mission(world, agentIds=[2, 1, 2], agentUuids=["truck-1", "truck-2"])
    assert made["agentIds"] == [2, 1]
    assert made["agentUuids"] == ["truck-2", "truck-1"]


async def test_a_mission_that_waits_says_why(world: AsyncClient, database: Database) -> None:
    made = await mission(world)
    assert made["waitingReasons"] == []
    listed = (await world.get("/work-processes")).json()["items"]
    assert [item["id"] for item in listed] == [made["id"]]


async def test_a_recipe_that_was_stored_without_steps_is_not_dispatched(
    world: AsyncClient, database: Database, waker: RecordingWaker
) -> None:
    async with database.transaction() as connection:
        await connection.execute(delete(recipe_steps))
    found = problem(await world.post("/work-processes", json=MISSION), 422)
    assert found["errors"][0]["field"] == "workProcessTypeName"
    assert waker.sent == []


async def test_what_was_stored_before_times_had_a_limit_is_shortened(
    world: AsyncClient, database: Database, waker: RecordingWaker
) -> None:
    async with database.transaction() as connection:
        await connection.execute(update(work_process_types).values(options={"maxWait": 1e30}))
        await connection.execute(update(recipe_steps).values(timeout=1e30))
    await mission(world)
    start = waker.sent[0].payload
    assert start["options"]["max_wait"] == LONGEST
    assert start["steps"][0]["preset"]["start_to_close"] < 2 * LONGEST
    assert (await world.get("/recipes/1")).json()["options"]["maxWait"] == LONGEST


async def test_attempts_are_the_missions_own_or_the_recipes_at_dispatch(
    world: AsyncClient, waker: RecordingWaker
) -> None:
    (await world.put("/recipes/1", json=RECIPE | {"options": {"maxRetries": 5}})).raise_for_status()
    draft = (await world.post("/work-processes", json=MISSION | {"status": "draft"})).json()
    assert draft["maxRetries"] is None
    address = f"/work-processes/{draft['id']}"
    assert (await world.patch(address, json={"maxRetries": 2})).json()["maxRetries"] == 2
    for wrong in (-1, 101, 2.5, "2", True):
        (error,) = problem(await world.patch(address, json={"maxRetries": wrong}), 422)["errors"]
        assert (error["field"], error["value"]) == ("maxRetries", wrong)
        assert error["remedy"]
    assert (await world.get(address)).json()["maxRetries"] == 2
    assert (await world.patch(address, json={"maxRetries": None})).json()["maxRetries"] is None
    dispatched = (await world.patch(address, json={"status": "dispatched"})).json()
    assert (dispatched["maxRetries"], dispatched["attempt"], dispatched["nextAttemptAt"]) == (5, 1, None)
    own = (await world.post("/work-processes", json=MISSION | {"maxRetries": 0})).json()
    assert own["maxRetries"] == 0
    assert [wakeup.payload["max_retries"] for wakeup in waker.sent] == [5, 0]
