"""Scenario 9 of helyOS's integration tests, and what I.4 item 10 lists of queues: pause and stop on failure hold."""

from typing import Any

from tests.conformance.helyos.conftest import Scene
from tests.conformance.helyos.test_missions import drive
from tests.support.site import Mission, SiteAgent, until


async def queued(scene: Scene, queue: int, agent: SiteAgent, **data: Any) -> Mission:
    recipe, _ = await scene.site.recipe(lambda call: {"results": [drive(agent, **data)]})
    return await scene.site.mission(recipe, [agent], status="draft", missionQueueId=queue)


async def queue_of(scene: Scene, **fields: Any) -> int:
    return int((await scene.site.post("/mission-queues", {"name": "queue", **fields}))["id"])


async def write(scene: Scene, queue: int, status: str) -> None:
    """What a helyOS client does."""
    answer = await scene.site.api.patch(f"/mission-queues/{queue}", json={"status": status})
    assert answer.status_code == 200, answer.text


async def until_status(scene: Scene, queue: int, status: str) -> Any:
    async def there() -> Any:
        shown = await scene.site.get(f"/mission-queues/{queue}")
        return shown if shown["status"] == status else None

    return await until(there, 20)


async def test_09_queue_of_two_missions(scene: Scene) -> None:
    queue = await queue_of(scene)
    first, second = await queued(scene, queue, scene.first), await queued(scene, queue, scene.second)
    await write(scene, queue, "run")
    shown = await until_status(scene, queue, "stopped")
    assert [mission["status"] for mission in shown["missions"]] == ["succeeded", "succeeded"]
    assert (await first.read())["endedAt"] <= (await second.read())["dispatchedAt"]
    await scene.all_free()
    for mission, agent in ((first, scene.first), (second, scene.second)):
        await scene.expect(mission, agent=agent, reserves=1, assignments=1, cancels=0, releases=1)


async def test_09b_paused_queue_starts_no_further_mission(scene: Scene) -> None:
    queue = await queue_of(scene)
    first, second = await queued(scene, queue, scene.first), await queued(scene, queue, scene.second)
    await write(scene, queue, "run")
    await first.until("executing")
    await write(scene, queue, "paused")
    await first.until("succeeded")
    await scene.first.until_status("free")
    await scene.expect(second, agent=scene.second, reserves=0, assignments=0, releases=0)
    await write(scene, queue, "run")
    await until_status(scene, queue, "stopped")
    await scene.expect(second, agent=scene.second, reserves=1, assignments=1, releases=1)


async def test_09c_failed_mission_stops_a_queue_that_is_to_stop_on_failure(scene: Scene) -> None:
    queue = await queue_of(scene, stopOnFailure=True)
    first = await queued(scene, queue, scene.first, fail=True)
    second = await queued(scene, queue, scene.second)
    await write(scene, queue, "run")
    shown = await until_status(scene, queue, "stopped")
    assert shown["failure"]["workProcessId"] == first.id
    assert (await second.read())["status"] == "draft"
    await scene.expect(second, agent=scene.second, reserves=0, assignments=0, releases=0)
