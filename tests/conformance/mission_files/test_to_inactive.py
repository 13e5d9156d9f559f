"""An abort brings the mission's instruments to INACTIVE, from wherever they stand, and releases them then."""

from typing import Any

import pytest

from examples.instruments.instrument import Command
from examples.instruments.simulator import Simulated
from tests.conformance.mission_files.aborted import check_aborted
from tests.support.mission_file_text import file, timed
from tests.support.platform_stage import FileMission, Platform
from tests.support.site import until

WAY = {
    "UNINITIALIZED": ["INITIALIZE"],
    "INACTIVE": [],
    "IDLE": ["GO_INACTIVE"],
    "COMMAND": ["GO_INACTIVE"],
    "STREAMING": ["GO_INACTIVE"],
    "STOPPED": ["GO_INACTIVE"],
}


async def waiting(platform: Platform, *numbers: int) -> FileMission:
    """A mission with a thread for each of these CTDs, all of which wait."""
    mission = await platform.run(file(*(timed("wait(60)", of=[number]) for number in numbers)))
    for thread in range(len(numbers)):
        await mission.until_thread(thread, command="wait(60)")
    return mission


async def known_as(platform: Platform, ctd: Simulated, state: str) -> None:
    """Wait until Muster has heard of the state."""

    async def heard() -> bool:
        shown = (await platform.site.get(f"/platforms/{platform.uuid}"))["instruments"]
        return any(one["uuid"] == ctd.uuid and one["state"] == state for one in shown)

    await until(heard, 10)


@pytest.mark.parametrize("states", [("UNINITIALIZED", "INACTIVE", "IDLE"), ("COMMAND", "STREAMING", "STOPPED")])
async def test_from_each_state(platform: Platform, states: tuple[str, ...]) -> None:
    mission = await waiting(platform, 2, 3, 4)
    for ctd, state in zip(platform.ctds, states, strict=True):
        await ctd.set_state(state)
        await known_as(platform, ctd, state)

    await mission.abort()

    await check_aborted(mission, threads=3)
    assert [ctd.state for ctd in platform.ctds] == ["INACTIVE"] * 3
    assert [[sent.name for sent in ctd.commands] for ctd in platform.ctds] == [WAY[state] for state in states]
    assert (await mission.read())["attention"] == []


async def test_an_instrument_is_released_when_it_is_inactive_and_others_are_left_alone(platform: Platform) -> None:
    first, second, third = platform.ctds
    held: list[tuple[str, int | None]] = []
    do = first.device.do

    def noted(command: Command) -> Any:
        held.append((command.name, first.mission))
        return do(command)

    first.device.do = noted  # type: ignore[method-assign]  # looks on
    first.inject("late", "GO_INACTIVE", seconds=0.3)
    mission = await waiting(platform, 2)

    await mission.abort()

    await check_aborted(mission)
    assert held == [("GO_INACTIVE", mission.id)]
    assert first.mission is None
    assert second.commands == third.commands == []


async def test_one_that_is_busy_with_itself_is_reset_or_left_as_it_is(platform: Platform) -> None:
    """A CTD takes no RESET while it tests itself: the abort ends all the same."""
    ctd = platform.ctds[0]
    mission = await waiting(platform, 2, 3)
    ctd.device.state = "TEST"  # type: ignore[misc, assignment]  # one that it does not simulate
    ctd.conversation.say_state()
    await known_as(platform, ctd, "TEST")

    await mission.abort()

    await check_aborted(mission, threads=2)
    assert [sent.name for sent in ctd.commands] == ["RESET"]
    assert platform.ctds[1].state == "INACTIVE"
    shown = await mission.read()
    assert [(entry["code"], entry["agentId"]) for entry in shown["attention"]] == [
        ("not_inactive", platform.stage.ids[ctd.uuid])
    ]
    assert "not possible in TEST" in shown["attention"][0]["text"]


async def test_one_that_never_answers_holds_up_nobody_for_long(platform: Platform) -> None:
    ctd = platform.ctds[0]
    mission = await waiting(platform, 2, 3)
    ctd.inject("never", "GO_INACTIVE")
    ctd.inject("ignore_cancel")

    await mission.abort()

    await mission.until("canceled", timeout=15)
    await check_aborted(mission, threads=2)
    assert [sent.name for sent in ctd.commands] == ["GO_INACTIVE"], "it is told once"
    shown = await mission.read()
    assert "cancel_unconfirmed" in [entry["code"] for entry in shown["attention"]]
    assert {entry["agentId"] for entry in shown["attention"]} == {platform.stage.ids[ctd.uuid]}
    assert platform.ctds[1].state == "INACTIVE"
    await platform.until_state("COMMAND")
