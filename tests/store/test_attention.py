"""Trouble that needs a person: what the mission shows of it."""

import pytest
from sqlalchemy import select

from missions.contracts import RaiseAttention
from store import attention
from store.tables import events, work_processes
from tests.store.conftest import World

pytestmark = pytest.mark.stack


async def test_the_newest_word_on_a_trouble_is_shown_and_repeats_are_nothing(world: World) -> None:
    async def raised(text: str) -> bool:
        call = RaiseAttention(
            work_process_id=world.mission, attempt=1, transition=0, code="pause_not_delivered", text=text
        )
        async with world.database.transaction() as connection:
            return await attention.raise_(connection, call)

    assert [await raised(text) for text in ("first", "first", "second")] == [True, False, True]
    async with world.database.transaction() as connection:
        of_mission = work_processes.c.id == world.mission
        shown = await connection.scalar(select(work_processes.c.attention).where(of_mission))
        told = await connection.execute(
            select(events.c.payload["text"].astext).where(events.c.work_process_id == world.mission)
        )
    assert [entry["text"] for entry in shown or []] == ["second"]
    assert list(told.scalars()) == ["first", "second"]


async def test_trouble_of_an_attempt_that_is_over_is_not_raised_in_the_next(world: World) -> None:
    await world.change(work_processes, world.mission, attempt=2)
    call = RaiseAttention(
        work_process_id=world.mission, attempt=1, transition=0, code="assignment_not_started", text="x"
    )
    async with world.database.transaction() as connection:
        assert not await attention.raise_(connection, call)
        assert await attention.raise_(connection, call.model_copy(update={"attempt": 2}))
