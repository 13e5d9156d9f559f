"""With the settings that ship, what does not fit is found well within the minute in which it is to be repaired."""

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from engine import sweeper as sweeping
from engine.runs import Run
from engine.sweeper import Sweeper
from missions.events import utc_now
from settings import Settings
from store.database import Database
from store.installations import installation_id
from store.open_missions import OpenMission

FOUND_WITHIN = timedelta(seconds=45)
TAKES = timedelta(seconds=1)
"""One look at all, and as long is the engine's list behind."""


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now: datetime = utc_now()
        monkeypatch.setattr(sweeping, "utc_now", lambda: self.now)

    async def until_found(self, look: Any, found: Any) -> timedelta:
        """How long it took for what happened right after a look."""
        happened = self.now
        while not found():
            self.now += timedelta(seconds=Settings().sweep_interval)
            await look()
            self.now += TAKES
        return self.now - happened


def sweeper(database: Any, runs: Any) -> Any:
    made: Any = Sweeper(Settings(), database, None, None)  # type: ignore[arg-type]  # it gets to none of them
    made._runs = runs
    return made


async def test_a_run_without_a_row(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async with database.statement() as connection:
        run = f"work-process-{await installation_id(connection)}-999999"
    clock, ended = Clock(monkeypatch), list[str]()
    listed_at = clock.now + TAKES

    async def known(prefixes: Any) -> set[str]:
        return {run} if clock.now >= listed_at else set()

    async def end(runs: set[str]) -> None:
        ended.extend(runs)

    made = sweeper(database, SimpleNamespace(open=known))
    made._without_mission = end
    assert await clock.until_found(made.sweep, lambda: ended) < FOUND_WITHIN


async def test_a_terminated_run(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, taken_over = Clock(monkeypatch), list[str]()
    closed_at = clock.now

    class TakenOver(Exception):
        pass

    async def look(workflow_id: str) -> Run:
        return Run(status="terminated", cancelled=False, closed_at=closed_at)

    async def last_words(workflow_id: str) -> str:
        taken_over.append(workflow_id)
        raise TakenOver

    made = sweeper(None, SimpleNamespace(look=look, last_words=last_words))
    mission = OpenMission(id=1, workflow_id="work-process-i-1", settled=True, canceling=False)

    async def sweep() -> None:
        await made._each([mission], made._without_run)

    assert await clock.until_found(sweep, lambda: taken_over) < FOUND_WITHIN
