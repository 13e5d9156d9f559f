"""Which of the three runs are chosen, and that short means less of everything."""

from typing import Any

import pytest

from faults.bad_input import agent_messages, all_of_it
from faults.bad_input.all_of_it import LONG, SHORT, bad_input
from faults.results import Result


def test_short_form_is_less_of_each() -> None:
    assert SHORT.messages < LONG.messages
    assert SHORT.examples < LONG.examples
    assert SHORT.missions < LONG.missions
    assert set(SHORT.phases) < set(LONG.phases)


async def test_only_what_is_asked_for_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fake(*, count: int, seed: int) -> Result:
        return Result(agent_messages.FAULT, times=count)

    def no_stack(**_: Any) -> Any:
        raise AssertionError("a stack that nobody needs")

    monkeypatch.setattr(agent_messages, "agent_messages", fake)
    monkeypatch.setattr(all_of_it, "ground", no_stack)
    assert [result.times for result in await bad_input(SHORT, 7, only=["messages, bad"])] == [SHORT.messages]
    assert await bad_input(SHORT, 7, only=["RabbitMQ"]) == []
