"""RUN_MISSION in each state of the platform, and the state that it has while missions run and afterwards."""

import pytest

from tests.conformance.mission_files.aborted import check_aborted
from tests.conformance.mission_files.ordinary import ordinary_mission
from tests.support.mission_file_text import SAMPLE, file, timed
from tests.support.platform_stage import Platform
from tests.support.site import until

WAITING = file(timed("wait(60)"))


@pytest.mark.parametrize(("before", "meanwhile"), [("COMMAND", "MISSION_COMMAND"), ("MONITORING", "MISSION_STREAMING")])
async def test_it_is_in_a_mission_until_the_last_one_has_ended(platform: Platform, before: str, meanwhile: str) -> None:
    await platform.put_in_state(before)
    first = await platform.run(WAITING)
    assert await platform.state() == meanwhile
    second = await platform.run(file(timed("wait(60)", of=[3])))
    await first.until_thread(0, command="wait(60)")

    await first.abort()
    await check_aborted(first)
    assert await platform.state() == meanwhile, "the second mission runs"
    await second.abort()
    await check_aborted(second)
    assert await platform.state() == before

    async def told() -> bool:  # events have their places in the log a moment after they are written
        return len(await changes(platform)) >= 2

    await until(told, 10)
    assert await changes(platform) == [(before, meanwhile), (meanwhile, before)]


async def changes(platform: Platform) -> list[tuple[str, str]]:
    """Of its state, in their order."""
    path = f"/events?type=agent.platform_state_changed&platform={platform.uuid}"
    items = (await platform.site.get(path))["items"]
    return [(one["payload"]["from"], one["payload"]["to"]) for one in items]


async def test_it_is_in_a_mission_from_the_acceptance_on(platform: Platform) -> None:
    """Also while the mission waits for an instrument that somebody else has."""
    ctd = platform.ctds[0]
    other = await ordinary_mission(platform, ctd)
    mission = await platform.run(file(timed(SAMPLE)))
    assert await platform.state() == "MISSION_COMMAND"
    await mission.until_waiting("agent_reserved")
    assert await platform.state() == "MISSION_COMMAND"
    await other.cancel()
    await mission.until("succeeded")
    assert await platform.state() == "COMMAND"


@pytest.mark.parametrize("state", ["UNINITIALIZED", "INACTIVE", "IDLE", "STOPPED"])
async def test_it_takes_no_mission_in_other_states(platform: Platform, state: str) -> None:
    await platform.put_in_state(state)
    body = {"missionId": "m", "missionYaml": platform.named(WAITING)}

    problem = await platform.site.post(f"/platforms/{platform.uuid}/missions", body, status=409)

    assert state in str(problem)
    assert "RUN_MISSION" in str(problem)
    assert await platform.state() == state
    assert (await platform.site.get(f"/platforms/{platform.uuid}/missions"))["items"] == []
    assert (await platform.site.get(f"/events?type=mission.*&platform={platform.uuid}"))["items"] == []
