"""Whole mission files on the simulator: rows of the table of cases."""

import pytest

from tests.conformance.mission_files.case import FILES as FOLDER
from tests.conformance.mission_files.case import Case
from tests.conformance.mission_files.file_cases import FILES
from tests.conformance.mission_files.mission_text import Thread, mission_file
from tests.conformance.mission_files.running import run
from tests.support.platform_stage import Platform
from tests.support.site import until

REFUSED = "ooi/mission_HDCamera.yml"


@pytest.mark.parametrize("case", FILES, ids=lambda case: case.name)
async def test_file(platform: Platform, case: Case) -> None:
    await run(platform, case)


def test_every_file_has_its_case() -> None:
    there = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.yml")}
    assert there - {case.file for case in FILES} == {REFUSED}


async def test_file_with_an_old_date_is_refused(platform: Platform) -> None:
    """One error, of the second thread's start; nothing has started."""
    text = platform.named((FOLDER / REFUSED).read_text())
    answer = await platform.site.api.post(
        f"/platforms/{platform.uuid}/missions", json={"missionId": "camera", "missionYaml": text}
    )
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert "06/01/2014 02:00:00" in str(error)
    await nothing_started(platform)


async def test_unknown_source_of_an_event_is_refused(platform: Platform) -> None:
    """The original starts such a mission, which then fails."""
    text = platform.named(mission_file(Thread(event=("PRE:NOBODY", "atStep"), sequence=("ACQUIRE_SAMPLE",))))
    answer = await platform.site.api.post(
        f"/platforms/{platform.uuid}/missions", json={"missionId": "nobody", "missionYaml": text}
    )
    assert answer.status_code == 422
    assert "PRE:NOBODY" in answer.text
    await nothing_started(platform)


async def nothing_started(platform: Platform) -> None:
    """No mission, no command, no other state; what was wrong is one event of the platform."""
    assert (await platform.site.get(f"/platforms/{platform.uuid}/missions"))["items"] == []
    assert await platform.state() == "COMMAND"
    assert [ctd.commands for ctd in platform.ctds] == [[], [], []]

    async def told() -> list[str]:
        found = (await platform.site.get(f"/events?platform={platform.uuid}&limit=100"))["items"]
        return [one["type"] for one in found if one["type"].startswith("mission.")]

    assert await until(told, 10) == ["mission.load_error"]
