"""Endings of mission queues, on a site."""

# ruff: noqa: D103 -- the recorders' names are what they record

from collections.abc import Awaitable, Callable
from typing import Any

from temporalio.client import WorkflowHandle

from scripts.histories.missions import drives
from tests.support.site import Mission, Site, until


class Queue:
    """A mission queue's run, as the recorder wants it."""

    def __init__(self, site: Site, queue_id: int) -> None:
        self._site, self._id = site, queue_id

    async def until(self, _ending: str, timeout: float) -> None:
        """Wait until it is over."""

        async def idle() -> bool:
            return (await self._site.get(f"/mission-queues/{self._id}"))["status"] in ("stopped", "canceled")

        await until(idle, timeout)

    async def run(self) -> WorkflowHandle[Any, Any]:
        """Its run in the engine."""
        shown = await self._site.get(f"/mission-queues/{self._id}")
        return self._site.temporal.get_workflow_handle(shown["workflowId"])

    async def run_status(self) -> None:
        """Wait until its run is closed."""
        handle = await self.run()

        async def closed() -> bool:
            return (await handle.describe()).close_time is not None

        await until(closed, 30)

    async def cancel(self) -> None:
        """Cancel it through the API."""
        await self._site.post(f"/mission-queues/{self._id}/cancel", {}, status=200)


async def _queue(site: Site, work: str, missions: int) -> tuple[Queue, list[Mission]]:
    truck = await site.agent("--work", work)
    recipe, _ = await site.recipe(drives(truck))
    made = await site.post("/mission-queues", {"name": "recorded"})
    drafts = [await site.mission(recipe, [truck], status="draft", missionQueueId=made["id"]) for _ in range(missions)]
    await site.post(f"/mission-queues/{made['id']}/run", {}, status=200)
    return Queue(site, made["id"]), drafts


async def succeeded_queue_of_two(site: Site) -> Queue:
    return (await _queue(site, "0.1", 2))[0]


async def canceled_queue(site: Site) -> Queue:
    queue, drafts = await _queue(site, "60", 1)
    await drafts[0].until("executing")
    await (await queue.run()).cancel(reason="by the ui")
    return queue


async def canceled_queue_as_its_row_said(site: Site) -> Queue:
    queue, drafts = await _queue(site, "60", 1)
    await drafts[0].until("executing")
    await queue.cancel()
    return queue


RECORDERS: list[Callable[[Site], Awaitable[Queue]]] = [
    succeeded_queue_of_two, canceled_queue, canceled_queue_as_its_row_said,
]  # fmt: skip
