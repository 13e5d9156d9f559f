"""An activity that fails again and again is shown on its mission, until it succeeds."""

import asyncio
import contextlib
import dataclasses
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from activities.finish_mission import Finisher
from activities.parts import Parts
from activities.stuck_activities import PATIENCE, StuckActivities
from missions.contracts import FinishMission, Outcome
from missions.errors import ILLEGAL_TRANSITION, Failure, FailureCode, PartUnavailable
from settings import Settings
from store.database import Database
from store.tables import events, work_processes, yards
from store.wakeups import Wakeup
from store.work_process_status import IllegalTransition
from workflows.options import ENDING, SHORT

pytestmark = pytest.mark.stack


class Nobody:
    """Whom the end of a mission would wake."""

    async def send(self, batch: Sequence[Wakeup]) -> None:
        assert not batch


class Mission(ActivityInboundInterceptor):
    """A mission, and one activity of it that does what it is told."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.error: Exception | None = None
        self.hangs = False
        self.options = SHORT

    async def make(self) -> None:
        async with self._database.transaction() as connection:
            yard = await connection.scalar(insert(yards).values(uid=secrets.token_hex(6)).returning(yards.c.id))
            row = insert(work_processes).values(
                work_process_type_name="drive", status="executing", yard_id=yard, yard_uid="y", created_by={}
            )
            self.id = await connection.scalar(row.returning(work_processes.c.id))

    async def execute_activity(self, input: ExecuteActivityInput) -> str:
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        return "done"

    async def tried(self, attempt: int, database: Database | None = None) -> list[str]:
        """Try the activity; the mission's attention afterwards."""
        environment = ActivityEnvironment()
        environment.info = dataclasses.replace(
            environment.info,
            attempt=attempt,
            activity_type="finish_mission",
            start_to_close_timeout=timedelta(seconds=0.2),
            retry_policy=self.options["retry_policy"],
        )
        call = FinishMission(work_process_id=self.id, attempt=1, transition=3, status="succeeded")
        watched = StuckActivities(database or self._database).intercept_activity(self)

        async def execute() -> Any:
            return await watched.execute_activity(ExecuteActivityInput(self.tried, [call], None, {}))

        expected = TimeoutError if self.hangs else type(self.error)
        with contextlib.nullcontext() if expected is type(None) else pytest.raises(expected):
            await environment.run(execute)
        async with self._database.transaction() as connection:
            shown = await connection.scalar(select(work_processes.c.attention).where(work_processes.c.id == self.id))
        assert {entry["code"] for entry in shown or []} <= {"activity_failing"}
        return [entry["text"] for entry in shown or []]

    async def end(self) -> None:
        parts = Parts(Settings(), self._database, None, Nobody(), None, None, None, None)  # type: ignore[arg-type]  # not used here
        failure = Failure(code=FailureCode.INTERNAL, text="a fault")
        call = FinishMission(work_process_id=self.id, attempt=1, transition=3, status="failed", failure=failure)
        assert (await Finisher(parts).finish_mission(call)).outcome is Outcome.DONE

    async def told(self) -> list[str]:
        async with self._database.transaction() as connection:
            query = select(events.c.type).where(events.c.work_process_id == self.id).order_by(events.c.id)
            return [
                name.removeprefix("work_process.attention_") for name in (await connection.execute(query)).scalars()
            ]


@pytest.fixture
async def mission(database: Database) -> Mission:
    mission = Mission(database)
    await mission.make()
    return mission


async def test_it_is_told_after_some_tries_and_goes_when_it_succeeds(mission: Mission) -> None:
    mission.error = ValueError("no such thing")
    assert [await mission.tried(attempt) for attempt in range(1, PATIENCE)] == [[]] * (PATIENCE - 1)
    (words,) = await mission.tried(PATIENCE)
    assert words == "the activity finish_mission fails again and again, and is tried on: ValueError: no such thing"
    assert await mission.tried(2 * PATIENCE) == [words]
    mission.error = PartUnavailable("RabbitMQ", "away")
    assert await mission.tried(2 * PATIENCE + 1) == [words]  # each change is an event, so not at each try
    (words,) = await mission.tried(4 * PATIENCE)
    assert "RabbitMQ does not answer: away" in words
    mission.error = None
    assert await mission.tried(4 * PATIENCE + 1) == []
    assert await mission.told() == ["raised", "raised", "cleared"]


async def test_words_that_no_row_holds_are_told_once(mission: Mission) -> None:
    mission.error = ValueError("a\0b")
    assert await mission.tried(PATIENCE) == await mission.tried(2 * PATIENCE)
    assert await mission.told() == ["raised"]


async def test_a_mission_that_ends_shows_nothing_that_is_tried_on_and_says_nothing_later(
    mission: Mission, database: Database
) -> None:
    mission.error = ValueError("no such thing")
    assert await mission.tried(PATIENCE)
    await mission.end()
    assert await mission.told() == ["raised", "cleared", "work_process.status_changed", "task.failed"]
    assert await mission.tried(2 * PATIENCE) == []
    mission.error = None
    assert await mission.tried(2 * PATIENCE + 1) == []
    assert len(await mission.told()) == 4


async def test_a_try_that_hangs_is_told(mission: Mission) -> None:
    mission.hangs = True
    (words,) = await mission.tried(PATIENCE)
    assert "does not end in time" in words


async def test_what_works_at_once_asks_the_database_nothing(mission: Mission) -> None:
    away = Database(Settings(database_url="postgresql://nobody@127.0.0.1:1/none"))
    assert await mission.tried(PATIENCE - 1, away) == []


async def test_a_database_that_is_away_hides_no_error(mission: Mission) -> None:
    mission.error = ValueError("no such thing")
    away = Database(Settings(database_url="postgresql://nobody@127.0.0.1:1/none"))
    assert await mission.tried(PATIENCE, away) == []


async def test_what_is_not_tried_on_is_not_told(mission: Mission) -> None:
    assert IllegalTransition.__name__ == ILLEGAL_TRANSITION
    mission.error = IllegalTransition("may not follow")
    assert await mission.tried(PATIENCE) == []
    mission.options = ENDING
    (words,) = await mission.tried(PATIENCE)
    assert "IllegalTransition: may not follow" in words
