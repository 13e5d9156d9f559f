"""What an agent is told to say and do, word by word: also what no good agent does.

| word | it |
|---|---|
| a number | waits so many seconds |
| `free`, `ready`, `busy` | says that it stands so, and nothing of any assignment |
| `away:3` | drops its connection, and is back after 3 s |
| `anew:3` | the same, and checks in anew |
| `deaf`, `listen` | has no queue bound any more; has one again |
| `others` | reports ends of assignments that are not its own, and claims others' missions |
| `old` | says that the assignment before this one failed |
| `flood:10` | says as much as it can for 10 s |
| any other | reports this status of its assignment |
"""

import asyncio
import itertools
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from examples.thin_agent import state

if TYPE_CHECKING:
    from faults.stage.agents import Agent

Word = str | float
_NEIGHBOURS = 15
"""Assignments before and after its own that an agent claims: those of the other missions in flight, and of none."""


async def perform(agent: "Agent", words: Sequence[Word], assignment: int) -> None:
    """Say and do all that, one after the other."""
    for word in words:
        if not isinstance(word, str):
            await asyncio.sleep(word)
            continue
        name, _, number = word.partition(":")
        match name:
            case "free" | "ready" | "busy":
                await agent.tell(name)
            case "away" | "anew":
                await agent.leave(float(number), check_in=name == "anew")
            case "deaf":
                await agent.be_deaf()
            case "listen":
                await agent.listen()
            case "others":
                await _claim_others(agent, assignment)
            case "old":
                await agent.report(agent.had[agent.had.index(assignment) - 1], "failed")
            case "flood":
                await _flood(agent, float(number))
            case _:
                await agent.report(assignment, name)


async def _claim_others(agent: "Agent", assignment: int) -> None:
    """Ends of assignments of other agents, and of such as do not exist yet; and missions of others."""
    others = [
        assignment + away
        for away in range(-_NEIGHBOURS, _NEIGHBOURS + 1)
        if assignment + away > 0 and assignment + away not in agent.had
    ]
    agent.journal.write(agent.uuid, "claims", assignments=others)
    for other, status in itertools.product(others, ("failed", "succeeded")):
        await agent.publish(state("busy", other, {"id": other, "status": status, "result": {"stolen": agent.uuid}}))
    for other in others:
        await agent.publish(state("ready", other))


async def _flood(agent: "Agent", seconds: float) -> None:
    """States, sensors and updates, as fast as they go out."""
    agent.journal.write(agent.uuid, "floods")
    until, number = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        number += 1
        await agent.publish(state(("busy", "ready")[number % 2], None))
        await agent.publish({"sensors": {"set": {"count": {"value": number}}}}, "visualization", "agent_sensors")
        await agent.publish({"pose": {"x": number, "y": 0}}, "update", "agent_update")
    agent.journal.write(agent.uuid, "flooded", messages=3 * number)
