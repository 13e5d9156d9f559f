"""Two worker processes and a thousand missions: each is executed once, and each tells its story once, in order."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cli.stack.addresses import Addresses
from tests.support.site import Site, running_site, until

MISSIONS = 1000
AT_ONCE = 20


@pytest.fixture
async def site(services: Addresses, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with running_site(services, tmp_path_factory.mktemp("site")) as running:
        yield running


@pytest.mark.timeout(400)
async def test_two_workers_execute_each_of_a_thousand_missions_once(site: Site) -> None:
    name, service = "data.process", site.planner.service("data.process", lambda call: {})
    steps = [{"step": "process", "uses": "http_notify", "input": {"url": service.url, "message": "go"}}]
    await site.post("/recipes", {"name": name, "steps": steps})
    await site.api.put("/queue/limits", json={"overall": AT_ONCE})
    second = site.another_worker()
    second.start()
    try:
        await until(lambda: _two_workers(site), 60, second.log)
        ids: set[str] = set()
        for _ in range(MISSIONS // AT_ONCE):
            made = await asyncio.gather(*(_submit(site, name) for _ in range(AT_ONCE)))
            ids.update(made)
        await until(lambda: _none_open(site), 300, site.worker.log)
        events = await _task_events(site)
    finally:
        second.stop()
    assert Counter(str(call.body["workProcessId"]) for call in service.calls) == dict.fromkeys(ids, 1)
    told: dict[str, list[str]] = {}
    for event in events:
        told.setdefault(event["mission_id"], []).append(event["type"])
    assert told == {key: ["task.created", "task.started", "task.completed"] for key in ids}
    positions = [event["sequence"] for event in events]
    assert positions == sorted(set(positions))


async def _submit(site: Site, name: str) -> str:
    return str((await site.post("/work-processes", {"workProcessTypeName": name, "status": "dispatched"}))["id"])


async def _two_workers(site: Site) -> bool:
    return len((await site.get("/workers"))["items"]) == 2


async def _none_open(site: Site) -> bool:
    open_ = await site.get("/work-processes?status=dispatched&status=calculating&limit=1")
    return not open_["items"]


async def _task_events(site: Site) -> list[Any]:
    found: list[Any] = []
    cursor: str | None = "0"
    while cursor is not None:
        page = await site.get(f"/events?type=task.*&limit=1000&after={cursor}")
        found, cursor = found + page["items"], page["nextCursor"]
    return found
