"""Thin agents in a process of their own, which may be killed at any time.

    python -m faults.stage.agents --journal FILE truck-1@yard truck-2@yard

They work as they are told, come back by themselves when the broker was away, and never de-duplicate: an assignment
that comes twice is done twice, and stands twice in the journal. An assignment reads `{"work": seconds, "stop":
seconds}`: how long it takes, and how long the agent needs to stop when it is cancelled.
"""

import argparse
import asyncio
import contextlib
import logging
import random
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import uvloop
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError

from examples.thin_agent import CheckIn, ThinAgent, state
from faults.stage.journal import Journal
from settings import Settings

_AT_ONCE = 8
_AGAIN = 0.3
"""Seconds between two tries to connect."""
_LOST = (AMQPError, ChannelInvalidStateError, OSError, RuntimeError, TimeoutError)


class Agent:
    """One agent: what it holds, what it does, what it says."""

    def __init__(self, settings: Settings, uuid: str, journal: Journal, slowness: float) -> None:
        """`slowness`: seconds that it needs at most to get ready for a mission."""
        self.uuid = uuid
        self._journal, self._slowness = journal, slowness
        self._thin = ThinAgent(settings, uuid, self._hear)
        self._password = ""
        self._mission: int | None = None
        self._working: dict[int, asyncio.Task[None]] = {}
        self._later_on: set[asyncio.Task[None]] = set()
        self._stops_in = 0.0
        self._word: dict[str, Any] | None = None
        """The last that it said of an assignment: said again after a broken connection, which may have lost it."""

    async def start(self, settings: Settings, yard: str) -> None:
        """Check in, until that is answered, and listen."""
        while not self._password:
            check_in = CheckIn(settings)
            with contextlib.suppress(*_LOST):
                await check_in.connect()
                try:
                    self._password = await check_in.password(self.uuid, yard)
                finally:
                    await check_in.close()
            if not self._password:
                await asyncio.sleep(_AGAIN)
        await self._enter()

    async def stay(self) -> None:
        """Come back whenever the connection is lost."""
        while True:
            await self._thin.closed()
            self._journal.write(self.uuid, "lost")
            await self._enter()
            self._journal.write(self.uuid, "back")

    async def _enter(self) -> None:
        while True:
            try:
                async with asyncio.timeout(10):
                    await self._thin.listen(self._password)
                    await self._say(self._word)
                return
            except _LOST:
                await asyncio.sleep(_AGAIN)

    # --- what it hears

    async def _hear(self, message: dict[str, Any]) -> None:
        kind, body, facts = message.get("type"), message.get("body") or {}, message.get("metadata") or {}
        if kind == "reserve_for_mission":
            self._mission = body["work_process_id"]
            self._journal.write(self.uuid, "reserve", mission=self._mission)
            self._later(self._get_ready())
        elif kind == "release_from_mission":
            working = list(self._working)
            self._journal.write(self.uuid, "release", mission=body["work_process_id"], working=working)
            self._mission = None
            await self._say()
        elif kind == "assignment_execution":
            self._journal.write(self.uuid, "assignment", mission=facts["work_process_id"], assignment=facts["id"])
            self._working[facts["id"]] = asyncio.ensure_future(self._work(facts["id"], facts["work_process_id"], body))
        elif kind == "assignment_cancel":
            self._journal.write(self.uuid, "cancel", mission=facts["work_process_id"], assignment=facts["id"])
            self._later(self._stop(facts["id"], facts["work_process_id"]))

    def _later(self, doing: Coroutine[Any, Any, None]) -> None:
        """Do it while it goes on hearing."""
        task = asyncio.ensure_future(doing)
        self._later_on.add(task)
        task.add_done_callback(self._later_on.discard)

    # --- what it does

    async def _get_ready(self) -> None:
        await asyncio.sleep(random.uniform(0, self._slowness))
        await self._say()

    async def _work(self, assignment: int, mission: int, order: dict[str, Any]) -> None:
        self._journal.write(self.uuid, "begin", mission=mission, assignment=assignment)
        self._stops_in = float(order.get("stop", 0))
        await self._say({"id": assignment, "status": "executing", "result": {}})
        await asyncio.sleep(float(order.get("work", 0)))
        self._working.pop(assignment, None)
        self._journal.write(self.uuid, "done", mission=mission, assignment=assignment)
        await self._say({"id": assignment, "status": "succeeded", "result": {}})

    async def _stop(self, assignment: int, mission: int) -> None:
        working = self._working.get(assignment)
        if working is not None:
            await asyncio.sleep(self._stops_in)
            if self._working.pop(assignment, None) is None:
                return  # it was done before it could stop
            working.cancel()
            self._journal.write(self.uuid, "stopped", mission=mission, assignment=assignment)
        await self._say({"id": assignment, "status": "canceled", "result": {}})

    # --- what it says

    async def _say(self, word: dict[str, Any] | None = None) -> None:
        self._word = word or self._word
        status = "busy" if self._working else "free" if self._mission is None else "ready"
        with contextlib.suppress(*_LOST):  # it is said again when we are back
            await self._thin.report(state(status, self._mission, word))


async def main(options: argparse.Namespace) -> None:
    """Start them all, then stay."""
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)
    logging.getLogger("aio_pika").setLevel(logging.CRITICAL)
    settings, journal = Settings(), Journal(options.journal)
    slots = asyncio.Semaphore(_AT_ONCE)
    journal.write("", "started", agents=[name.partition("@")[0] for name in options.agents])

    async def live(name: str) -> None:
        uuid, _, yard = name.partition("@")
        agent = Agent(settings, uuid, journal, options.slowness)
        async with slots:
            await agent.start(settings, yard)
        await agent.stay()

    await asyncio.gather(*(live(name) for name in options.agents))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--slowness", type=float, default=0.0, help="seconds to get ready at most")
    parser.add_argument("agents", nargs="+", help="uuid@yard")
    uvloop.run(main(parser.parse_args()))
