"""Agents that answer at once, many in one process, on plain AMQP: they speak the wire as helyOS's agents do.

Each checks in without an account, gets one of its own, and keeps to that account's permissions. What an agent hears
and when goes to the driver, as `[what, agent's number, seconds since the epoch, work process]`.
"""

import argparse
import asyncio
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import uvloop

from benchmarks.child import say, until_the_driver_is_gone
from examples.thin_agent import CheckIn, ThinAgent, state
from settings import Settings

_AT_ONCE = 8


class Heard(StrEnum):
    """What the driver is told."""

    RESERVE = "reserve"
    ASSIGNMENT = "assignment"
    DONE = "done"
    CANCEL = "cancel"
    RELEASE = "release"


@dataclass
class Reaction:
    """What an agent answers to a message, in order, and what the driver is told."""

    heard: Heard
    work_process_id: int
    states: list[dict[str, Any]] = field(default_factory=list)
    done: bool = False


def react(message: dict[str, Any]) -> Reaction | None:
    """The answer to a message at once; an assignment with `hold` is held until it is cancelled."""
    kind, body = message.get("type"), message.get("body") or {}
    if kind == "reserve_for_mission":
        mission = body["work_process_id"]
        return Reaction(Heard.RESERVE, mission, [_state("ready", mission)])
    if kind == "release_from_mission":
        return Reaction(Heard.RELEASE, body["work_process_id"], [_state("free", None)])
    if kind not in ("assignment_execution", "assignment_cancel"):
        return None
    mission, assignment = message["metadata"]["work_process_id"], message["metadata"]["id"]
    if kind == "assignment_cancel":
        return Reaction(Heard.CANCEL, mission, [_state("ready", mission, assignment, "canceled")])
    states = [_state("busy", mission, assignment, "executing")]
    if body.get("hold"):
        return Reaction(Heard.ASSIGNMENT, mission, states)
    states.append(_state("ready", mission, assignment, "succeeded"))
    return Reaction(Heard.ASSIGNMENT, mission, states, done=True)


def _state(status: str, mission: int | None, assignment: int | None = None, report: str = "") -> dict[str, Any]:
    return state(status, mission, None if assignment is None else {"id": assignment, "status": report, "result": {}})


class Agent:
    """One agent with its own account and connection."""

    def __init__(self, settings: Settings, number: int, uuid: str) -> None:
        self._number = number
        self._thin = ThinAgent(settings, uuid, self._hear)

    async def listen(self, password: str) -> None:
        """Connect as itself, listen, and report to be free."""
        await self._thin.listen(password)
        await self._thin.report(_state("free", None))

    async def _hear(self, message: dict[str, Any]) -> None:
        at = time.time()
        reaction = react(message)
        if reaction is None:
            return
        for each in reaction.states[:-1]:
            await self._thin.report(each)
        done_at = time.time()
        await self._thin.report(reaction.states[-1])
        say(reaction.heard, self._number, at, reaction.work_process_id)
        if reaction.done:
            say(Heard.DONE, self._number, done_at, reaction.work_process_id)


async def main(named: list[str]) -> None:
    """Start the agents, named `uuid@yard`; their numbers are their places in the list."""
    settings = Settings()
    check_in = CheckIn(settings)
    await check_in.connect()
    slots = asyncio.Semaphore(_AT_ONCE)

    async def start(number: int, name: str) -> None:
        uuid, _, yard_uid = name.partition("@")
        async with slots:
            await Agent(settings, number, uuid).listen(await check_in.password(uuid, yard_uid))

    await asyncio.gather(*(start(number, name) for number, name in enumerate(named)))
    await check_in.close()
    say("listening", len(named))
    await until_the_driver_is_gone()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("agents", nargs="+", help="uuid@yard")
    uvloop.run(main(parser.parse_args().agents))
