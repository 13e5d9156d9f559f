"""What waits for webhooks: how it is counted, lined up again, left out and removed, and what it costs."""

import asyncio
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from missions.events import EventSource
from missions.principals import MUSTER
from missions.webhook_schedule import DeliveryState
from outlets import webhooks as outlet
from store import event_backlogs, webhook_attempts, webhook_deliveries, webhook_fan_out, webhook_replays, webhooks
from store.event_backlogs import Backlog, backlogs
from store.positions import give_positions
from store.webhook_attempts import Due, Result
from tests.outlets.conftest import Hooks
from tests.support.receiver import Inbox
from tests.support.site import until

pytestmark = pytest.mark.stack

NOWHERE = "http://127.0.0.1:9/none"


async def _emitted(hooks: Hooks, *names: str, mission: int | None = None) -> None:
    await hooks.emit(*names, mission=mission)
    async with hooks.database.transaction() as connection:
        await give_positions(connection, 1000)


async def _fanned_out(hooks: Hooks) -> None:
    async with hooks.database.transaction() as connection:
        assert not await webhook_fan_out.fan_out(connection, 1000)


async def _backlog(hooks: Hooks, webhook: int) -> Backlog:
    async with hooks.database.transaction() as connection:
        return next(one for one in await backlogs(connection) if one.name == f"webhook:{webhook}")


async def _execute(hooks: Hooks, statement: str) -> None:
    async with hooks.database.transaction() as connection:
        await connection.execute(text(statement))


async def test_what_is_not_fanned_out_has_its_age_too(hooks: Hooks) -> None:
    webhook = await hooks.make(NOWHERE)
    await _emitted(hooks, "one")
    await _execute(hooks, "UPDATE events SET timestamp = timestamp - interval '1 h'")
    before = await _backlog(hooks, webhook)
    assert before.age > 3500
    await _fanned_out(hooks)
    after = await _backlog(hooks, webhook)
    assert after.behind == before.behind
    assert 0 < after.age < 3500  # of the row


async def test_archived_events_are_not_behind(hooks: Hooks) -> None:
    webhook = await hooks.make(NOWHERE, enabled=False)
    await _emitted(hooks, "one", "two", "three")
    backlog = await _backlog(hooks, webhook)
    assert (backlog.behind >= 3, backlog.enabled) == (True, False)
    await _execute(hooks, "UPDATE event_log SET archived_position = last_position - 1")
    assert (await _backlog(hooks, webhook)).behind == 1
    async with hooks.database.transaction() as connection:
        assert await webhooks.missed(connection, webhook) >= 2
    await _execute(hooks, "UPDATE event_log SET archived_position = 0")


async def test_counts_end_at_their_bound(hooks: Hooks) -> None:
    webhook = await hooks.make(NOWHERE)
    most = event_backlogs.COUNTED_AT_MOST
    for state in ("pending", "parked"):
        await _execute(
            hooks,
            "INSERT INTO webhook_deliveries (webhook_id, sequence, event_type, state)"
            f" SELECT {webhook}, (2 * n + {state == 'parked'}::int) * -1, 't', '{state}'"
            f" FROM generate_series(1, {most} + 5) AS n",
        )
    backlog = await _backlog(hooks, webhook)
    assert backlog.parked == most
    assert most <= backlog.behind < most + 5


async def test_only_the_missions_of_what_is_replayed_are_lined_up(hooks: Hooks) -> None:
    mine, other = await hooks.mission(), await hooks.mission()
    webhook = await hooks.make(NOWHERE, types=["task.*"])
    await _emitted(hooks, "mine-1", "mine-2", mission=mine)
    await _emitted(hooks, "other-1", "other-2", mission=other)
    await _fanned_out(hooks)
    # Nobody may have touched the other's rows: a mark that lining up would put right.
    await _execute(hooks, f"UPDATE webhook_deliveries SET next_attempt_at = NULL WHERE webhook_id = {webhook}")
    first = (await hooks.deliveries(webhook))[0]
    async with hooks.database.transaction() as connection:
        await webhooks.lock_version(connection, webhook)
        await webhook_replays.replay_one(connection, webhook, first["id"])
    rows = await hooks.deliveries(webhook)
    assert [row["next_attempt_at"] is not None for row in rows] == [True, False, False, False]


async def test_events_of_no_mission_are_due_at_once_when_replayed(hooks: Hooks) -> None:
    webhook = await hooks.make(NOWHERE, types=["recipe.*"])
    await _emitted(hooks, "one", "two")
    await _fanned_out(hooks)
    await _execute(hooks, "UPDATE webhook_deliveries SET state = 'parked', next_attempt_at = NULL")
    async with hooks.database.transaction() as connection:
        await webhooks.lock_version(connection, webhook)
        assert len(await webhook_replays.replay_parked(connection, webhook, 0, 10)) == 2
    assert all(row["next_attempt_at"] for row in await hooks.deliveries(webhook))


async def test_parked_ones_whose_events_are_archived_are_told_and_removed_in_time(hooks: Hooks) -> None:
    webhook = await hooks.make(NOWHERE, types=["recipe.*"])
    await _emitted(hooks, "old", "new")
    await _fanned_out(hooks)
    await _execute(hooks, "UPDATE webhook_deliveries SET state = 'parked', next_attempt_at = NULL")
    old, new = (row["sequence"] for row in await hooks.deliveries(webhook))
    await _execute(hooks, f"UPDATE event_log SET archived_position = {old}")
    async with hooks.database.transaction() as connection:
        assert await webhook_replays.archived_of(connection, webhook, 0) == (old, 1)
        await webhook_deliveries.remove_old(connection, 60, 10)
    assert len(await hooks.deliveries(webhook)) == 2
    async with hooks.database.transaction() as connection:
        await webhook_deliveries.remove_old(connection, 0, 10)
    assert [row["sequence"] for row in await hooks.deliveries(webhook)] == [new]
    await _execute(hooks, "UPDATE event_log SET archived_position = 0")


async def test_deleted_webhook_is_gone_at_once_and_its_deliveries_a_part_at_a_time(hooks: Hooks) -> None:
    webhook, kept = await hooks.make(NOWHERE), await hooks.make(NOWHERE)
    await _emitted(hooks, "one", "two", "three")
    await _fanned_out(hooks)
    count = len(await hooks.deliveries(webhook))
    async with hooks.database.transaction() as connection:
        await webhooks.remove(connection, webhook, principal=MUSTER, source=EventSource.API)
        assert len(await webhook_deliveries.page(connection, webhook, before=None, limit=100)) == count
        assert await webhook_deliveries.remove_old(connection, 60, count - 1)
        assert not await webhook_deliveries.remove_old(connection, 60, count - 1)
    assert (await hooks.deliveries(webhook), len(await hooks.deliveries(kept)) >= 3) == ([], True)
    async with hooks.database.transaction() as connection:  # an answer that comes late
        result = Result(1, webhook, None, DeliveryState.DELIVERED)
        assert await webhook_attempts.store_results(connection, [result], 60) == []


async def test_what_waits_is_left_out_a_part_at_a_time(hooks: Hooks) -> None:
    webhook = await hooks.make(NOWHERE, types=["recipe.*"])
    await _emitted(hooks, "one", "two", "three")
    await _fanned_out(hooks)
    async with hooks.database.transaction() as connection:
        until = await webhooks.skip_to_now(connection, webhook)
        assert await webhook_replays.drop_pending(connection, webhook, until - 1, 1)
        assert not await webhook_replays.drop_pending(connection, webhook, until - 1, 2)
    assert [row["sequence"] for row in await hooks.deliveries(webhook)] == [until]


async def test_who_is_on_its_way_is_not_begun_again_and_no_webhook_means_no_look(hooks: Hooks) -> None:
    async with hooks.database.transaction() as connection:
        look = await webhook_attempts.look(connection, [], 8)
        assert (look.due, look.next_due, look.any_enabled) == ([], None, False)
        assert await webhook_fan_out.behind(connection) == (False, False)
    webhook = await hooks.make(NOWHERE, types=["recipe.*"])
    await _emitted(hooks, "one", "two", "three")
    async with hooks.database.transaction() as connection:
        assert await webhook_fan_out.behind(connection) == (True, True)
    await _fanned_out(hooks)
    async with hooks.database.transaction() as connection:
        assert await webhook_fan_out.behind(connection) == (True, False)
        first = (await webhook_attempts.look(connection, [], 1)).due
        flying = [Due(first[0].id, webhook, None, 0, "", [], None)]
        assert (await webhook_attempts.look(connection, flying, 1)).due == []
        assert len((await webhook_attempts.look(connection, flying, 3)).due) == 2
        later = datetime(2100, 1, 1, tzinfo=UTC)
        await connection.execute(text("UPDATE webhooks SET not_before = :later"), {"later": later})
        held = await webhook_attempts.look(connection, [], 8)
        assert (held.due, (held.next_due or 0) > 10**6, held.any_enabled) == ([], True, True)


class _Calls:
    """How often the deliverer and the fan-out ask, in a time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.number: Counter[str] = Counter()
        for module, name in (
            (webhook_attempts, "store_results"),
            (webhook_attempts, "look"),
            (outlet, "behind"),
            (outlet, "fan_out"),
        ):
            monkeypatch.setattr(module, name, self._counted(name, getattr(module, name)))
        self._begun = time.monotonic()

    def _counted(self, name: str, call: Any) -> Any:
        async def counted(*args: Any) -> Any:
            self.number[name] += 1
            return await call(*args)

        return counted

    def rounds(self, seconds: float) -> float:
        """How many there were at most with one in so many seconds, and a few for the start."""
        return (time.monotonic() - self._begun) / seconds + 3


async def _trickle(hooks: Hooks, count: int) -> None:
    for number in range(count):
        await hooks.emit(f"e{number}")
        await asyncio.sleep(0.01)


async def test_answers_that_come_one_by_one_are_written_together(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox = hooks.receiver.inbox("a")
    await hooks.make(inbox, types=["recipe.*"])
    async with hooks.delivering(webhook_concurrency=100):
        await hooks.emit("warm")
        await until(lambda: _come(inbox, 1), 10)
        calls = _Calls(monkeypatch)
        await _trickle(hooks, 60)
        await until(lambda: _come(inbox, 61), 10)
        most = calls.rounds(0.05)
    assert max(calls.number.values()) <= most
    assert calls.number["store_results"] > 0


async def test_fast_receiver_waits_for_no_round(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet, "_TOGETHER", 1)
    inbox = hooks.receiver.inbox("a")
    await hooks.make(inbox, types=["recipe.*"])
    async with hooks.delivering(webhook_concurrency=2):
        await hooks.emit("warm")
        await until(lambda: _come(inbox, 1), 10)
        await hooks.emit(*(f"e{number}" for number in range(10)))
        await until(lambda: _come(inbox, 11), 20)
    assert inbox.messages[-1].at - inbox.messages[1].at < 2  # five rounds


async def test_without_an_enabled_webhook_next_to_nothing_is_asked(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = hooks.receiver.inbox("a")
    webhook = await hooks.make(inbox, types=["recipe.*"], enabled=False)
    async with hooks.delivering():
        calls = _Calls(monkeypatch)
        await _trickle(hooks, 60)
        assert max(calls.number.values(), default=0) <= calls.rounds(1)
        async with hooks.database.transaction() as connection:
            await webhooks.patch(connection, webhook, {"enabled": True}, principal=MUSTER, source=EventSource.API)
        await until(lambda: _come(inbox, 60), 10)


async def _come(inbox: Inbox, count: int) -> bool:
    return len(inbox.messages) >= count
