"""What an agent does word by word."""

import asyncio
from typing import Any

from faults.stage.words import perform


class Recorder:
    """An agent that only notes what it is told to do."""

    def __init__(self) -> None:
        self.uuid, self.had, self.did = "a", [5, 7], list[Any]()
        self.journal = self

    async def report(self, assignment: int, status: str) -> None:
        self.did.append((assignment, status))

    async def tell(self, status: str) -> None:
        self.did.append(status)

    async def leave(self, seconds: float, *, check_in: bool = False) -> None:
        self.did.append(("away", seconds, check_in))

    async def be_deaf(self) -> None:
        self.did.append("deaf")

    async def listen(self) -> None:
        self.did.append("listens")

    async def publish(self, body: dict[str, Any], word: str = "state", kind: str = "agent_state") -> None:
        self.did.append((word, body.get("assignment")))

    def write(self, agent: str, what: str, **facts: Any) -> None:
        self.did.append(what)


async def performed(*words: str | float) -> list[Any]:
    agent = Recorder()
    await perform(agent, words, 7)  # type: ignore[arg-type]  # it has what is used of an agent
    return agent.did


async def test_statuses_are_reported_of_its_assignment_and_states_of_itself() -> None:
    assert await performed("executing", 0.0, "free", "succeeded") == [(7, "executing"), "free", (7, "succeeded")]


async def test_it_goes_away_and_comes_back_with_or_without_a_new_check_in() -> None:
    assert await performed("away:2", "anew:0.5") == [("away", 2.0, False), ("away", 0.5, True)]


async def test_it_may_be_deaf_for_a_while() -> None:
    assert await performed("deaf", "listen") == ["deaf", "listens"]


async def test_it_contradicts_itself_about_the_assignment_before() -> None:
    assert await performed("old") == [(5, "failed")]


async def test_it_claims_all_assignments_around_but_its_own() -> None:
    did = await performed("others")
    claimed = {one[1]["id"] for one in did[1:] if one[1]}
    assert claimed == set(range(1, 23)) - {5, 7}


async def test_it_floods_with_states_sensors_and_updates() -> None:
    async with asyncio.timeout(5):
        did = await performed("flood:0.01")
    assert {word for word, _ in did[1:-1]} == {"state", "visualization", "update"}
    assert (did[0], did[-1]) == ("floods", "flooded")
