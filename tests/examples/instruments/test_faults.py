"""Simulated instruments on the wire: commands come as assignments, and go wrong when they are told to."""

from typing import Any

import pytest

from examples.instruments.faults import Faults
from examples.instruments.simulator import Simulated
from tests.examples.instruments.conftest import Commanding
from tests.support.site import Mission, Site, until
from tests.support.tap import Tap, tapped

START, STOP = ("execute_resource", "START_AUTOSAMPLE"), ("execute_resource", "STOP_AUTOSAMPLE")
SAMPLE = ("execute_resource", "ACQUIRE_SAMPLE")


async def results(mission: Mission) -> list[tuple[str, Any]]:
    """Status and error of each command, once the mission has succeeded."""
    await mission.until("succeeded")
    return [(each["status"], each["result"]["error"]) for each in await mission.assignments()]


def said_by(ctd: Simulated, tap: Tap) -> list[Any]:
    """The messages that it published with its own keys."""
    words = {"agent_state": "state", "agent_event": "event", "agent_update": "update"}
    return [each.inner for each in tap.messages if each.routing_key == f"agent.{ctd.uuid}.{words.get(each.kind)}"]


async def test_commands_are_done_and_reported(ctd: Simulated, command: Commanding) -> None:
    mission = await command(ctd.uuid, ("set_resource", "INTERVAL", 3), START, ("execute_agent", "RUN"), STOP)
    await mission.until("succeeded")
    said = [(each["status"], each["result"]) for each in await mission.assignments()]
    refused = "RUN is not possible in STREAMING, only in IDLE"
    assert said == [
        ("succeeded", {"value": 3, "state": "COMMAND", "error": None}),
        ("succeeded", {"value": None, "state": "STREAMING", "error": None}),
        ("failed", {"value": None, "state": "STREAMING", "error": refused}),
        ("succeeded", {"value": None, "state": "COMMAND", "error": None}),
    ]
    assert [(each.name, each.args, each.mission) for each in ctd.commands] == [
        ("INTERVAL", [3], mission.id),
        ("START_AUTOSAMPLE", [], mission.id),
        ("RUN", [], mission.id),
        ("STOP_AUTOSAMPLE", [], mission.id),
    ]
    assert [each.assignment for each in ctd.commands] == [each["id"] for each in await mission.assignments()]


async def test_what_is_no_command_is_reported_as_failed(ctd: Simulated, command: Commanding) -> None:
    assert await results(await command(ctd.uuid, ("", ""), (None, "RUN"))) == [
        ("failed", "unknown method ''; it takes execute_agent, execute_resource, set_resource, get_resource"),
        ("failed", "unknown method 'None'; it takes execute_agent, execute_resource, set_resource, get_resource"),
    ]


async def test_it_measures_while_it_streams(ctd: Simulated, command: Commanding, site: Site) -> None:
    agent = (await site.get(f"/agents?uuid={ctd.uuid}"))["items"][0]["id"]
    await (await command(ctd.uuid, START)).until("succeeded")

    async def measured() -> bool:
        return "temperature" in ((await site.get(f"/agents/{agent}"))["sensors"] or {})

    await until(measured, 5)


async def test_the_nth_of_a_command_fails(ctd: Simulated, command: Commanding) -> None:
    ctd.inject("fail", "ACQUIRE_SAMPLE", 2, text="no water")
    done = await results(await command(ctd.uuid, SAMPLE, START, SAMPLE, SAMPLE))
    assert done == [("succeeded", None), ("succeeded", None), ("failed", "no water"), ("succeeded", None)]
    assert ctd.state == "STREAMING"


async def test_a_late_answer_comes_later_and_a_cancel_stops_it(ctd: Simulated, command: Commanding) -> None:
    ctd.inject("late", "START_AUTOSAMPLE", 1, seconds=0.3)
    ctd.inject("late", "STOP_AUTOSAMPLE", seconds=100)
    mission = await command(ctd.uuid, START, STOP)

    async def stopping() -> bool:
        return len(ctd.commands) == 2

    await until(stopping, 10)
    assert ctd.commands[1].at - ctd.commands[0].at >= 0.3
    await mission.cancel()
    await mission.until("canceled")
    assert ctd.canceled == [ctd.commands[1].assignment]
    assert ctd.state == "STREAMING"  # it was not stopped
    assert ctd.mission is None


async def test_never_an_answer_until_it_is_cancelled(ctd: Simulated, command: Commanding) -> None:
    ctd.inject("never")
    mission = await command(ctd.uuid, START)

    async def sent() -> bool:
        return bool(ctd.commands)

    await until(sent, 10)
    (shown,) = await mission.assignments()
    assert shown["result"] is None
    await mission.cancel()
    await mission.until("canceled")
    assert (ctd.state, (await mission.read())["attention"]) == ("COMMAND", [])


async def test_an_answer_that_comes_twice_is_done_once(ctd: Simulated, command: Commanding, site: Site) -> None:
    ctd.inject("twice", "START_AUTOSAMPLE")
    async with tapped(site.addresses) as tap:
        assert await results(await command(ctd.uuid, START, STOP)) == [("succeeded", None), ("succeeded", None)]
        await tap.caught_up()
    assert ctd.state == "COMMAND"
    start, stop = (each.assignment for each in ctd.commands)
    reports = [each["body"]["assignment"] for each in said_by(ctd, tap) if each["type"] == "agent_state"]
    ended = [each["id"] for each in reports if each and each["status"] == "succeeded"]
    assert ended == [start, start, stop]


async def test_it_ignores_a_cancel_and_goes_on(ctd: Simulated, command: Commanding) -> None:
    ctd.inject("ignore_cancel")
    ctd.inject("late", seconds=0.5)
    mission = await command(ctd.uuid, START)

    async def sent() -> bool:
        return bool(ctd.commands)

    await until(sent, 10)
    await mission.cancel()

    async def told() -> bool:
        return bool(ctd.canceled)

    await until(told, 5)
    assert ctd.state == "COMMAND"
    await mission.until("canceled")
    assert ctd.state == "STREAMING"


async def test_a_deaf_one_gets_nothing_until_it_hears_again(ctd: Simulated, command: Commanding) -> None:
    await ctd.deaf()
    mission = await command(ctd.uuid, START)
    await mission.until_waiting("agent_not_listening")
    assert ctd.commands == []
    await ctd.deaf(False)
    ctd.conversation.say()
    assert await results(mission) == [("succeeded", None)]


async def test_it_tells_its_state_and_events_by_itself(ctd: Simulated, site: Site) -> None:
    async with tapped(site.addresses) as tap:
        await ctd.emit("atStep", 31.5, step=2)
        await ctd.set_state("IDLE")
        await tap.caught_up()
    assert said_by(ctd, tap) == [
        {"type": "agent_event", "uuid": ctd.uuid, "body": {"event_id": "atStep", "value": 31.5, "step": 2}},
        {"type": "agent_update", "uuid": ctd.uuid, "body": {"sensors": {"instrument_state": "IDLE"}}},
    ]


async def test_an_instant_action_sets_a_fault(ctd: Simulated, command: Commanding, site: Site) -> None:
    agent = (await site.get(f"/agents?uuid={ctd.uuid}"))["items"][0]["id"]
    await site.post(f"/agents/{agent}/instant-actions", {"command": "fail START_AUTOSAMPLE"})

    async def failing() -> bool:
        return ctd.conversation.faults.strike("START_AUTOSAMPLE").error != ""

    await until(failing, 5)
    assert await results(await command(ctd.uuid, START)) == [("failed", "simulated fault")]


@pytest.mark.parametrize(
    ("nth", "expected"), [(0, [True, True, True]), (1, [True, False, False]), (3, [False, False, True])]
)
def test_faults_count_from_when_they_are_set(nth: int, expected: list[bool]) -> None:
    faults = Faults()
    faults.strike("A")
    faults.add("fail", "A", nth)
    faults.strike("B")
    assert [faults.strike("A").error != "" for _ in range(3)] == expected
    faults.clear()
    assert faults.strike("A").error == ""
