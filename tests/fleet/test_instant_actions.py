"""Commands to agents: sent soon after the commit, in their order, never lost, acknowledged by agents that can."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from fleet.downlink import Delivery, Downlink
from fleet.instant_actions import InstantActionSender
from fleet.roles import Intake
from missions.errors import PartUnavailable
from missions.events import EventSource, utc_now
from missions.principals import Principal, PrincipalKind
from settings import Settings
from store import instant_actions
from store.agents import AgentAddress
from store.database import Database
from store.instant_actions import Acknowledgement
from store.notifications import notify
from store.tables import agents, events
from store.tables import instant_actions as actions
from store.wakeups import Wakeup
from tests.fleet.conftest import DeadLetterReader, StartAgent, agent_row, until
from tests.fleet.raw_agent import RawAgent

ANN = Principal(kind=PrincipalKind.CLIENT, id="ann")


@pytest.fixture
async def agent(intake: Intake, settings: Settings, database: Database, uuid: str) -> AsyncIterator[RawAgent]:
    async with database.transaction() as connection:
        await connection.execute(insert(agents).values(uuid=uuid, rbmq_username=uuid))
    async with RawAgent(settings, await intake.accounts.create(uuid)) as agent:
        yield agent


class Woken:
    """Notes which wake-ups it was asked to deliver."""

    def __init__(self) -> None:
        self.sent: list[Wakeup] = []

    async def send(self, batch: Sequence[Wakeup]) -> None:
        self.sent += batch


@pytest.fixture
async def sender(database: Database, downlink: Downlink) -> AsyncIterator[InstantActionSender]:
    sender = InstantActionSender(database, downlink, Woken())
    sender.start()
    yield sender
    await sender.stop()


async def command(database: Database, uuid: str, text: str) -> tuple[int, int]:
    """Write a command, as the API does; returns the ids of agent and command."""
    agent_id: Any = (await agent_row(database, uuid))["id"]
    async with database.transaction() as connection:
        row = await instant_actions.add(connection, agent_id, text, sender=None, principal=ANN, source=EventSource.API)
    await notify(database, instant_actions.CHANNEL)
    return agent_id, row["id"]


async def becomes(database: Database, ids: tuple[int, int], status: str) -> dict[str, Any]:
    async def there() -> object:
        async with database.transaction() as connection:
            row = await instant_actions.get(connection, *ids)
        return row if row["status"] == status else None

    found: Any = await until(there)
    return dict(found)


async def told(database: Database, action_id: int) -> list[tuple[str, str]]:
    """Type and actor of the events of a command."""
    async with database.transaction() as connection:
        rows = await connection.execute(
            select(events.c.type, events.c.actor)
            .where(events.c.payload["instant_action_id"].as_integer() == action_id)
            .order_by(events.c.id)
        )
        return [(row.type, row.actor["id"]) for row in rows]


async def test_an_sdk_agent_gets_its_commands_in_order_and_signed(
    intake: Intake, database: Database, sender: InstantActionSender, start_agent: StartAgent, uuid: str
) -> None:
    agent = start_agent(uuid)
    await agent.wait_for("listening")
    ids = [await command(database, uuid, text) for text in ("pause operation", '{"lift":1}', "resume operation")]
    row = await becomes(database, ids[-1], "sent")
    assert row["sent_at"] is not None
    await agent.wait_for("other", lambda record: "resume" in str(record["raw"]))
    envelopes = [json.loads(record["raw"]) for record in agent.records("other")]
    assert all(envelope["signature"] for envelope in envelopes)
    heard = [json.loads(envelope["message"]) for envelope in envelopes]
    assert [message["body"] for message in heard] == ["pause operation", '{"lift":1}', "resume operation"]
    assert heard[0] == {
        "type": "custom_action",
        "uuid": uuid,
        "metadata": {"id": ids[0][1]},
        "body": "pause operation",
        "_version": "2.0.0",
    }
    assert await told(database, ids[0][1]) == [
        ("agent.instant_action_requested", "ann"),
        ("agent.instant_action_sent", "muster"),
    ]


async def test_a_command_that_nobody_hears_is_not_listening(
    agent: RawAgent, database: Database, sender: InstantActionSender, uuid: str
) -> None:
    ids = await command(database, uuid, "pause operation")
    row = await becomes(database, ids, "not_listening")
    assert row["sent_at"] is None
    assert (await told(database, ids[1]))[-1] == ("agent.instant_action_not_delivered", "muster")


class FailingOnce(Downlink):
    """The broker is away at the first command."""

    failed = False

    async def custom_action(self, agent: AgentAddress, command: str, *, action_id: int) -> Delivery:
        if not self.failed:
            self.failed = True
            raise PartUnavailable("RabbitMQ", "away")
        return Delivery.DELIVERED


async def test_a_command_waits_for_the_broker(agent: RawAgent, database: Database, uuid: str) -> None:
    downlink = FailingOnce.__new__(FailingOnce)
    sender = InstantActionSender(database, downlink, Woken())
    sender.start()
    ids = await command(database, uuid, "pause operation")
    await becomes(database, ids, "sent")
    assert downlink.failed
    await sender.stop()


async def test_a_command_of_a_dead_process_is_sent_by_the_next(
    agent: RawAgent, database: Database, downlink: Downlink, uuid: str
) -> None:
    ids = await command(database, uuid, "pause operation")  # nobody hears the notification
    sender = InstantActionSender(database, downlink, Woken())
    sender.start()
    await becomes(database, ids, "not_listening")
    await sender.stop()


@pytest.mark.parametrize(("word", "status"), [("done", "acknowledged"), ("failed", "failed")])
async def test_the_agents_word_is_recorded_once(
    word: str, status: str, agent: RawAgent, database: Database, sender: InstantActionSender, uuid: str
) -> None:
    ids = await command(database, uuid, "tail lift up")
    await becomes(database, ids, "not_listening")
    for height in (3, 4):
        await agent.state(uuid, instant_action={"id": ids[1], "status": word, "result": {"height": height}})
    row = await becomes(database, ids, status)
    await agent.state(uuid, "ready")

    async def ready() -> object:
        return (await agent_row(database, uuid))["status"] == "ready"

    await until(ready)
    assert (row["result"], row["acknowledged_at"] is not None) == ({"height": 3}, True)
    assert (await told(database, ids[1]))[2:] == [("agent.instant_action_acknowledged", uuid)]


async def test_nobody_acknowledges_for_another_agent(
    agent: RawAgent, database: Database, sender: InstantActionSender, dead_letters: DeadLetterReader, uuid: str
) -> None:
    async with database.transaction() as connection:
        await connection.execute(insert(agents).values(uuid=f"{uuid}-b"))
    ids = await command(database, f"{uuid}-b", "stop")
    await becomes(database, ids, "not_listening")
    await agent.state(uuid, "busy", instant_action={"id": ids[1], "status": "done"})
    assert (await dead_letters.next())[0] == "unknown_instant_action"
    assert (await agent_row(database, uuid))["status"] == "busy"  # the rest of the report counts
    await becomes(database, ids, "not_listening")


class SlowFor(Downlink):
    """The broker confirms nothing to one agent until it may."""

    def __init__(self, slow: str) -> None:
        self.slow, self.may = slow, asyncio.Event()
        self.began, self.commands = asyncio.Event(), list[str]()

    async def custom_action(self, agent: AgentAddress, command: str, *, action_id: int) -> Delivery:
        self.commands.append(command)
        if agent.uuid == self.slow:
            self.began.set()
            await self.may.wait()
        return Delivery.DELIVERED


async def test_a_slow_broker_holds_no_lock_and_nobody_elses_commands(
    agent: RawAgent, database: Database, uuid: str
) -> None:
    async with database.transaction() as connection:
        await connection.execute(insert(agents).values(uuid=f"{uuid}-b"))
    downlink = SlowFor(uuid)
    senders = [InstantActionSender(database, downlink, Woken()) for _ in range(2)]
    for sender in senders:
        sender.start()
    first = await command(database, uuid, "first")
    await downlink.began.wait()
    second = await command(database, uuid, "second")
    await becomes(database, await command(database, f"{uuid}-b", "other"), "sent")
    async with database.transaction() as connection:
        await connection.execute(select(actions.c.id).where(actions.c.id == first[1]).with_for_update(nowait=True))
    assert "second" not in downlink.commands  # an agent's commands keep their order
    downlink.may.set()
    for ids in (first, second):
        await becomes(database, ids, "sent")
    assert downlink.commands == ["first", "other", "second"]
    for sender in senders:
        await sender.stop()


async def test_a_command_is_sent_again_when_its_sender_died_with_it(
    agent: RawAgent, database: Database, uuid: str
) -> None:
    ids = await command(database, uuid, "pause operation")
    async with database.transaction() as connection:
        await connection.execute(
            update(actions).where(actions.c.id == ids[1]).values(claimed_until=func.now() + timedelta(seconds=1))
        )
    downlink = SlowFor("nobody")
    sender = InstantActionSender(database, downlink, Woken())
    sender.start()
    await becomes(database, ids, "sent")
    await sender.stop()
    assert downlink.commands == ["pause operation"]


async def test_acknowledgements_of_one_batch_are_written_once_each(
    agent: RawAgent, database: Database, uuid: str
) -> None:
    ids = [await command(database, uuid, text) for text in ("a", "b", "c")]
    said = [
        (agent_id, Acknowledgement(action_id, status, {"n": n}), utc_now())
        for n, ((agent_id, action_id), status) in enumerate(
            zip([*ids, ids[0]], ("done", "failed", "x", "failed"), strict=True)
        )
    ]
    async with database.transaction() as connection:
        unknown = await instant_actions.acknowledge(
            connection, [*said, (ids[0][0], Acknowledgement(0, "done"), utc_now())]
        )
    assert unknown == {(ids[0][0], 0)}
    rows = []
    async with database.transaction() as connection:
        for pair in ids:
            row = await instant_actions.get(connection, *pair)
            rows.append((row["status"], row["result"], row["error"]))
    assert rows == [
        ("acknowledged", {"n": 0}, None),
        ("failed", {"n": 1}, "the agent reported failed"),
        ("acknowledged", {"n": 2}, None),
    ]
    for _, action_id in ids:
        assert [kind for kind, _ in await told(database, action_id)].count("agent.instant_action_acknowledged") == 1
