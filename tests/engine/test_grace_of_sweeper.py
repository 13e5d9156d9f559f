"""The sweeper leaves alone what changed just now: an activity of the ended run may still be at work."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from engine.runs import Run
from engine.sweeper import Sweeper
from missions.events import utc_now
from settings import Settings
from store.database import Database
from store.installations import installation_id
from store.open_missions import OpenMission

MISSION = OpenMission(id=1, workflow_id="work-process-i-1", settled=True, canceling=False)


class TakenOver(Exception):
    """The sweeper went on to do it."""


class Runs:
    """Of one run, which was terminated."""

    def __init__(self, ago: float) -> None:
        self.closed_at = utc_now() - timedelta(seconds=ago)

    async def look(self, workflow_id: str) -> Run:
        return Run(status="terminated", cancelled=False, closed_at=self.closed_at)

    async def last_words(self, workflow_id: str) -> str:
        raise TakenOver


def sweeper(ago: float) -> Any:
    made: Any = Sweeper(Settings(sweep_after=10), None, None, None)  # type: ignore[arg-type]  # it gets to none of them
    made._runs = Runs(ago)
    return made


async def test_run_that_was_terminated_just_now_is_not_taken_over_yet() -> None:
    await sweeper(ago=8)._without_run(MISSION)


async def test_run_that_was_terminated_a_while_ago_is_taken_over() -> None:
    with pytest.raises(TakenOver):
        await sweeper(ago=12)._without_run(MISSION)


async def test_run_without_a_row_is_ended_only_once_it_was_missed_for_long(database: Database) -> None:
    async with database.statement() as connection:
        run = f"work-process-{await installation_id(connection)}-999999"
    ended: list[set[str]] = []
    made: Any = Sweeper(Settings(sweep_after=10), database, None, None)  # type: ignore[arg-type]  # it gets to neither

    async def known(prefixes: Any) -> set[str]:
        return {run}

    async def end(runs: set[str]) -> None:
        ended.append(runs)

    made._runs, made._without_mission = SimpleNamespace(open=known), end
    await made.sweep()
    made._nobodys[run] -= timedelta(seconds=29)
    await made.sweep()
    made._nobodys[run] -= timedelta(seconds=2)
    await made.sweep()
    assert ended == [set(), set(), {run}]
