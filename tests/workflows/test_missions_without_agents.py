"""Missions that only run steps: no yard, no agents; limited in how many run at once."""

import secrets
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest

from tests.support.planner import Service
from tests.support.site import Mission, Site, until


@pytest.fixture
async def limits(site: Site) -> AsyncIterator["Limits"]:
    limits = Limits(site)
    yield limits
    await limits.overall(None)


class Limits:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def overall(self, most: int | None) -> Any:
        answer = await self._site.api.put("/queue/limits", json={"overall": most})
        assert answer.status_code == 200, answer.text
        return answer.json()


async def submit(site: Site, recipe: str, **fields: Any) -> Mission:
    body = {"workProcessTypeName": recipe, "status": "dispatched", **fields}
    return Mission(site, (await site.post("/work-processes", body))["id"])


async def chat(site: Site, **fields: Any) -> tuple[str, Service]:
    """A recipe of one HTTP call, and the service that it calls."""
    name = f"agent.chat-{secrets.token_hex(3)}"
    service = site.planner.service(name, lambda call: {})
    steps = [{"step": "say", "uses": "http_notify", "input": {"url": service.url, "message": "hello"}}]
    await site.post("/recipes", {"name": name, "steps": steps, **fields})
    return name, service


async def held_chat(site: Site, **fields: Any) -> tuple[str, Service]:
    """The same, whose calls are answered only when the test says so."""
    name, service = await chat(site, **fields)
    service.hold.clear()
    return name, service


async def calls(service: Service, number: int) -> None:
    async def came() -> bool:
        return len(service.calls) >= number

    await until(came, 20, lambda: str(service.calls))


@pytest.mark.parametrize("kind", ["agent.chat", "data.process"])
async def test_it_is_dispatched_calculates_and_succeeds_in_no_yard(site: Site, kind: str) -> None:
    recipe, service = await (
        chat(site) if kind == "agent.chat" else site.recipe(lambda call: {"status": "successful", "results": []})
    )
    mission = await submit(site, recipe, data={"text": "hello"}, priority="high")
    shown = await mission.until("succeeded")
    assert await mission.statuses() == ["dispatched", "calculating", "succeeded"]
    assert (shown["yardId"], shown["yardUid"], shown["agentIds"]) == (None, None, [])

    tasks = await mission.events("task.created", "task.started", "task.completed")
    assert [event["type"] for event in tasks] == ["task.created", "task.started", "task.completed"]
    created, started, completed = (event["payload"] for event in tasks)
    assert created.keys() == {"task_id", "mission_type", "priority", "created_at"}
    assert started.keys() == {"task_id", "mission_type", "priority", "score", "retry_count", "started_at"}
    assert (started["priority"], started["score"], started["retry_count"]) == ("HIGH", 30, 0)
    assert completed.keys() == {"task_id", "mission_type", "duration_ms", "completed_at"}
    assert completed["duration_ms"] == pytest.approx(1000 * (completed["completed_at"] - started["started_at"]), abs=1)
    assert [event["mission_sequence"] for event in await mission.events()] == list(
        range(1, len(await mission.events()) + 1)
    )

    (call,) = service.calls
    if kind == "agent.chat":
        assert call.body["data"] == {"text": "hello"}
    else:
        assert "map" not in call.body["context"]
        assert call.body["context"]["agents"] == []
    described = await (await mission.run()).describe()
    assert described.raw_info.priority.priority_key == 2
    assert "Yard" not in {key.name for key, _ in described.typed_search_attributes}
    assert (await site.get("/queue/limits"))["running"] == 0


async def test_its_step_that_fails_fails_it(site: Site) -> None:
    recipe, service = await chat(site)
    service.script = lambda call: (400, {})
    mission = await submit(site, recipe)
    shown = await mission.until("failed")
    assert await mission.statuses() == ["dispatched", "calculating", "planning_failed", "failed"]
    assert shown["failure"]["code"] == "planning_failed"
    (failed,) = await mission.events("task.failed")
    assert (failed["payload"]["retry_count"], failed["payload"]["will_retry"]) == (1, False)
    assert (await site.get("/queue/limits"))["running"] == 0


async def test_an_agent_that_its_planner_names_still_gets_its_assignment(site: Site) -> None:
    truck = await site.agent()
    recipe, _ = await site.recipe(lambda call: {"results": [{"agent_id": truck.id, "assignment": {"go": 1}}]})
    mission = await submit(site, recipe)
    await mission.until("succeeded")
    assert truck.assignments() == [{"go": 1}]
    assert await mission.statuses() == [
        "dispatched", "calculating", "executing", "assignments_completed", "succeeded",
    ]  # fmt: skip


async def test_one_at_a_time_they_run_in_the_order_of_their_scores(site: Site, limits: Limits) -> None:
    recipe, service = await held_chat(site)
    await limits.overall(1)
    first = await submit(site, recipe, data={"name": "first"})
    await first.until("calculating")
    waiting = []
    for priority in ("LOW", "NORMAL", "HIGH", "NORMAL", "CRITICAL"):
        waiting.append(await submit(site, recipe, data={"name": priority}, priority=priority))
        await waiting[-1].until_waiting("slot")
    low, normal, high, later_normal, critical = waiting
    order = [critical, high, normal, later_normal, low]
    queue = await site.get("/queue")
    assert [item["workProcessId"] for item in queue["items"]] == [mission.id for mission in order]
    assert [item["place"] for item in queue["items"]] == [1, 2, 3, 4, 5]
    assert (await low.read())["status"] == "dispatched"
    assert await low.events("task.started") == []

    service.hold.set()
    for mission in order:
        await mission.until("succeeded")
    assert [call.body["workProcessId"] for call in service.calls] == [mission.id for mission in (first, *order)]
    (started,) = await low.events("task.started")
    (waits,) = await low.events("work_process.waiting")
    assert started["payload"]["score"] > 10
    assert waits["payload"]["waiting_reasons"][0]["code"] == "slot"
    assert datetime.fromisoformat((await low.read())["startedAt"]) > datetime.fromisoformat(waits["timestamp"])


async def test_limits_change_while_they_run(site: Site, limits: Limits) -> None:
    recipe, service = await held_chat(site, maxConcurrent=1)
    other, others_service = await chat(site)
    missions = [await submit(site, recipe) for _ in range(6)]
    await calls(service, 1)
    await missions[5].until_waiting("slot")
    await (await submit(site, other)).until("succeeded")  # a full recipe holds up no other

    stored = (await site.get(f"/recipes?name={recipe}"))["items"][0]
    steps = [{"step": "say", "uses": "http_notify", "input": {"url": service.url}}]
    await site.api.put(f"/recipes/{stored['id']}", json={"name": recipe, "steps": steps, "maxConcurrent": 3})
    await calls(service, 3)
    shown = await limits.overall(3)
    assert (shown["running"], shown["waiting"]) == (3, 3)
    await site.api.delete(f"/recipes/{stored['id']}")  # has no limit any more; the overall one holds
    assert (await limits.overall(4))["running"] == 4
    await calls(service, 4)
    service.hold.set()
    for mission in missions:
        await mission.until("succeeded")
    assert Counter(call.body["workProcessId"] for call in service.calls) == {mission.id: 1 for mission in missions}
    assert len(others_service.calls) == 1


async def test_a_cancel_in_line_leaves_it(site: Site, limits: Limits) -> None:
    recipe, service = await held_chat(site)
    await limits.overall(1)
    first = await submit(site, recipe)
    await first.until("calculating")
    gone, then = await submit(site, recipe, priority="CRITICAL"), await submit(site, recipe)
    await gone.until_waiting("slot")
    await then.until_waiting("slot")
    await gone.cancel()
    await gone.until("canceled")
    assert await gone.statuses() == ["dispatched", "canceling", "canceled"]
    assert await gone.run_status() == "CANCELED"
    assert [item["workProcessId"] for item in (await site.get("/queue"))["items"]] == [then.id]
    await first.cancel()  # its slot is freed as well
    await first.until("canceled")
    service.hold.set()
    await then.until("succeeded")


async def test_the_wait_for_a_slot_has_the_limit_of_the_recipe(site: Site, limits: Limits) -> None:
    recipe, _ = await chat(site, options={"maxWait": 0.3})
    await limits.overall(0)
    mission = await submit(site, recipe)
    shown = await mission.until("failed")
    assert shown["failure"]["code"] == "reservation_timeout"
    assert "`overall` is 0" in shown["failure"]["text"]
    assert await mission.statuses() == ["dispatched", "failed"]
    assert (await site.get("/queue"))["length"] == 0


async def test_a_killed_worker_loses_and_doubles_no_slot(site: Site, limits: Limits) -> None:
    recipe, service = await site.recipe(lambda call: {"status": "successful"})
    service.hold.clear()
    await limits.overall(2)
    missions = [await submit(site, recipe) for _ in range(6)]
    await calls(service, 2)
    await missions[5].until_waiting("slot")
    site.worker.kill()
    service.hold.set()  # the calls of the dead worker end in nothing
    site.worker.start()
    await limits.overall(3)  # granted while nobody works
    for mission in missions:
        await mission.until("succeeded", timeout=60)
        assert len(await mission.events("task.started")) == 1
    assert (await site.get("/queue/limits"))["running"] == 0
