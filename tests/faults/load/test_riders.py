"""Those who ask for missions never fall silent."""

import asyncio
import random
from typing import Any, cast

import pytest

from faults.load.client import Client
from faults.load.riders import Riders
from faults.load.watch import End, Trouble, Watch
from faults.stage.crew import platforms
from faults.waiting import until


class Refusing:
    """An API that takes nothing, in a way that nobody foresaw."""

    async def post(self, *args: Any, **more: Any) -> dict[str, Any]:
        raise TimeoutError("no answer")

    get = post


class Hanging:
    """An API that never answers."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def post(self, *args: Any, **more: Any) -> dict[str, Any]:
        self.asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    get = post


class Platform:
    """The API of a platform whose missions end like `ends`, one after the other, and leave it in COMMAND."""

    def __init__(self, *ends: str) -> None:
        self.posts: list[str] = []
        self.watch = Watch("", ends={number: End(end, "", "") for number, end in enumerate(ends)})
        self._missions = iter(range(len(ends)))
        self._state = "COMMAND"

    async def get(self, path: str, **params: Any) -> dict[str, Any]:
        return {"underWay": None, "state": self._state}

    async def post(self, path: str, body: dict[str, Any], **more: Any) -> dict[str, Any]:
        self.posts.append(body.get("command", "a mission"))
        if path.endswith("/missions"):
            return {"workProcessId": next(self._missions)}
        states = {"RESET": "UNINITIALIZED", "INITIALIZE": "INACTIVE", "GO_ACTIVE": "IDLE", "RUN": "COMMAND"}
        self._state = states[body["command"]]
        return {}


def riders_of(api: Any, watch: Watch | None = None) -> Riders:
    return Riders(cast(Client, api), watch or Watch(""), seed=1, part=0.01)


async def test_whatever_stops_a_rider_or_the_operator_is_wrong() -> None:
    watch = Watch("", troubles=[Trouble(7, "agent_restarted", "it did")])
    riders = riders_of(Refusing(), watch)
    riders.start()

    async def all_said() -> bool:
        said = {wrong.split(":")[0] for wrong in riders.tally.wrong}
        return {"operator", "waiting-0", "failing-0", "PF0", "sdk-1"} <= said

    await until(all_said, 10)
    await riders.stop()
    assert all("no answer" in wrong for wrong in riders.tally.wrong)


async def test_instruments_that_a_mission_left_inactive_are_brought_back_before_the_next() -> None:
    api = Platform("succeeded", "failed", "succeeded", "succeeded")
    riders = riders_of(api, api.watch)
    for _ in range(4):
        await riders._run_file(platforms()[0], random.Random(1))
    activation = ["RESET", "INITIALIZE", "GO_ACTIVE", "RUN"]
    assert api.posts == ["a mission", "a mission", *activation, "a mission", "a mission"]


async def test_instruments_that_could_not_be_brought_back_are_brought_back_later() -> None:
    api = Platform("failed", "succeeded")
    riders = riders_of(api, api.watch)
    await riders._run_file(platforms()[0], random.Random(1))
    well, api.post = api.post, Refusing().post  # type: ignore[method-assign]
    with pytest.raises(TimeoutError):
        await riders._run_file(platforms()[0], random.Random(1))
    api.post = well  # type: ignore[method-assign]
    await riders._run_file(platforms()[0], random.Random(1))
    assert api.posts == ["a mission", "RESET", "INITIALIZE", "GO_ACTIVE", "RUN", "a mission"]


async def test_a_mission_whose_planner_never_answered_is_noted() -> None:
    watch = Watch("", ends={1: End("failed", "planner_timeout", "")})
    riders = riders_of(Refusing(), watch)
    await riders._end(1, "x", "succeeded")
    assert riders.tally.unanswered.keys() == {1}
    assert riders.tally.wrong == []


async def test_a_rider_that_never_ends_is_wrong() -> None:
    api = Hanging()
    riders = riders_of(api)
    riders.start()
    await api.asked.wait()
    await riders.stop(patience=0.1)
    assert "still waits after 0.1 s" in riders.tally.wrong[0]


async def test_missions_are_open_until_they_are_seen_to_have_ended() -> None:
    watch = Watch("", ends={1: End("succeeded", "", "")})
    riders = riders_of(Refusing(), watch)
    riders.tally.accepted = {1: "x", 2: "x"}
    assert riders.open == {2}
    assert not await riders.all_ended({1, 2})
    assert await riders.all_ended({1})


async def test_a_failure_for_another_reason_than_scripted_is_wrong() -> None:
    watch = Watch("", ends={1: End("failed", "planning_failed", ""), 2: End("failed", "terminated", "")})
    riders = riders_of(Refusing(), watch)
    await riders._end(1, "x", "failed", "terminated")
    await riders._end(2, "x", "failed", "terminated")
    assert [wrong.split()[1] for wrong in riders.tally.wrong] == ["1"]
