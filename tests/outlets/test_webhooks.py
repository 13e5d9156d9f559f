"""Webhooks against a real receiver: signed, in order per mission, tried again, parked, and in nobody's way."""

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

import pytest
from sqlalchemy import text
from standardwebhooks import Webhook, WebhookVerificationError
from starlette.responses import Response

from missions.addresses import Address
from missions.events import EventSource, EventType
from missions.principals import MUSTER
from missions.webhook_signatures import new_secret
from store import webhook_attempts, webhook_deliveries, webhook_replays, webhooks
from store.event_backlogs import backlogs
from store.webhook_attempts import DELIVERER, Due
from store.webhook_fan_out import FAN_OUT
from tests.outlets.conftest import Hooks
from tests.support.receiver import Message
from tests.support.site import until

pytestmark = pytest.mark.stack

ONLY_OURS = {"types": ["recipe.*", "task.*"]}


async def test_message_is_the_event_and_verifies_and_a_tampered_byte_does_not(hooks: Hooks) -> None:
    inbox = hooks.receiver.inbox("a")
    webhook = await hooks.make(inbox, **ONLY_OURS)
    mission = await hooks.mission()
    async with hooks.delivering():
        await hooks.emit("one", mission=mission)
        await until(lambda: _count(inbox, 1), 10)
        await until(lambda: _all(hooks, webhook, "delivered"), 10)
    (message,) = inbox.messages
    verifier = Webhook((await hooks.read(webhook))["secret"])
    event = verifier.verify(message.raw, message.headers)
    assert event["id"] == message.headers["webhook-id"]
    assert (event["type"], event["mission_id"], event["payload"]) == ("task.created", str(mission), {"name": "one"})
    assert message.headers["content-type"] == "application/json"
    with pytest.raises(WebhookVerificationError):
        verifier.verify(message.raw.replace(b"one", b"onf"), message.headers)
    (row,) = await hooks.deliveries(webhook)
    assert [(one["status_code"], one["error"]) for one in row["attempts"]] == [(204, None)]


async def test_both_secrets_sign_while_they_overlap_the_newest_first(hooks: Hooks) -> None:
    inbox = hooks.receiver.inbox("a")
    webhook = await hooks.make(inbox, **ONLY_OURS)
    old, new, last = (await hooks.read(webhook))["secret"], new_secret(), new_secret()

    async def rotate(secret: str, overlap: float) -> None:
        async with hooks.database.transaction() as connection:
            await webhooks.rotate_secret(connection, webhook, secret, overlap, principal=MUSTER, source=EventSource.API)

    async with hooks.delivering():
        await rotate(new, 60)
        await hooks.emit("both")
        await until(lambda: _count(inbox, 1), 10)
        await rotate(last, 0)
        await hooks.emit("one")
        await until(lambda: _count(inbox, 2), 10)
    both, one = inbox.messages
    assert Webhook(old).verify(both.raw, both.headers) == Webhook(new).verify(both.raw, both.headers)
    first = both.headers["webhook-signature"].split()[0]
    assert Webhook(new).verify(both.raw, both.headers | {"webhook-signature": first})
    assert Webhook(last).verify(one.raw, one.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(one.raw, one.headers)


async def test_only_what_is_wanted_is_sent(hooks: Hooks) -> None:
    mine, other = await hooks.mission(), await hooks.mission()
    await hooks.recipe("drive")
    inboxes = {
        "exact": hooks.receiver.inbox("exact"),
        "family": hooks.receiver.inbox("family"),
        "mission": hooks.receiver.inbox("mission"),
        "recipe": hooks.receiver.inbox("recipe"),
    }
    await hooks.make(inboxes["exact"], types=["recipe.changed"])
    await hooks.make(inboxes["family"], types=["task.*"])
    await hooks.make(inboxes["mission"], mission_id=mine)
    await hooks.make(inboxes["recipe"], mission_type="drive")
    async with hooks.delivering():
        await hooks.emit("none's")
        await hooks.emit("other's", mission=other)
        await hooks.emit("mine", mission=mine)
        await until(lambda: _count(inboxes["recipe"], 2), 10)
        await until(lambda: _count(inboxes["family"], 2), 10)
        await until(lambda: _count(inboxes["mission"], 1), 10)
        await until(lambda: _count(inboxes["exact"], 1), 10)
    assert {name: sorted(inbox.names) for name, inbox in inboxes.items()} == {
        "exact": ["none's"],
        "family": ["mine", "other's"],
        "mission": ["mine"],
        "recipe": ["mine", "other's"],
    }


async def test_families_within_a_family_are_sent_to_who_wants_either(hooks: Hooks) -> None:
    mission = await hooks.mission()
    wanted = {
        "mission.*": ["began", "thread", "sequence"],
        "mission.thread.*": ["thread"],
        "mission.thread.started": ["thread"],
        "mission.started": ["began"],
    }
    inboxes = {word: hooks.receiver.inbox(word.replace("*", "all")) for word in wanted}
    for word, inbox in inboxes.items():
        await hooks.make(inbox, types=[word])
    async with hooks.delivering():
        await hooks.emit("other", mission=mission)
        await hooks.emit("began", mission=mission, kind=EventType.MISSION_STARTED)
        await hooks.emit("thread", mission=mission, kind=EventType.MISSION_THREAD_STARTED)
        await hooks.emit("sequence", mission=mission, kind=EventType.MISSION_SEQUENCE_STARTED)
        for word, names in wanted.items():
            await until(lambda word=word, names=names: _count(inboxes[word], len(names)), 10)
    assert {word: inbox.names for word, inbox in inboxes.items()} == wanted


async def test_event_waits_for_earlier_ones_of_its_mission_alone(hooks: Hooks) -> None:
    slow, quick = await hooks.mission(), await hooks.mission()
    refused: list[str] = []

    def answers(message: Message) -> int:
        if message.name == "slow-1" and len(refused) < 3:
            refused.append(message.headers["webhook-id"])
            return 500
        return 204

    inbox = hooks.receiver.inbox("a", answers)
    webhook = await hooks.make(inbox, **ONLY_OURS)
    async with hooks.delivering():
        await hooks.emit("slow-1", "slow-2", mission=slow)
        await hooks.emit("quick-1", "quick-2", mission=quick)
        await hooks.emit("slow-3", mission=slow)
        await until(lambda: _all(hooks, webhook, "delivered", 5), 10)
    assert [name for name in inbox.names if name.startswith("slow")] == ["slow-1"] * 4 + ["slow-2", "slow-3"]
    assert [name for name in inbox.names if name.startswith("quick")] == ["quick-1", "quick-2"]
    assert inbox.names.index("quick-2") < inbox.names.index("slow-2")
    assert len(set(refused)) == 1  # the same id each time
    first = (await hooks.deliveries(webhook))[0]
    assert [one["status_code"] for one in first["attempts"]] == [500, 500, 500, 204]


async def test_event_that_is_refused_to_the_end_is_parked_lets_others_pass_and_can_be_replayed(hooks: Hooks) -> None:
    mission = await hooks.mission()
    bad = True
    inbox = hooks.receiver.inbox("a", lambda message: 400 if bad and message.name == "bad" else 200)
    webhook = await hooks.make(inbox, **ONLY_OURS)
    async with hooks.delivering():
        await hooks.emit("bad", "good", mission=mission)
        await until(lambda: _states(hooks, webhook, ["parked", "delivered"]), 10)
        parked, good = await hooks.deliveries(webhook)
        assert (parked["tries"], parked["error"], parked["next_attempt_at"]) == (4, "answered HTTP 400", None)
        assert inbox.names == ["bad"] * 4 + ["good"]
        async with hooks.database.transaction() as connection:
            (backlog,) = [one for one in await backlogs(connection) if one.name == f"webhook:{webhook}"]
        assert (backlog.behind, backlog.parked, backlog.age) == (0, 1, 0)
        bad = False
        async with hooks.database.transaction() as connection:
            await webhooks.lock_version(connection, webhook)
            assert await webhook_replays.replay_parked(connection, webhook, 0, 10) == [parked["sequence"]]
        await until(lambda: _all(hooks, webhook, "delivered"), 10)
        async with hooks.database.transaction() as connection:
            await webhooks.lock_version(connection, webhook)
            await webhook_replays.replay_one(connection, webhook, good["id"])
        await until(lambda: _count(inbox, 7), 10)
    assert inbox.names[5:] == ["bad", "good"]
    assert len({message.headers["webhook-id"] for message in inbox.messages}) == 2


async def test_redirections_are_failures_and_not_followed(hooks: Hooks) -> None:
    aim = hooks.receiver.inbox("aim")
    inbox = hooks.receiver.inbox("a", lambda _: Response(status_code=307, headers={"location": aim.url}))
    webhook = await hooks.make(inbox, **ONLY_OURS)
    async with hooks.delivering():
        await hooks.emit("one")
        await until(lambda: _all(hooks, webhook, "parked"), 10)
    assert aim.messages == []


async def test_receiver_that_is_gone_is_disabled_at_once_and_goes_on_where_it_stopped(hooks: Hooks) -> None:
    gone = True
    inbox = hooks.receiver.inbox("a", lambda _: 410 if gone else 200)
    webhook = await hooks.make(inbox, **ONLY_OURS)
    async with hooks.delivering():
        await hooks.emit("one")
        await until(lambda: _disabled(hooks, webhook), 10)
        await hooks.emit("two")
        row = await hooks.read(webhook)
        assert row["disabled_reason"] == "it answered 410 Gone"
        assert await _event_payloads(hooks, EventType.WEBHOOK_DISABLED, webhook) == [
            {"webhook_id": webhook, "url": inbox.url, "reason": "it answered 410 Gone"}
        ]
        gone = False
        async with hooks.database.transaction() as connection:
            await webhooks.patch(connection, webhook, {"enabled": True}, principal=MUSTER, source=EventSource.API)
        await until(lambda: _all(hooks, webhook, "delivered", 2), 10)
    assert inbox.names == ["one", "one", "two"]


async def test_webhook_whose_every_attempt_failed_for_long_is_disabled(hooks: Hooks) -> None:
    inbox = hooks.receiver.inbox("a", lambda _: 503)
    webhook = await hooks.make(inbox, **ONLY_OURS)
    schedule = (0.05,) * 50
    async with hooks.delivering(webhook_schedule=schedule, webhook_disable_after=0.5):
        await hooks.emit("one")
        await until(lambda: _disabled(hooks, webhook), 10)
        assert (await hooks.read(webhook))["disabled_reason"].startswith("every attempt failed since 2")
        assert await hooks.states(webhook) == ["pending"]
    assert inbox.messages[-1].at - inbox.messages[0].at >= 0.35  # the last one's answer waits for its round


async def test_success_ends_the_failing_since_of_a_webhook(hooks: Hooks) -> None:
    bad = True
    inbox = hooks.receiver.inbox("a", lambda _: 500 if bad else 204)
    webhook = await hooks.make(inbox, **ONLY_OURS)

    async def failing() -> bool:
        return (await hooks.read(webhook))["failing_since"] is not None

    async def delivered_and_well() -> bool:
        return await hooks.states(webhook) == ["delivered"] and not await failing()

    async with hooks.delivering(webhook_schedule=(0.05,) * 100):
        await hooks.emit("one")
        await until(failing, 10)
        bad = False
        await until(delivered_and_well, 10)


async def test_receiver_that_asks_for_time_gets_it(hooks: Hooks) -> None:
    busy = Response(status_code=429, headers={"retry-after": "1"})
    answers = iter([busy])
    inbox = hooks.receiver.inbox("a", lambda _: next(answers, 200))
    webhook = await hooks.make(inbox, **ONLY_OURS)
    async with hooks.delivering():
        await hooks.emit("one")
        await until(lambda: _all(hooks, webhook, "delivered"), 10)
    assert inbox.messages[1].at - inbox.messages[0].at >= 0.95


async def test_receiver_that_asks_for_a_pause_gets_nothing_of_other_missions_either(hooks: Hooks) -> None:
    first, second = await hooks.mission(), await hooks.mission()
    busy = Response(status_code=503, headers={"retry-after": "1"})
    answers = iter([busy])
    inbox, other = hooks.receiver.inbox("a", lambda _: next(answers, 200)), hooks.receiver.inbox("b")
    webhook = await hooks.make(inbox, **ONLY_OURS)
    await hooks.make(other, **ONLY_OURS)
    async with hooks.delivering():
        await hooks.emit("one", mission=first)
        await until(lambda: _held(hooks, webhook), 10)
        await hooks.emit("two", mission=second)
        await until(lambda: _count(other, 2), 10)
        await until(lambda: _all(hooks, webhook, "delivered", 2), 10)
    assert min(message.at for message in inbox.messages[1:]) - inbox.messages[0].at >= 0.95
    assert [row["tries"] for row in await hooks.deliveries(webhook)] == [2, 1]


async def test_hanging_receiver_delays_no_other_one(hooks: Hooks) -> None:
    hanging, good = hooks.receiver.inbox("hanging"), hooks.receiver.inbox("good")
    hanging.hold.clear()
    await hooks.make(hanging, **ONLY_OURS)
    await hooks.make(good, **ONLY_OURS)
    names = [f"e{number}" for number in range(60)]
    async with hooks.delivering(webhook_concurrency=3):
        await hooks.emit("warm")
        await until(lambda: _count(hanging, 1), 10)
        begun = asyncio.get_running_loop().time()
        await hooks.emit(*names)
        await until(lambda: _count(good, 61), 10)
        assert asyncio.get_running_loop().time() - begun < 3  # less than the hanging one's time-out
        assert len(hanging.messages) == 3
        hanging.hold.set()
        await until(lambda: _count(hanging, 61), 10)
    assert sorted(good.names) == sorted(["warm", *names])


async def test_answer_that_never_comes_ends_with_the_time(hooks: Hooks) -> None:
    inbox = hooks.receiver.inbox("a")
    inbox.hold.clear()
    webhook = await hooks.make(inbox, **ONLY_OURS)
    async with hooks.delivering(webhook_timeout=0.2, webhook_schedule=()):
        await hooks.emit("one")
        await until(lambda: _all(hooks, webhook, "parked"), 10)
    (row,) = await hooks.deliveries(webhook)
    assert row["error"] == "no answer within 0.2 s"


async def test_name_that_leads_to_a_private_address_is_not_called(hooks: Hooks) -> None:
    inbox = hooks.receiver.inbox("a")
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[Address]:
        asked.append(host)
        return [ip_address("127.0.0.1"), ip_address("169.254.169.254"), ip_address("::ffff:10.0.0.1")]

    webhook = await hooks.make(f"http://hooks.example:{hooks.receiver.port}/a", **ONLY_OURS)
    async with hooks.delivering(resolve, webhook_allow_private=False, webhook_schedule=()):
        await hooks.emit("one")
        await until(lambda: _all(hooks, webhook, "parked"), 10)
    (row,) = await hooks.deliveries(webhook)
    assert "hooks.example is at 127.0.0.1, 169.254.169.254, ::ffff:a00:1, which is not public" in row["error"]
    assert (asked, inbox.messages) == (["hooks.example"], [])


async def test_name_that_changes_its_address_is_connected_to_where_it_was_checked(hooks: Hooks) -> None:
    inbox = hooks.receiver.inbox("a", lambda _: Response(status_code=200, headers={"connection": "close"}))
    answers = iter([["127.0.0.1"], ["127.0.0.2", "10.0.0.1"]])

    async def resolve(host: str, port: int) -> Sequence[Address]:
        return [ip_address(one) for one in next(answers, ["10.0.0.1"])]

    webhook = await hooks.make(f"http://hooks.example:{hooks.receiver.port}/a", **ONLY_OURS)
    networks = ("127.0.0.1/32",)
    async with hooks.delivering(
        resolve, webhook_allow_private=False, webhook_allowed_networks=networks, webhook_schedule=()
    ):
        await hooks.emit("one")
        await until(lambda: _states(hooks, webhook, ["delivered"]), 10)
        await hooks.emit("two")
        await until(lambda: _states(hooks, webhook, ["delivered", "parked"]), 10)
    second = (await hooks.deliveries(webhook))[1]
    assert second["error"] == "hooks.example is at 127.0.0.2, 10.0.0.1, which is not public"
    (message,) = inbox.messages
    assert message.headers["host"] == f"hooks.example:{hooks.receiver.port}"


async def test_deliverer_that_died_after_the_request_sends_it_again_with_the_same_id(hooks: Hooks) -> None:
    inbox = hooks.receiver.inbox("a")
    inbox.hold.clear()
    webhook = await hooks.make(inbox, **ONLY_OURS)
    async with hooks.delivering():
        await hooks.emit("one")
        await until(lambda: _count(inbox, 1), 10)
    inbox.hold.set()
    async with hooks.delivering():
        await until(lambda: _all(hooks, webhook, "delivered"), 10)
    assert len(inbox.messages) == 2
    assert len({message.headers["webhook-id"] for message in inbox.messages}) == 1


async def test_connections_that_are_cut_are_made_again_and_nothing_is_lost(hooks: Hooks) -> None:
    inbox = hooks.receiver.inbox("a")
    inbox.hold.clear()
    webhook = await hooks.make(inbox, **ONLY_OURS)
    keys = [int(DELIVERER), int(FAN_OUT)]
    async with hooks.delivering():
        await hooks.emit("one")
        await until(lambda: _count(inbox, 1), 10)
        async with hooks.database.transaction() as connection:
            cut = text(
                "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database"
                " WHERE locktype = 'advisory' AND objid = ANY (:k) AND datname = current_database()"
            )
            assert list(await connection.scalars(cut, {"k": keys})) == [True, True]
        inbox.hold.set()
        await hooks.emit("two")
        await until(lambda: _all(hooks, webhook, "delivered", 2), 10)
    assert set(inbox.names) == {"one", "two"}


async def test_fan_out_has_no_gap_and_no_double_whoever_does_it(hooks: Hooks) -> None:
    webhook = await hooks.make("http://127.0.0.1:9/none", **ONLY_OURS)

    async def restart_often() -> None:
        for _ in range(15):
            async with hooks.delivering(webhook_schedule=(3600,)), hooks.delivering(webhook_schedule=(3600,)):
                await asyncio.sleep(0.02)

    restarts = asyncio.create_task(restart_often())
    for number in range(40):
        await hooks.emit(*[f"{number}-{place}" for place in range(5)])
    await restarts
    async with hooks.delivering():
        await until(lambda: _count_rows(hooks, webhook, 200), 10)
    async with hooks.database.transaction() as connection:
        names = list(
            await connection.scalars(
                text(
                    "SELECT e.payload ->> 'name' FROM webhook_deliveries d JOIN events e USING (sequence)"
                    " WHERE webhook_id = :id ORDER BY sequence"
                ),
                {"id": webhook},
            )
        )
    assert names == [f"{number}-{place}" for number in range(40) for place in range(5)]


async def test_part_of_the_log_is_sent_again_in_order(hooks: Hooks) -> None:
    inbox = hooks.receiver.inbox("a")
    mission = await hooks.mission()
    webhook = await hooks.make(inbox, types=["task.*"])
    async with hooks.delivering():
        await hooks.emit(*(f"e{number}" for number in range(6)), mission=mission)
        await until(lambda: _all(hooks, webhook, "delivered", 6), 10)
        third = (await hooks.deliveries(webhook))[2]["sequence"]
        async with hooks.database.transaction() as connection:
            # The first rows were removed by now.
            await connection.execute(text("DELETE FROM webhook_deliveries WHERE sequence <= :until"), {"until": third})
            await webhooks.lock_version(connection, webhook)
            long_ago = (await hooks.read(webhook))["created_at"]
            taken = await webhook_replays.replay_range(connection, webhook, third - 2, long_ago, 4)
        assert taken == [third - 1, third, third + 1, third + 2]
        await until(lambda: _count(inbox, 10), 10)
    assert inbox.names[6:] == ["e1", "e2", "e3", "e4"]


async def test_what_webhooks_need_is_kept_and_what_is_old_removed(hooks: Hooks) -> None:
    hanging, good = hooks.receiver.inbox("hanging", lambda _: 500), hooks.receiver.inbox("good")
    first = await hooks.make(hanging, **ONLY_OURS)
    second = await hooks.make(good, **ONLY_OURS)

    async def needed(keep: float = 60) -> int | None:
        async with hooks.database.transaction() as connection:
            return await webhook_deliveries.oldest_needed_position(connection, keep)

    async with hooks.delivering(webhook_schedule=(3600,)):
        await hooks.emit("one", "two")
        await until(lambda: _all(hooks, second, "delivered", 2), 10)
        await until(lambda: _count_rows(hooks, first, 2), 10)
        sequence = (await hooks.deliveries(first))[0]["sequence"]
        assert await needed() == sequence
        async with hooks.database.transaction() as connection:
            await webhooks.patch(connection, first, {"enabled": False}, principal=MUSTER, source=EventSource.API)
        assert await needed() == sequence
        position = (await hooks.read(second))["position"]
        assert (await needed(0) or 0) > position >= sequence + 1
    async with hooks.database.transaction() as connection:
        assert await webhook_deliveries.remove_old(connection, 0, 1)
        assert not await webhook_deliveries.remove_old(connection, 0, 10)
    assert [await hooks.states(one) for one in (first, second)] == [["pending", "pending"], []]


async def test_event_that_the_log_has_no_more_is_parked(hooks: Hooks) -> None:
    inbox = hooks.receiver.inbox("a")
    webhook = await hooks.make(inbox, **ONLY_OURS, enabled=True)
    async with hooks.delivering(webhook_schedule=(0.3, 5)):
        inbox.answers = lambda _: 500
        await hooks.emit("one")
        await until(lambda: _count(inbox, 1), 10)
        async with hooks.database.transaction() as connection:
            await connection.execute(
                text("DELETE FROM events USING webhook_deliveries d WHERE d.sequence = events.sequence")
            )
        await until(lambda: _all(hooks, webhook, "parked"), 10)
    assert (await hooks.deliveries(webhook))[0]["error"] == "the event is archived, and cannot be sent any more"


async def test_event_that_is_too_large_is_parked_unsent(hooks: Hooks) -> None:
    inbox = hooks.receiver.inbox("a")
    webhook = await hooks.make(inbox, **ONLY_OURS)
    async with hooks.delivering():
        await hooks.emit("x" * 1024 * 1024)
        await until(lambda: _all(hooks, webhook, "parked"), 10)
    (row,) = await hooks.deliveries(webhook)
    assert (inbox.messages, row["attempts"]) == ([], [])
    assert "at most 1048576 are sent" in row["error"]
    assert (await hooks.read(webhook))["failing_since"] is None


async def test_replayed_event_waits_until_a_later_one_of_its_mission_has_landed(hooks: Hooks) -> None:
    mission = await hooks.mission()
    inbox = hooks.receiver.inbox("a")
    webhook = await hooks.make(inbox, types=["task.*"])
    async with hooks.delivering():
        await hooks.emit("one", mission=mission)
        await until(lambda: _all(hooks, webhook, "delivered", 1), 10)
        inbox.hold.clear()
        await hooks.emit("two", mission=mission)
        await until(lambda: _count(inbox, 2), 10)
        async with hooks.database.transaction() as connection:
            await webhooks.lock_version(connection, webhook)
            await webhook_replays.replay_range(connection, webhook, 0, (await hooks.read(webhook))["created_at"], 9)
            flying = [
                Due(row["id"], webhook, mission, 0, "", [], None) for row in (await hooks.deliveries(webhook))[1:]
            ]
            assert (await webhook_attempts.look(connection, flying, 8)).due == []
            (due,) = (await webhook_attempts.look(connection, [], 8)).due
            assert due.event
            assert due.event.payload == {"name": "one"}
        inbox.hold.set()
        await until(lambda: _all(hooks, webhook, "delivered", 2), 10)


async def test_replayed_event_is_before_a_later_one_of_its_mission_that_fails_meanwhile(hooks: Hooks) -> None:
    mission = await hooks.mission()
    refused: list[str] = []

    def answers(message: Message) -> int:
        if len(inbox.messages) in (2, 3):  # two as it lands, and one as it is replayed
            refused.append(message.name)
            return 500
        return 200

    inbox = hooks.receiver.inbox("a", answers)
    webhook = await hooks.make(inbox, types=["task.*"])
    async with hooks.delivering():
        await hooks.emit("one", mission=mission)
        await until(lambda: _all(hooks, webhook, "delivered", 1), 10)
        inbox.hold.clear()
        await hooks.emit("two", mission=mission)
        await until(lambda: _count(inbox, 2), 10)
        async with hooks.database.transaction() as connection:
            await webhooks.lock_version(connection, webhook)
            first = (await hooks.deliveries(webhook))[0]
            await webhook_replays.replay_one(connection, webhook, first["id"])
        inbox.hold.set()
        await until(lambda: _all(hooks, webhook, "delivered", 2), 10)
    assert refused == ["two", "one"]
    assert inbox.names == ["one", "two", "one", "one", "two"]


async def _count(inbox: Any, count: int) -> bool:
    return len(inbox.messages) >= count


async def _count_rows(hooks: Hooks, webhook: int, count: int) -> bool:
    return len(await hooks.deliveries(webhook)) == count


async def _all(hooks: Hooks, webhook: int, state: str, count: int = 1) -> bool:
    states = await hooks.states(webhook)
    return len(states) >= count and set(states) == {state}


async def _states(hooks: Hooks, webhook: int, states: list[str]) -> bool:
    return await hooks.states(webhook) == states


async def _held(hooks: Hooks, webhook: int) -> bool:
    return (await hooks.read(webhook))["not_before"] is not None


async def _disabled(hooks: Hooks, webhook: int) -> bool:
    return not (await hooks.read(webhook))["enabled"]


async def _event_payloads(hooks: Hooks, kind: EventType, webhook: int) -> list[Any]:
    async with hooks.database.transaction() as connection:
        found = await connection.scalars(text("SELECT payload FROM events WHERE type = :kind"), {"kind": kind})
    return [payload for payload in found if payload["webhook_id"] == webhook]
