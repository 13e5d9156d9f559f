"""Several missions side by side: on one platform, on one instrument, and beside what is no mission file."""

from typing import Any

from tests.conformance.mission_files.aborted import check_aborted
from tests.conformance.mission_files.ordinary import ordinary_mission
from tests.support.mission_file_text import SAMPLE, file, timed
from tests.support.platform_stage import FileMission, Platform
from tests.support.site import until

WAITING = file(timed("wait(60)"))


async def waiting(platform: Platform, mission_id: str = "") -> FileMission:
    """A mission that holds the first CTD."""
    mission = await platform.run(WAITING, mission_id)
    await mission.until_thread(0, command="wait(60)")
    return mission


async def refused(platform: Platform, text: str, mission_id: str, **fields: Any) -> str:
    """RUN_MISSION is answered with 409; returns what that says."""
    body = {"missionId": mission_id, "missionYaml": platform.named(text), **fields}
    return str(await platform.site.post(f"/platforms/{platform.uuid}/missions", body, status=409))


async def test_on_one_platform(platform: Platform) -> None:
    """Each has its own instruments, its own threads and its own end."""
    first = await waiting(platform)
    second = await platform.run(file(timed(SAMPLE, of=[3])))

    await second.until("succeeded")

    assert await second.frame() == ["M STARTING", "M STARTED", "M STOPPED"]
    assert await first.life() == ["M STARTING", "T0 STARTED", "M STARTED", "S0 STARTED"]
    shown = await platform.site.get(f"/platforms/{platform.uuid}")
    assert [one["workProcessId"] for one in shown["missions"]] == [first.id]
    await first.abort()
    await check_aborted(first)
    assert [ctd.state for ctd in platform.ctds] == ["INACTIVE", "COMMAND", "COMMAND"]
    listed = (await platform.site.get(f"/platforms/{platform.uuid}/missions"))["items"]
    assert [one["missionId"] for one in listed] == [second.mission_id, first.mission_id]


async def test_on_one_instrument_the_second_waits_and_says_for_whom(platform: Platform) -> None:
    first = await waiting(platform)
    second = await platform.run(file(timed(SAMPLE, of=[3]), timed(SAMPLE)))

    reason = await second.until_waiting("agent_reserved")

    assert first.mission_id in reason["text"]
    assert platform.ctds[0].uuid in reason["text"]
    shown = await second.shown()
    assert [one["code"] for one in shown["waitingReasons"]] == ["agent_reserved"]
    assert [thread["status"] for thread in shown["threads"]] == ["not_started", "not_started"]
    assert await second.life() == ["M STARTING"]
    assert platform.ctds[1].commands == [], "nothing is sent before all instruments are the mission's"
    await platform.ctds[0].set_state("COMMAND")
    await first.abort()
    await check_aborted(first)
    await second.until("succeeded", "failed")


async def test_a_busy_instrument_can_refuse_the_second(platform: Platform) -> None:
    first = await waiting(platform)

    said = await refused(platform, file(timed(SAMPLE)), "second", onBusy="refuse")

    assert first.mission_id in said
    assert platform.ctds[0].uuid in said
    missing = await platform.site.api.get(f"/platforms/{platform.uuid}/missions/second")
    assert missing.status_code == 404
    events = (await platform.site.get(f"/events?type=mission.*&platform={platform.uuid}"))["items"]
    assert {event["payload"]["plan_id"] for event in events} == {first.mission_id}
    await first.abort()
    await check_aborted(first)


async def test_one_id_can_be_used_again_when_its_mission_has_ended(platform: Platform) -> None:
    first = await waiting(platform, "ctd-hourly")

    said = await refused(platform, file(timed(SAMPLE, of=[3])), "ctd-hourly")

    assert "ctd-hourly" in said
    assert str(first.id) in said
    await first.abort()
    await check_aborted(first)
    again = await platform.run(file(timed(SAMPLE, of=[3])), "ctd-hourly")
    await again.until("succeeded")
    assert (await again.shown())["workProcessId"] == again.id != first.id


async def test_nothing_else_commands_a_held_instrument(platform: Platform) -> None:
    """Neither an instant action nor a mission that does not wait for it; the refusal names who holds it."""
    first = await waiting(platform)
    agent_id = platform.stage.ids[platform.ctds[0].uuid]

    action = await platform.site.post(f"/agents/{agent_id}/instant-actions", {"command": "tell"}, status=409)
    recipe, _ = await platform.site.recipe(lambda call: {"results": [{"agent_id": agent_id, "assignment": {}}]})
    past = {
        "workProcessTypeName": recipe,
        "status": "dispatched",
        "yardUid": "1",
        "agentIds": [agent_id],
        "data": {},
        "waitFreeAgent": False,
    }
    mission = await platform.site.post("/work-processes", past, status=409)

    for problem in (action, mission):
        assert first.mission_id in str(problem)
        assert platform.ctds[0].uuid in str(problem)
    assert platform.ctds[0].commands == []
    await first.abort()
    await check_aborted(first)


async def test_an_ordinary_mission_and_a_mission_file_wait_for_each_other(platform: Platform) -> None:
    ctd = platform.ctds[0]
    other = await ordinary_mission(platform, ctd)
    mission = await platform.run(file(timed(SAMPLE)))
    reason = await mission.until_waiting("agent_reserved")
    assert str(other.id) in reason["text"]

    await other.cancel()

    await mission.until("succeeded")
    assert [command.name for command in ctd.commands] == ["CLOCK_SYNC", "ACQUIRE_SAMPLE"]


async def test_it_is_in_every_list_and_feed(platform: Platform) -> None:
    mission = await platform.run(file(timed(SAMPLE)))
    await mission.until("succeeded")
    site = platform.site

    async def told() -> bool:  # events have their places in the log a moment after they are written
        items = (await site.get(f"/events?platform={platform.uuid}&type=mission.stopped"))["items"]
        return bool(items)

    await until(told, 10)
    listed = (await site.get("/work-processes?type=mission-file&limit=200"))["items"]
    of_mission = [one["type"] for one in (await site.get(f"/events?missionId={mission.id}&type=mission.*"))["items"]]
    of_platform = (await site.get(f"/events?platform={platform.uuid}&type=mission.*"))["items"]
    async with site.api.stream("GET", f"/work-processes/{mission.id}/stream?lastEventId=0") as stream:
        streamed = [line async for line in stream.aiter_lines() if line.startswith("event: mission.")]

    assert mission.id in [one["id"] for one in listed]
    assert (await mission.read())["workProcessTypeName"] == "mission-file"
    assert of_mission == [
        "mission.starting",
        "mission.thread.started",
        "mission.started",
        "mission.sequence.started",
        "mission.sequence.stopped",
        "mission.thread.stopped",
        "mission.stopped",
    ]
    assert [one["type"] for one in of_platform] == of_mission
    assert streamed == [f"event: {kind}" for kind in of_mission]
    assert {one["payload"]["origin"] for one in of_platform} == {platform.uuid}
