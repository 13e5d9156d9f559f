"""Whole missions with SDK agents over AMQP and over MQTT, and agents whose program starts anew in the middle."""

from typing import Any

import pytest

from tests.support.site import Site, SiteAgent, until


async def agent_of(site: Site, protocol: str, *options: str) -> SiteAgent:
    return await (site.mqtt_agent(*options) if protocol == "MQTT" else site.agent(*options))


async def test_an_mqtt_agent_drives_a_mission_in_two_groups_and_is_free_again(site: Site) -> None:
    truck = await site.mqtt_agent()
    recipe, _ = await site.recipe(
        lambda call: {
            "results": [{"agent_id": truck.id, "assignment": {"leg": leg}, "assignment_order": leg} for leg in (1, 2)]
        }
    )
    mission = await site.mission(recipe, [truck])
    await mission.until("succeeded")
    await truck.until_status("free")
    assert truck.assignments() == [{"leg": 1}, {"leg": 2}]
    assert [len(truck.heard(kind, mission)) for kind in ("reserve", "release")] == [1, 1]
    assert (await truck.read())["protocol"] == "MQTT"


async def test_an_mqtt_agent_is_cancelled_and_released(site: Site) -> None:
    truck = await site.mqtt_agent("--work", "60")
    recipe, _ = await site.recipe(lambda call: {"results": [{"agent_id": truck.id, "assignment": {}}]})
    mission = await site.mission(recipe, [truck])
    await truck.until_status("busy")
    await mission.cancel()
    await mission.until("canceled")
    await truck.until_status("free")
    assert [len(truck.heard(kind, mission)) for kind in ("cancel", "release")] == [1, 1]


@pytest.mark.parametrize("protocol", ["AMQP", "MQTT"])
async def test_an_agent_that_checks_in_again_in_mid_mission_finishes_it(site: Site, protocol: str) -> None:
    truck = await agent_of(site, protocol, "--work", "60")
    recipe, _ = await site.recipe(lambda call: {"results": [{"agent_id": truck.id, "assignment": {}}]})
    mission = await site.mission(recipe, [truck])
    await truck.until_status("busy")
    (assignment,) = await mission.assignments()
    login = truck.process.records("checked_in")[0]
    truck.process.kill()
    options = site.speaks(protocol)
    again = await site.agent(
        *(f"--password={login['password']}", "--finish", str(assignment["id"]), *options),
        uuid=truck.uuid,
        listening=False,
    )
    shown = await mission.until("succeeded")
    assert [entry["code"] for entry in shown["attention"]] == ["agent_restarted"]

    async def released() -> Any:
        return again.heard("release", mission)

    await until(released, 10)
    assert (await mission.assignments())[0]["status"] == "succeeded"
