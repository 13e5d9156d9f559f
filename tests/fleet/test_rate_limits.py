"""How much an agent may say: the excess is dropped, and told once an episode."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from fleet.rate_limits import EPISODE_ENDS, WINDOW, Limit, RateLimits, Verdicts
from fleet.roles import Intake
from missions.events import utc_now
from settings import Settings
from store.database import Database
from store.tables import events, message_counts
from tests.fleet.conftest import RecordingLines, RecordingWaker, StartAgent, agent_row, no_steps, until


def test_what_is_over_the_limit_within_a_window_is_dropped_and_told_once() -> None:
    limits = RateLimits(messages=2, updates=1)
    taken = [limits.take("a", is_update=False, now=0.1 * n) for n in range(20)]
    assert [limit for limit, _ in taken] == [None] * 10 + [Limit.MESSAGES] * 10
    (told,) = [excess for _, excess in taken if excess]
    assert (told.uuid, told.limit, told.rate) == ("a", 2, 11)
    assert limits.take("b", is_update=False, now=1) == (None, None)
    assert limits.take("a", is_update=False, now=WINDOW) == (None, None)


def test_next_episode_is_told_again() -> None:
    limits = RateLimits(messages=1000, updates=0.2)
    told = []
    for now in (0, 0, WINDOW, WINDOW, WINDOW + EPISODE_ENDS, WINDOW + EPISODE_ENDS):
        limit, excess = limits.take("a", is_update=True, now=now)
        told += [excess] if excess else []
        assert limit in (None, Limit.UPDATES)
    assert len(told) == 2


@dataclass
class Delivery:
    """Stands in for a delivery of the broker."""


def verdicts_of(verdicts: Verdicts, batch: list[Any], at: list[datetime]) -> list[Limit | None]:
    verdicts.batch(batch)
    return [verdicts.of(raw, "a", is_update=False, at=when)[0] for raw, when in zip(batch, at, strict=True)]


def test_a_batch_that_is_tried_again_is_counted_once() -> None:
    now = utc_now()
    verdicts = Verdicts(RateLimits(messages=2, updates=1))
    batch = [Delivery() for _ in range(10)]
    for _ in range(3):
        assert verdicts_of(verdicts, batch, [now] * 10) == [None] * 10
    assert verdicts_of(verdicts, [Delivery()], [now]) == [Limit.MESSAGES]


def test_what_lay_in_the_queue_is_counted_by_its_own_time_unless_that_is_made_up() -> None:
    now = utc_now()
    lay = [now - timedelta(seconds=20 - n / 2) for n in range(40)]
    assert set(verdicts_of(Verdicts(RateLimits(2, 1)), [Delivery() for _ in lay], lay)) == {None}
    made_up = [now - timedelta(days=40 - n) for n in range(40)]
    assert Limit.MESSAGES in verdicts_of(Verdicts(RateLimits(2, 1)), [Delivery() for _ in made_up], made_up)


@pytest.fixture
async def strict(
    settings: Settings, database: Database, waker: RecordingWaker, lines: RecordingLines
) -> AsyncIterator[None]:
    """An intake that takes 5 updates of an agent in a window: far fewer than are sent, however slow the machine is."""
    few = settings.model_copy(update={"update_rate_limit": 1})
    intake = Intake(few, database, waker, resolve_preset=no_steps, refresh_lines=lines)
    await intake.start()
    yield
    await intake.stop()


@pytest.mark.usefixtures("strict")
async def test_agent_above_its_limit_is_told_once_and_its_states_are_kept(
    database: Database, start_agent: StartAgent, uuid: str
) -> None:
    key, exchange = f"agent.{uuid}.update", "xchange_helyos.agents.ul"
    message = json.dumps({"type": "agent_update", "uuid": uuid, "body": {"code": "K"}})
    agent = start_agent(uuid, *(("--say", f"{exchange} {key} {message}") * 130))
    await agent.wait_for("listening")
    told = json.loads(json.loads((await agent.wait_for("other"))["raw"])["message"])
    control = json.loads(told["body"])
    assert (told["type"], control["action"], control["parameters"]["limit"]) == (
        "data_control",
        "REDUCE_UPDATE_RATE",
        1,
    )

    async def dropped() -> object:
        row = await agent_row(database, uuid)
        return row["rate_limited_at"] and row["status"] == "free" and row["code"] == "K"

    await until(dropped)
    assert Counter(record["event"] for record in agent.records())["other"] == 1
    async with database.transaction() as connection:
        excess = select(message_counts.c.count).where(message_counts.c.outcome == "dropped")
        assert 1 <= (await connection.scalar(excess) or 0) <= 125
        heard = select(func.count()).where(
            events.c.type == "agent.rate_limited", events.c.payload["agent_uuid"].astext == uuid
        )
        assert await connection.scalar(heard) == 1
