"""What waits, and the limits on missions without agents, as clients see and change them."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, text, update

from missions.events import utc_now
from missions.priorities import Priority, score_key
from store import recipes, slots
from store.database import Database
from store.reservations import enqueue
from store.tables import events, reservation_requests, work_processes
from store.tables import slots as slots_table
from store.work_process_status import lock
from tests.api.conftest import RecordingWaker, created, mission, problem
from tests.support.locks import until_somebody_waits_for_a_lock

CHAT = {
    "name": "agent.chat",
    "steps": [{"step": "say", "uses": "http_notify", "input": {"url": "http://127.0.0.1:9/"}}],
}
TALK = {"workProcessTypeName": "agent.chat", "status": "dispatched"}


@pytest.fixture
async def chat(world: httpx.AsyncClient) -> httpx.AsyncClient:
    await created(world, "/recipes", CHAT)
    return world


async def set_limit(api: httpx.AsyncClient, overall: Any) -> dict[str, Any]:
    answer = await api.put("/queue/limits", json={"overall": overall})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def talk(api: httpx.AsyncClient, database: Database, priority: str = "NORMAL", waited: float = 0) -> int:
    """A mission without agents that asked for its slot, so many minutes ago."""
    number = int((await created(api, "/work-processes", TALK | {"priority": priority}))["id"])
    async with database.transaction() as connection:
        await slots.take(connection, await lock(connection, number))
        since = utc_now() - timedelta(minutes=waited)
        key = score_key(Priority[priority], since)
        aged = update(slots_table).where(slots_table.c.work_process_id == number)
        await connection.execute(aged.values(enqueued_at=since, score_key=key))
    return number


async def drive(api: httpx.AsyncClient, database: Database, waited: float = 0) -> int:
    """A mission that waits for an agent, since so many minutes."""
    number = int((await mission(api))["id"])
    async with database.transaction() as connection:
        await enqueue(connection, await lock(connection, number))
        since = utc_now() - timedelta(minutes=waited)
        aged = update(reservation_requests).where(reservation_requests.c.work_process_id == number)
        await connection.execute(aged.values(enqueued_at=since, score_key=score_key(20, since)))
        running = update(work_processes).where(work_processes.c.id == number)
        await connection.execute(running.values(status="preparing resources"))
    return number


async def read(api: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    answer = await api.get("/queue", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_mission_without_agents_needs_no_yard(chat: httpx.AsyncClient, waker: RecordingWaker) -> None:
    shown = await created(chat, "/work-processes", TALK)
    assert (shown["yardId"], shown["yardUid"], shown["status"]) == (None, None, "dispatched")
    (start,) = waker.sent
    assert (start.payload["yard"], start.payload["takes_slot"], start.payload["reserves"]) == ("", True, False)


@pytest.mark.parametrize("agents", [{"agentIds": [1]}, {"agentUuids": ["truck-1"]}, {"agentSelector": {}}])
async def test_a_mission_with_agents_needs_a_yard(world: httpx.AsyncClient, agents: dict[str, Any]) -> None:
    body = {"workProcessTypeName": "driving", "status": "draft"}
    (error,) = problem(await world.post("/work-processes", json=body | agents), 422)["errors"]
    assert (error["field"], error["value"]) == ("yardId", None)
    assert "`yardId` or `yardUid`" in error["remedy"]
    draft = await created(world, "/work-processes", body)
    problem(await world.patch(f"/work-processes/{draft['id']}", json=agents), 422)
    both = await world.patch(f"/work-processes/{draft['id']}", json=agents | {"yardUid": "north"})
    assert both.json()["yardId"] == 1
    problem(await world.patch(f"/work-processes/{draft['id']}", json={"yardId": None}), 422)
    assert (await world.patch(f"/work-processes/{draft['id']}", json={"yardUid": "south"})).json()["yardId"] == 2


async def test_a_map_server_needs_a_yard(world: httpx.AsyncClient) -> None:
    service = {"name": "maps", "type": "map", "url": "http://127.0.0.1:9/", "domain": "Map server"}
    await created(world, "/services", service)
    await created(world, "/recipes", {"name": "mapping", "steps": [{"step": "draw", "serviceType": "map"}]})
    body = {"workProcessTypeName": "mapping", "status": "dispatched"}
    (error,) = problem(await world.post("/work-processes", json=body), 422)["errors"]
    assert error["field"] == "yardId"
    assert "draw" in error["detail"]
    await created(world, "/work-processes", body | {"yardUid": "north"})


async def test_the_queue_shows_both_lines_by_score(chat: httpx.AsyncClient, database: Database) -> None:
    await set_limit(chat, 0)
    normal, high = await talk(chat, database, waited=5), await talk(chat, database, "HIGH", waited=1)
    low, driving = await talk(chat, database, "LOW", waited=12), await drive(chat, database, waited=3)
    queue = await read(chat)
    shown = [(item["workProcessId"], item["waitsFor"], item["place"], item["priority"]) for item in queue["items"]]
    assert shown == [
        (high, "slot", 1, "HIGH"),
        (normal, "slot", 2, "NORMAL"),
        (driving, "agents", 1, "NORMAL"),
        (low, "slot", 3, "LOW"),
    ]
    assert [round(item["score"]) for item in queue["items"]] == [31, 25, 23, 22]
    assert (queue["length"], queue["waitingForAgents"], queue["waitingForSlot"]) == (4, 1, 3)
    assert 719 < queue["oldestWait"] < 780
    assert queue["limits"]["overall"] == 0
    assert [reason["code"] for reason in queue["items"][0]["waitingReasons"]] == ["slot"]
    assert [reason["code"] for reason in queue["items"][2]["waitingReasons"]] == ["agent_unseen"]
    assert (queue["items"][2]["agentUuids"], queue["items"][2]["yardUid"]) == (["truck-1"], "north")
    (reason,) = (await chat.get(f"/work-processes/{low}")).json()["waitingReasons"]
    assert "`overall` is 0; it is number 3 of 3 in line" in reason["text"]
    listed = (await chat.get("/work-processes")).json()["items"]
    assert {item["id"]: [one["code"] for one in item["waitingReasons"]] for item in listed}[low] == ["slot"]


async def test_the_queue_is_read_in_pages_and_by_what_is_waited_for(
    chat: httpx.AsyncClient, database: Database
) -> None:
    await set_limit(chat, 0)
    for minutes in range(3):
        await talk(chat, database, waited=minutes)
        await drive(chat, database, waited=minutes)
    whole = [item["workProcessId"] for item in (await read(chat))["items"]]
    paged, cursor = [], None
    while True:
        page = await read(chat, limit=2, **({} if cursor is None else {"cursor": cursor}))
        paged += [item["workProcessId"] for item in page["items"]]
        assert page["length"] == 6
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert paged == whole
    assert len(set(whole)) == 6
    of_slots = await read(chat, waitsFor="slot")
    assert [item["place"] for item in of_slots["items"]] == [1, 2, 3]
    assert {item["type"] for item in (await read(chat, type="driving"))["items"]} == {"driving"}


@pytest.mark.parametrize(
    "query", ["waitsFor=retry", "cursor=7", "cursor=1.slot.x", "cursor=1.nobody.1", "limit=0", "wait=slot"]
)
async def test_a_queue_that_cannot_be_shown_is_refused(api: httpx.AsyncClient, query: str) -> None:
    problem(await api.get(f"/queue?{query}"), 422)


async def test_a_limit_that_is_raised_starts_those_that_wait(
    chat: httpx.AsyncClient, database: Database, waker: RecordingWaker
) -> None:
    assert (await chat.get("/queue/limits")).json() == {"overall": None, "running": 0, "waiting": 0, "recipes": []}
    await set_limit(chat, 1)
    numbers = [await talk(chat, database) for _ in range(3)]
    waker.sent.clear()
    limits = await set_limit(chat, 2)
    assert [wakeup.work_process_id for wakeup in waker.sent] == [numbers[1]]
    assert limits == {
        "overall": 2,
        "running": 2,
        "waiting": 1,
        "recipes": [{"name": "agent.chat", "maxConcurrent": None, "running": 2, "waiting": 1}],
    }


async def test_a_recipe_that_is_edited_starts_those_that_wait(
    chat: httpx.AsyncClient, database: Database, waker: RecordingWaker
) -> None:
    recipe = (await chat.get("/recipes", params={"name": "agent.chat"})).json()["items"][0]
    assert recipe["maxConcurrent"] is None
    for most in (1, 2):
        await chat.put(f"/recipes/{recipe['id']}", json=CHAT | {"maxConcurrent": most})
        if most == 1:
            numbers = [await talk(chat, database) for _ in range(4)]
            waker.sent.clear()
    assert [wakeup.work_process_id for wakeup in waker.sent] == [numbers[1]]
    answer = await chat.post(
        "/recipes/import?existing=replace",
        content="recipes: [{name: agent.chat, maxConcurrent: 3, steps: "
        "[{step: say, uses: http_notify, input: {url: 'http://127.0.0.1:9/'}}]}]",
    )
    assert answer.status_code == 200, answer.text
    assert [wakeup.work_process_id for wakeup in waker.sent] == numbers[1:3]
    assert (await chat.delete(f"/recipes/{recipe['id']}")).status_code == 204
    assert [wakeup.work_process_id for wakeup in waker.sent] == numbers[1:]


@pytest.mark.parametrize(
    "body", [{}, {"overall": -1}, {"overall": "3"}, {"overall": 2**31}, {"most": 1}, {"overall": 1.5}]
)
async def test_a_wrong_limit_is_refused_and_nothing_changes(api: httpx.AsyncClient, body: dict[str, Any]) -> None:
    problem(await api.put("/queue/limits", json=body), 422)
    assert (await api.get("/queue/limits")).json()["overall"] is None


@pytest.mark.parametrize("most", [-1, 2**31, "many"])
async def test_a_wrong_limit_of_a_recipe_is_refused(api: httpx.AsyncClient, most: Any) -> None:
    (error,) = problem(await api.post("/recipes", json=CHAT | {"maxConcurrent": most}), 422)["errors"]
    assert error["field"] == "maxConcurrent"


@pytest.mark.parametrize("given", ["high", "HIGH", "30", 30])
async def test_a_priority_is_taken_by_name_and_number(
    chat: httpx.AsyncClient, database: Database, given: str | int
) -> None:
    draft = await created(chat, "/work-processes", TALK | {"status": "draft"})
    assert (await chat.patch(f"/work-processes/{draft['id']}", json={"priority": given})).json()["priority"] == "HIGH"
    await created(chat, "/work-processes", TALK | {"priority": given})
    async with database.transaction() as connection:
        rows = (await connection.execute(select(work_processes.c.priority))).scalars()
        assert set(rows) == {30}


@pytest.mark.parametrize("given", ["urgent", "", 35, 30.5, True, None, [30], {}])
async def test_an_unknown_priority_is_refused_naming_the_four(chat: httpx.AsyncClient, given: Any) -> None:
    (error,) = problem(await chat.post("/work-processes", json=TALK | {"priority": given}), 422)["errors"]
    assert error["field"] == "priority"
    said = f"{error['detail']} {error['remedy']}"
    assert all(name in said for name in ("LOW", "NORMAL", "HIGH", "CRITICAL")), said


async def put_recipe(api: httpx.AsyncClient, most: int | None, description: str) -> None:
    body = CHAT | {"maxConcurrent": most, "description": description}
    number = (await api.get("/recipes", params={"name": "agent.chat"})).json()["items"][0]["id"]
    assert (await api.put(f"/recipes/{number}", json=body)).status_code == 200


async def test_only_a_recipe_with_another_limit_waits_for_the_line(chat: httpx.AsyncClient, database: Database) -> None:
    async with database.transaction() as connection:
        await slots.lock_line(connection)
        async with asyncio.timeout(5):
            await put_recipe(chat, None, "the same limit")
        other = asyncio.create_task(put_recipe(chat, 3, "another"))
        await until_somebody_waits_for_a_lock(database)
        assert not other.done()
    await other


async def test_an_import_holds_no_line_while_it_waits_for_a_recipe(chat: httpx.AsyncClient, database: Database) -> None:
    await created(chat, "/recipes", CHAT | {"name": "later"})
    step = "steps: [{step: say, uses: http_notify, input: {url: 'http://127.0.0.1:9/'}}]"
    content = f"recipes: [{{name: agent.chat, maxConcurrent: 2, {step}}}, {{name: later, maxConcurrent: 2, {step}}}]"
    async with database.transaction() as connection:  # as a PUT of the other recipe does
        later = await recipes.id_of(connection, "later")
        assert later is not None
        await recipes.lock_version(connection, later)
        importing = asyncio.create_task(
            chat.post("/recipes/import?existing=replace", content=content, headers={"content-type": "application/yaml"})
        )
        await until_somebody_waits_for_a_lock(database)
        async with asyncio.timeout(5):
            await slots.lock_line(connection)
    answer = await importing
    assert answer.status_code == 200, answer.text
    limits = (await chat.get("/queue/limits")).json()["recipes"]
    assert {one["name"]: one["maxConcurrent"] for one in limits} == {"agent.chat": 2, "later": 2}


async def test_a_change_of_the_limit_is_an_event(chat: httpx.AsyncClient, database: Database) -> None:
    for overall in (3, 3, None):
        await set_limit(chat, overall)
    async with database.transaction() as connection:
        of_limits = select(events.c.payload, events.c.source, events.c.actor).where(
            events.c.type == "queue.limits_changed"
        )
        told = (await connection.execute(of_limits.order_by(events.c.id))).all()
    assert [row.payload for row in told] == [{"overall": 3, "before": None}, {"overall": None, "before": 3}]
    assert {(row.source, row.actor["kind"]) for row in told} == {("api", "client")}


async def test_a_list_of_missions_with_agents_does_not_look_at_the_line_of_slots(
    world: httpx.AsyncClient, database: Database
) -> None:
    await mission(world)
    async with database.transaction() as connection:
        await connection.execute(text("LOCK TABLE slots IN ACCESS EXCLUSIVE MODE"))
        async with asyncio.timeout(5):
            assert len((await world.get("/work-processes")).json()["items"]) == 1
