"""An agent that is slow to say `ready` is told again, and the mission goes on as if it had answered at once."""

import pytest

from tests.conformance.helyos.conftest import Scene


@pytest.mark.parametrize("protocol", ["AMQP", "MQTT"])
async def test_an_agent_that_is_slow_to_say_ready_is_told_again(scene: Scene, protocol: str) -> None:
    start = scene.site.mqtt_agent if protocol == "MQTT" else scene.site.agent
    truck = await start("--ready-at", "2")
    recipe, _ = await scene.site.recipe(lambda call: {"results": [{"agent_id": truck.id, "assignment": {}}]})
    mission = await scene.site.mission(recipe, [truck])
    await mission.until("succeeded")
    await truck.until_status("free")
    await scene.expect(mission, reserves=2, assignments=1, cancels=0, releases=1)
    assert await mission.events("work_process.waiting") == [], "it kept its agent meanwhile"
