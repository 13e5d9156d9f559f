"""Mission queues on a whole site: order, pause, stop, cancel, failures, missions that come and go, a killed worker."""

import asyncio
from itertools import pairwise
from typing import Any

from tests.support.planner import Call
from tests.support.site import Mission, Site, SiteAgent, until

IDLE = {"stopped", "canceled"}


class Queue:
    """One queue, seen from outside."""

    def __init__(self, site: Site, queue_id: int) -> None:
        self.site, self.id = site, queue_id
        self.last: Any = None

    async def read(self) -> Any:
        self.last = await self.site.get(f"/mission-queues/{self.id}")
        return self.last

    async def do(self, wish: str) -> Any:
        return await self.site.post(f"/mission-queues/{self.id}/{wish}", {}, status=200)

    async def until(self, status: str, timeout: float = 30) -> Any:
        async def there() -> bool:
            return str((await self.read())["status"]) == status

        await until(there, timeout, lambda: f"{self.last}\n{self.site.worker.log()[-3000:]}")
        return self.last

    async def until_current(self, mission: Mission) -> None:
        async def there() -> bool:
            return bool((await self.read())["currentMissionId"] == mission.id)

        await until(there, 20, lambda: f"{self.last}\n{self.site.worker.log()[-3000:]}")

    async def run_status(self) -> str:
        handle = self.site.temporal.get_workflow_handle((await self.read())["workflowId"])

        async def closed() -> str:
            status = (await handle.describe()).status
            assert status is not None
            return "" if status.name == "RUNNING" else status.name

        return str(await until(closed, 15))


async def queue_of(site: Site, **fields: Any) -> Queue:
    return Queue(site, (await site.post("/mission-queues", {"name": "round", **fields}))["id"])


async def draft(queue: Queue, recipe: str, agents: list[SiteAgent], **fields: Any) -> Mission:
    return await queue.site.mission(recipe, agents, status="draft", missionQueueId=queue.id, **fields)


async def drives(site: Site, truck: SiteAgent) -> str:
    def plan(call: Call) -> Any:
        if call.body["request"].get("fail"):
            return {"status": "failed"}
        return {"results": [{"agent_id": truck.id, "assignment": {}}]}

    return (await site.recipe(plan))[0]


async def order_of(*missions: Mission) -> list[int]:
    """The missions in the order in which they were dispatched; each began after the one before it had ended."""
    shown = sorted([await mission.read() for mission in missions], key=lambda item: str(item["dispatchedAt"]))
    for earlier, later in pairwise(shown):
        assert earlier["endedAt"] <= later["dispatchedAt"]
    return [item["id"] for item in shown]


async def test_missions_run_one_after_the_other_by_run_order_then_by_id(site: Site) -> None:
    truck, queue = await site.agent("--work", "0.05"), await queue_of(site)
    recipe = await drives(site, truck)
    last = await draft(queue, recipe, [truck], runOrder=9)
    first = await draft(queue, recipe, [truck], runOrder=1)
    same = await draft(queue, recipe, [truck], runOrder=1)
    behind = await draft(queue, recipe, [truck])
    assert (await behind.read())["runOrder"] == 10
    assert (await queue.do("run"))["status"] == "run"
    shown = await queue.until("stopped")
    assert [item["id"] for item in shown["missions"]] == [first.id, same.id, last.id, behind.id]
    assert {item["status"] for item in shown["missions"]} == {"succeeded"}
    assert await order_of(first, same, last, behind) == [first.id, same.id, last.id, behind.id]
    assert shown["startedAt"] <= (await first.read())["dispatchedAt"]
    assert shown["endedAt"] >= (await behind.read())["endedAt"]
    assert (shown["failure"], shown["currentMissionId"]) == (None, None)
    assert [event["source"] for event in await first.events("task.created")] == ["queue"]
    assert await queue.run_status() == "COMPLETED"


async def test_killed_worker_and_a_mission_added_meanwhile(site: Site) -> None:
    truck, queue = await site.agent("--work", "1"), await queue_of(site)
    recipe = await drives(site, truck)
    first = await draft(queue, recipe, [truck])
    second = await draft(queue, recipe, [truck])
    await queue.do("run")
    await first.until("executing")
    added = await draft(queue, recipe, [truck])
    site.worker.kill()
    await truck.process.wait_for("state", lambda r: (r["assignment"] or [0, ""])[1] == "succeeded")
    site.worker.start()
    await queue.until("stopped", timeout=60)
    assert await order_of(first, second, added) == [first.id, second.id, added.id]
    for mission in (first, second, added):
        assert len(truck.heard("assignment", mission)) == 1


async def test_pause_starts_nothing_and_run_goes_on(site: Site) -> None:
    truck, queue = await site.agent("--work", "0.3"), await queue_of(site)
    recipe = await drives(site, truck)
    first, second = await draft(queue, recipe, [truck]), await draft(queue, recipe, [truck])
    await queue.do("run")
    await first.until("executing")
    assert (await queue.do("pause"))["status"] == "paused"
    await first.until("succeeded")
    await truck.until_status("free")
    shown = await queue.read()
    assert (shown["status"], shown["currentMissionId"], shown["endedAt"]) == ("paused", None, None)
    assert (await second.read())["status"] == "draft"
    began = shown["startedAt"]
    await queue.do("run")
    assert (await queue.until("stopped"))["startedAt"] == began
    assert await order_of(first, second) == [first.id, second.id]


async def test_stop_lets_the_mission_in_hand_go_on_and_run_waits_for_it(site: Site) -> None:
    truck, queue = await site.agent("--work", "1"), await queue_of(site, stopOnFailure=True)
    recipe = await drives(site, truck)
    first, second = await draft(queue, recipe, [truck]), await draft(queue, recipe, [])
    await queue.do("run")
    await first.until("executing")
    assert (await queue.do("stop"))["status"] == "stopped"
    assert await queue.run_status() == "COMPLETED"
    assert (await first.read())["status"] == "executing"
    await queue.do("run")
    await queue.until("running")
    await queue.until_current(first)
    await queue.until("stopped")
    assert await order_of(first, second) == [first.id, second.id]


async def test_failure_stops_the_queue_or_not(site: Site) -> None:
    truck = await site.agent("--work", "0.05")
    recipe = await drives(site, truck)
    strict, lax = await queue_of(site, stopOnFailure=True), await queue_of(site)
    failing = await draft(strict, recipe, [], data={"fail": 1})
    left = await draft(strict, recipe, [truck])
    await strict.do("run")
    shown = await strict.until("stopped")
    assert shown["failure"]["code"] == "mission_failed"
    assert shown["failure"]["workProcessId"] == failing.id
    assert (await left.read())["status"] == "draft"
    await strict.do("run")
    assert (await strict.until("stopped"))["failure"] is None
    assert (await left.read())["status"] == "succeeded"

    await draft(lax, recipe, [], data={"fail": 1})
    then = await draft(lax, recipe, [truck])
    await lax.do("run")
    assert (await lax.until("stopped"))["failure"] is None
    assert (await then.read())["status"] == "succeeded"


async def test_mission_that_cannot_be_dispatched_counts_as_failed(site: Site) -> None:
    truck = await site.agent("--work", "0.05")
    recipe, queue = await drives(site, truck), await queue_of(site)
    gone = (await site.recipe(lambda call: {"results": []}))[0]
    broken, then = await draft(queue, gone, []), await draft(queue, recipe, [truck])
    service = next(s for s in (await site.get("/services?limit=200"))["items"] if s["name"] == gone)
    assert (await site.api.patch(f"/services/{service['id']}", json={"enabled": False})).status_code == 200
    await queue.do("run")
    await queue.until("stopped")
    shown = await broken.read()
    assert (shown["status"], shown["failure"]["code"], shown["workflowId"]) == ("failed", "dispatch_refused", None)
    assert gone in shown["failure"]["text"]
    assert (await then.read())["status"] == "succeeded"


async def test_cancel_ends_the_queue_after_its_mission_and_leaves_the_drafts(site: Site) -> None:
    truck, queue = await site.agent("--work", "60"), await queue_of(site)
    nothing = (await site.recipe(lambda call: {"results": []}))[0]
    first, second = await draft(queue, await drives(site, truck), [truck]), await draft(queue, nothing, [])
    await queue.do("run")
    await first.until("executing")
    canceled = await site.api.patch(f"/mission-queues/{queue.id}", json={"status": "cancel"})
    assert canceled.json()["status"] == "canceling"
    shown = await queue.until("canceled")
    ended = await first.read()
    assert ended["status"] == "canceled"
    assert f"mission queue {queue.id}" in ended["cancel"]["reason"]
    assert ended["endedAt"] <= shown["endedAt"]
    assert (await second.read())["status"] == "draft"
    assert await queue.run_status() == "CANCELED"
    await queue.do("run")
    await queue.until("stopped")
    assert (await second.read())["status"] == "succeeded"


async def test_cancel_of_the_run_in_the_ui_cancels_the_queue(site: Site) -> None:
    truck, queue = await site.agent("--work", "60"), await queue_of(site)
    first = await draft(queue, await drives(site, truck), [truck])
    await queue.do("run")
    await first.until("executing")
    handle = site.temporal.get_workflow_handle((await queue.read())["workflowId"])
    await handle.cancel(reason="wrong day")
    await queue.until("canceled")
    cancel = (await first.read())["cancel"]
    assert "wrong day" in cancel["reason"]
    assert cancel["requestedBy"]["id"] == "temporal"
    assert await queue.run_status() == "CANCELED"


async def test_draft_dispatched_by_hand_is_waited_for_and_not_run_twice(site: Site) -> None:
    truck, other, queue = await site.agent("--work", "0.2"), await site.agent("--work", "1"), await queue_of(site)
    recipe, slow = await drives(site, truck), await drives(site, other)
    first, by_hand, last = [
        await draft(queue, name, [agent]) for name, agent in ((recipe, truck), (slow, other), (recipe, truck))
    ]
    await site.api.patch(f"/work-processes/{by_hand.id}", json={"status": "dispatched"})
    await by_hand.until("executing")
    await asyncio.gather(queue.do("run"), queue.do("run"))
    await queue.until_current(by_hand)
    await queue.until("stopped")
    assert await order_of(by_hand, first, last) == [by_hand.id, first.id, last.id]
    assert len(other.heard("assignment", by_hand)) == 1
