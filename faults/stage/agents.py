"""Thin agents in a process of their own, which may be killed at any time.

    python -m faults.stage.agents --journal FILE truck-1@yard truck-2@yard

They work as they are told, come back by themselves when the broker was away, and never de-duplicate: an assignment
that comes twice is done twice, and stands twice in the journal. An assignment reads `{"work": seconds, "stop":
seconds}`: how long it takes, and how long the agent needs to stop when it is cancelled. Or it says word by word what
the agent says and does (words.py): `{"says": ["executing", 2, "succeeded", "failed"]}`, with `at_cancel`, `at_release`
and `at_reserve` for what it does when it next hears such a message, in place of what is usual.
"""

import argparse
import asyncio
import contextlib
import logging
import random
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import uvloop
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError

from examples.thin_agent import CheckIn, ThinAgent, state
from faults.stage.journal import Journal
from faults.stage.line import Line
from faults.stage.words import Word, perform
from settings import Settings

_AT_ONCE = 8
_AGAIN = 0.3
"""Seconds between two tries to connect."""
# StopAsyncIteration: what aiormq says of a connection that ends in its handshake.
_LOST = (AMQPError, ChannelInvalidStateError, OSError, RuntimeError, StopAsyncIteration, TimeoutError)
LAST_WORDS = ("succeeded", "failed", "canceled", "aborted", "rejected", "completed")


class Agent:
    """One agent: what it holds, what it does, what it says."""

    def __init__(self, settings: Settings, uuid: str, yard: str, journal: Journal, slowness: float) -> None:
        """`slowness`: seconds that it needs at most to get ready for a mission."""
        self.uuid = uuid
        self.journal = journal
        self._slowness = slowness
        self.had: list[int] = []
        """Its assignments so far."""
        self._settings, self._yard = settings, yard
        self._line = Line()
        self._thin = ThinAgent(settings, uuid, self._hear, self._line.connect)
        self._password = ""
        self._mission: int | None = None
        self._working: dict[int, asyncio.Task[None]] = {}
        self._doing: set[asyncio.Task[None]] = set()
        self._plans: dict[str, Sequence[Word]] = {}
        self._stops_in = 0.0
        self._words = 0
        self._word: dict[str, Any] | None = None
        """The last that it said of an assignment: said again after a broken connection, which may have lost it."""
        self._stays_away = 0.0
        self._forgets = False
        self._back = asyncio.Event()

    # --- coming and going

    async def start(self) -> None:
        """Check in, until that is answered, and listen."""
        await self._check_in()
        await self._enter()
        self.journal.write(self.uuid, "listens")

    async def stay(self) -> None:
        """Come back whenever the connection is lost."""
        while True:
            await self._thin.closed()
            self.journal.write(self.uuid, "lost")
            await asyncio.sleep(self._stays_away)
            self._stays_away = 0.0
            if self._forgets:
                self._forgets = False
                await self._check_in()
            await self._enter()
            self.journal.write(self.uuid, "back")
            self._back.set()

    async def leave(self, seconds: float, *, check_in: bool = False) -> None:
        """Drop the connection without a word, and come back so much later, if wanted with a new check-in."""
        self._stays_away, self._forgets = seconds, check_in
        self._back.clear()
        self._line.drop()
        await self._back.wait()

    async def be_deaf(self) -> None:
        """Hear nothing any more."""
        with contextlib.suppress(*_LOST):
            await self._thin.unbind()

    async def listen(self) -> None:
        """Hear again."""
        with contextlib.suppress(*_LOST):
            await self._thin.bind()

    async def _check_in(self) -> None:
        self._password = ""
        while not self._password:
            check_in = CheckIn(self._settings)
            with contextlib.suppress(*_LOST):
                await check_in.connect()
                try:
                    self._password = await check_in.password(self.uuid, self._yard)
                finally:
                    await check_in.close()
            if not self._password:
                await asyncio.sleep(_AGAIN)

    async def _enter(self) -> None:
        while True:
            try:
                async with asyncio.timeout(10):
                    await self._thin.listen(self._password)
                    await self._say(self._word)
                return
            except _LOST:
                await asyncio.sleep(_AGAIN)
            except asyncio.CancelledError:
                if _is_cancelled():
                    raise
                await asyncio.sleep(_AGAIN)  # a connection that dies cancels what waits for its answers

    # --- what it hears

    async def _hear(self, message: dict[str, Any]) -> None:
        kind, body, facts = message.get("type"), message.get("body") or {}, message.get("metadata") or {}
        if kind == "reserve_for_mission":
            self._mission = body["work_process_id"]
            self.journal.write(self.uuid, "reserve", mission=self._mission)
            self._do(self._get_ready())
        elif kind == "release_from_mission":
            working = list(self._working)
            self.journal.write(self.uuid, "release", mission=body["work_process_id"], working=working)
            self._mission = None
            await self._answer("at_release")
        elif kind == "assignment_execution":
            self.journal.write(self.uuid, "assignment", mission=facts["work_process_id"], assignment=facts["id"])
            self._working[facts["id"]] = asyncio.ensure_future(self._work(facts["id"], facts["work_process_id"], body))
        elif kind == "assignment_cancel":
            self.journal.write(self.uuid, "cancel", mission=facts["work_process_id"], assignment=facts["id"])
            self._do(self._stop(facts["id"], facts["work_process_id"]))

    async def _answer(self, moment: str) -> None:
        """Say how it stands; or what it was told to do then."""
        words = self._plans.pop(moment, None)
        if words is None:
            await self._say()
        else:
            self._do(perform(self, words, self.had[-1]))

    def _do(self, what: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(what)
        self._doing.add(task)
        task.add_done_callback(self._doing.discard)

    # --- what it does

    async def _get_ready(self) -> None:
        await asyncio.sleep(random.uniform(0, self._slowness))
        await self._answer("at_reserve")

    async def _work(self, assignment: int, mission: int, order: dict[str, Any]) -> None:
        self.journal.write(self.uuid, "begin", mission=mission, assignment=assignment)
        self.had.append(assignment)
        self._stops_in = float(order.get("stop", 0))
        self._plans |= {
            moment: order[moment] for moment in ("at_reserve", "at_cancel", "at_release") if moment in order
        }
        await perform(self, order.get("says", ["executing", order.get("work", 0), "succeeded"]), assignment)
        if self._working.pop(assignment, None) is not None:  # it said no last word
            self.journal.write(self.uuid, "stopped", assignment=assignment)

    async def _stop(self, assignment: int, mission: int) -> None:
        words = self._plans.pop("at_cancel", None)
        if words is not None:
            await perform(self, words, assignment)
            return
        if assignment in self._working:
            await asyncio.sleep(self._stops_in)
            if assignment not in self._working:
                return  # it was done before it could stop
        await self.report(assignment, "canceled")

    # --- what it says

    async def report(self, assignment: int, status: str) -> None:
        """Say a word of an assignment; its work ends with a last one."""
        if status in LAST_WORDS and (task := self._working.pop(assignment, None)):
            self.journal.write(self.uuid, "stopped" if status == "canceled" else "done", assignment=assignment)
            if task is not asyncio.current_task():
                task.cancel()
        self._words += 1
        await self._say({"id": assignment, "status": status, "result": {"word": self._words}})

    async def tell(self, status: str) -> None:
        """Say that it stands so, whether it does or not."""
        self.journal.write(self.uuid, "says", status=status, mission=self._mission)
        await self.publish(state(status, self._mission))

    async def publish(self, body: dict[str, Any], word: str = "state", kind: str = "agent_state") -> None:
        """Send anything."""
        with contextlib.suppress(*_LOST):
            await self._thin.publish(word, kind, body)

    async def _say(self, word: dict[str, Any] | None = None) -> None:
        self._word = word or self._word
        status = "busy" if self._working else "free" if self._mission is None else "ready"
        said = {} if word is None else {"assignment": word["id"], "said": word["status"], "result": word["result"]}
        self.journal.write(self.uuid, "says", status=status, mission=self._mission, **said)
        await self.publish(state(status, self._mission, word))  # lost with the connection: said again when we are back


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def main(options: argparse.Namespace) -> None:
    """Start them all, then stay."""
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)
    logging.getLogger("aio_pika").setLevel(logging.CRITICAL)
    settings, journal = Settings(), Journal(options.journal)
    slots = asyncio.Semaphore(_AT_ONCE)
    journal.write("", "started", agents=[name.partition("@")[0] for name in options.agents])

    async def live(name: str) -> None:
        uuid, _, yard = name.partition("@")
        agent = Agent(settings, uuid, yard, journal, options.slowness)
        async with slots:
            await agent.start()
        await agent.stay()

    await asyncio.gather(*(live(name) for name in options.agents))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--slowness", type=float, default=0.0, help="seconds to get ready at most")
    parser.add_argument("agents", nargs="+", help="uuid@yard")
    uvloop.run(main(parser.parse_args()))
