"""Missions that want the same agents: one after the other, all or nothing, and they say why they wait."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.support.site import Mission, Site, SiteAgent


def results(*agents: SiteAgent) -> dict[str, object]:
    return {"results": [{"agent_id": agent.id, "assignment": {"n": 1}} for agent in agents]}


async def test_second_mission_waits_says_why_and_gets_the_agent(site: Site) -> None:
    truck = await site.agent("--work", "1")
    recipe, _ = await site.recipe(lambda call: results(truck))
    first = await site.mission(recipe, [truck])
    await first.until("executing")
    second = await site.mission(recipe, [truck])
    reason = await second.until_waiting("agent_reserved")
    assert str(first.id) in reason["text"]
    assert reason["agentId"] == truck.id
    assert (await second.read())["status"] == "preparing resources"
    await second.until("succeeded")
    assert (await second.read())["waitingReasons"] == []
    assert (await second.events("work_process.waiting"))[0]["payload"]["waiting_reasons"]
    assert len(truck.assignments()) == 2
    release, reserve = truck.heard("release", first)[0]["at"], truck.heard("reserve", second)[0]["at"]
    assert release <= reserve


async def test_two_missions_never_hold_one_agent(site: Site) -> None:
    trucks = [await site.agent("--work", "0.05") for _ in range(3)]
    pairs = [(0, 1), (1, 2), (2, 0), (0, 1), (1, 2), (2, 0)]
    recipe, _ = await site.recipe(
        lambda call: {
            "results": [{"agent_id": int(key), "assignment": {"n": 1}} for key in call.body["request"]["agents"]]
        }
    )
    missions: list[Mission] = await asyncio.gather(
        *(site.mission(recipe, [trucks[i], trucks[j]], {"agents": [trucks[i].id, trucks[j].id]}) for i, j in pairs)
    )
    await asyncio.gather(*(mission.until("succeeded", timeout=60) for mission in missions))
    for truck in trucks:
        held: int | None = None
        for record in truck.process.records():
            if record["event"] not in ("reserve", "release"):
                continue
            mission_id = record["message"]["body"]["work_process_id"]
            if record["event"] == "reserve":
                assert held is None, f"{truck.uuid} was reserved for {mission_id} while held by {held}"
                held = mission_id
            else:
                assert held == mission_id
                held = None


async def test_higher_priority_goes_first(site: Site) -> None:
    truck = await site.agent("--work", "1")
    recipe, _ = await site.recipe(lambda call: results(truck))
    running = await site.mission(recipe, [truck])
    await running.until("executing")
    low = await site.mission(recipe, [truck], priority="LOW")
    await low.until_waiting("agent_reserved")
    high = await site.mission(recipe, [truck], priority=30)
    await high.until_waiting("agent_reserved")
    await high.until("succeeded")
    assert (await low.read())["status"] != "succeeded"
    await low.until("succeeded")


async def test_request_with_an_absent_agent_does_not_claim_its_others(site: Site) -> None:
    present = await site.agent()
    absent = (await site.post("/agents", {"uuid": "never-seen-before", "name": "ghost"}))["id"]
    recipe, _ = await site.recipe(lambda call: results(present))
    body = {"workProcessTypeName": recipe, "status": "dispatched", "yardUid": "1", "data": {}}
    both = Mission(site, (await site.post("/work-processes", body | {"agentIds": [present.id, absent]}))["id"])
    await both.until_waiting("agent_unseen")
    await (await site.mission(recipe, [present])).until("succeeded")
    await both.cancel()
    await both.until("canceled")


async def test_silent_agent_puts_the_mission_back_in_line_until_it_speaks(site: Site) -> None:
    truck = await site.agent("--ignore-reserve", "--ignore-release")
    recipe, _ = await site.recipe(lambda call: results(truck))
    mission = await site.mission(recipe, [truck])
    await mission.until_waiting("agent_not_listening")
    assert (await truck.read())["reservedFor"] is None
    truck.process.kill()
    again = await site.agent(uuid=truck.uuid)
    await mission.until("succeeded")
    assert len(again.heard("reserve", mission)) >= 1


async def test_reserve_is_sent_again_to_an_agent_that_does_not_listen_yet(site: Site) -> None:
    """The agent is killed, so its queue goes; the next one of its name listens later."""
    truck = await site.agent()
    recipe, _ = await site.recipe(lambda call: results(truck))
    truck.process.kill()
    mission = await site.mission(recipe, [truck])
    await mission.until_waiting("agent_not_listening")
    await site.agent(uuid=truck.uuid)
    await mission.until("succeeded")


@pytest.fixture
async def missions_fail_without_their_agents(site: Site) -> AsyncIterator[None]:
    site.worker.stop()
    site.worker.start(MUSTER_RESERVE_FAILURE="fail")
    yield
    site.worker.stop()


@pytest.mark.usefixtures("missions_fail_without_their_agents")
async def test_by_setting_an_agent_that_does_not_answer_fails_the_mission_and_all_are_released(site: Site) -> None:
    trucks, mute = [await site.agent() for _ in range(2)], await site.agent("--ignore-reserve")
    deaf = await site.agent("--deaf")
    recipe, planner = await site.recipe(lambda call: results(*trucks))
    pairs = zip(trucks, (mute, deaf), ("silent", "not listening"), strict=True)
    running = [(await site.mission(recipe, [truck, other]), truck, other, why) for truck, other, why in pairs]
    for mission, truck, other, why in running:
        failure = (await mission.until("failed"))["failure"]
        assert (failure["code"], failure["agentId"]) == ("agent_not_listening", other.id)
        assert why in failure["text"]
        for agent in (truck, other):
            await agent.until_status("free")
            told = [len(agent.heard(kind, mission)) for kind in ("reserve", "release")]
            assert agent is deaf or (told[0] >= 1 and told[1] == 1)
    assert planner.calls == []


async def test_waiting_longer_than_allowed_fails_with_the_reason(site: Site) -> None:
    ghost = (await site.post("/agents", {"uuid": "another-ghost", "name": "ghost"}))["id"]
    recipe, _ = await site.recipe(lambda call: {"results": []}, options={"maxWait": 1})
    body = {"workProcessTypeName": recipe, "status": "dispatched", "yardUid": "1", "data": {}, "agentIds": [ghost]}
    mission = Mission(site, (await site.post("/work-processes", body))["id"])
    shown = await mission.until("failed")
    assert shown["failure"]["code"] == "reservation_timeout"
    assert "has not reported yet" in shown["failure"]["text"]


async def test_mission_with_forty_agents_of_long_names_starts_and_can_be_cancelled(site: Site) -> None:
    ghosts = [
        (await site.post("/agents", {"uuid": f"{'long-name-of-an-agent-' * 2}{n:04d}", "name": f"g{n}"}))["id"]
        for n in range(40)
    ]
    recipe, _ = await site.recipe(lambda call: {"results": []})
    body = {"workProcessTypeName": recipe, "status": "dispatched", "yardUid": "1", "data": {}, "agentIds": ghosts}
    mission = Mission(site, (await site.post("/work-processes", body))["id"])
    await mission.until("preparing resources")
    await mission.cancel()
    await mission.until("canceled")


async def test_instrument_works_for_one_mission_until_that_ends(site: Site) -> None:
    instrument, truck = await site.agent("--work", "60"), await site.agent()
    await site.api.patch(f"/agents/{instrument.id}", json={"agentClass": "instrument"})
    recipe, _ = await site.recipe(lambda call: results(instrument))
    holder = await site.mission(recipe, [instrument], waitFreeAgent=False)
    await holder.until("executing")

    intruder = await site.mission(recipe, [truck])
    waiting = await site.mission(recipe, [instrument])
    failure = (await intruder.until("failed"))["failure"]
    reason = await waiting.until_waiting("agent_reserved")
    held = f"instrument {instrument.uuid} (agent {instrument.id}) is held by work process {holder.id}"
    assert (failure["code"], failure["agentId"]) == ("agent_held", instrument.id)
    assert held in failure["text"]
    assert reason["text"] == f"instrument {instrument.uuid} is held by work process {holder.id}"

    await holder.cancel()
    await waiting.until("executing")
    release, reserve = instrument.heard("release", holder)[0]["at"], instrument.heard("reserve", waiting)[0]["at"]
    assert release <= reserve
    assert instrument.heard("assignment", intruder) == []
    await waiting.cancel()
    await waiting.until("canceled")
