"""What happens when the connection to the broker breaks: intake comes back, and no publish lies about its outcome."""

import asyncio
import secrets
import time
from collections.abc import Sequence
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage
from sqlalchemy import insert

from fleet import topology
from fleet.batches import BatchConsumer
from fleet.bus import Bus, UnknownOutcome, comes_again
from fleet.downlink import AgentAddress, Delivery, Downlink
from fleet.roles import Intake
from fleet.signing import Signer
from missions.errors import PartUnavailable
from settings import Settings
from store.database import Database
from store.tables import agents
from tests.fleet.conftest import RecordingLines, RecordingWaker, agent_row, no_steps, until
from tests.fleet.proxy import before_the_broker
from tests.fleet.raw_agent import RawAgent


async def reaches(database: Database, uuid: str, status: str) -> None:
    async def there() -> object:
        return (await agent_row(database, uuid))["status"] == status

    await until(there)


async def test_intake_comes_back_after_its_connection_was_cut(
    settings: Settings, database: Database, waker: RecordingWaker, lines: RecordingLines, uuid: str
) -> None:
    async with database.transaction() as connection:
        await connection.execute(insert(agents).values(uuid=uuid))
    async with before_the_broker(settings) as (proxy, through):
        intake = Intake(through, database, waker, resolve_preset=no_steps, refresh_lines=lines)
        await intake.start()
        async with RawAgent(settings, await intake.accounts.create(uuid)) as agent:
            await agent.state(uuid, "busy")
            await reaches(database, uuid, "busy")
            for status in ("free", "ready"):
                proxy.cut()
                await agent.state(uuid, status)
                await reaches(database, uuid, status)
        await intake.stop()


async def test_messages_that_waited_when_the_connection_was_lost_come_again(settings: Settings) -> None:
    begun, gate, handled = asyncio.Event(), asyncio.Event(), list[bytes]()

    async def handle(messages: Sequence[AbstractIncomingMessage]) -> None:
        begun.set()
        await gate.wait()
        handled.extend(message.body for message in messages)

    async with before_the_broker(settings) as (proxy, through), await aio_pika.connect(settings.amqp_url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(f"batches-{secrets.token_hex(4)}", auto_delete=False)
        bus = Bus(through, "test")
        await bus.connect()
        consumer = BatchConsumer(bus, queue.name, handle, batch_size=1)
        await consumer.start()
        for body in (b"1", b"2", b"3"):
            await channel.default_exchange.publish(aio_pika.Message(body), queue.name)
        await begun.wait()

        async def all_wait() -> bool:
            return len(consumer._waiting) == 1  # the prefetch is two: one in hand, one that waits

        await until(all_wait)
        proxy.cut()

        async def lost() -> bool:
            return comes_again(consumer._waiting[0])

        await until(lost)
        gate.set()

        async def all_handled() -> bool:
            return {b"1", b"2", b"3"} == set(handled)

        await until(all_handled)
        await consumer.stop()
        await bus.close()
        await queue.delete()


@pytest.mark.parametrize("fails", ["fleet.accounts.Accounts.prepare", "fleet.roles.BatchConsumer.start"])
async def test_a_start_that_fails_leaves_nothing_open(
    settings: Settings,
    database: Database,
    waker: RecordingWaker,
    lines: RecordingLines,
    fails: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = BatchConsumer.start

    async def fail(self: Any) -> None:
        if isinstance(self, BatchConsumer):
            await real(self)
        raise PartUnavailable("RabbitMQ", "gone")

    monkeypatch.setattr(fails, fail)
    async with before_the_broker(settings) as (proxy, through):
        with pytest.raises(PartUnavailable):
            await Intake(through, database, waker, resolve_preset=no_steps, refresh_lines=lines).start()

        async def all_closed() -> object:
            return not proxy.open

        await until(all_closed)


async def test_a_connect_that_fails_leaves_nothing_open(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any) -> None:
        raise TimeoutError

    monkeypatch.setattr(topology, "declare", fail)
    async with before_the_broker(settings) as (proxy, through):
        with pytest.raises(PartUnavailable):
            await Bus(through, "test").connect()

        async def all_closed() -> object:
            return not proxy.open

        await until(all_closed)


async def listening(bus: Bus, settings: Settings, uuid: str) -> Any:
    channel = await bus.consuming_channel(10)
    queue = await channel.declare_queue(None, exclusive=True, robust=False)
    await queue.bind(settings.downlink_exchange, f"agent.{uuid}.instantActions", robust=False)
    return queue


async def test_a_lost_confirm_is_an_unknown_outcome(settings: Settings, bus: Bus, uuid: str) -> None:
    await listening(bus, settings, uuid)
    async with before_the_broker(settings) as (proxy, through):
        own = Bus(through, "test")
        await own.connect()
        downlink = Downlink(through, own, Signer.load(settings))
        agent = AgentAddress(1, uuid, "AMQP")
        assert await downlink.reserve(agent, work_process_id=1) is Delivery.DELIVERED
        proxy.deaf = True
        sending = asyncio.ensure_future(downlink.reserve(agent, work_process_id=2))
        await asyncio.wait([sending], timeout=0.3)
        assert not sending.done()
        proxy.cut()
        with pytest.raises(UnknownOutcome):
            await sending
        proxy.deaf = False
        delivery = await until(lambda: _delivered(downlink, agent))
        assert delivery is Delivery.DELIVERED
        await own.close()


async def test_a_connection_that_is_dead_without_a_sign_is_found_out(
    settings: Settings, bus: Bus, uuid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await listening(bus, settings, uuid)
    monkeypatch.setattr("fleet.bus._HEARTBEAT", 1)
    monkeypatch.setattr("aiormq.connection.Connection.HEARTBEAT_GRACE_MULTIPLIER", 0.6)
    monkeypatch.setattr("fleet.bus.CONFIRM_TIMEOUT", 0.5)
    async with before_the_broker(settings) as (proxy, through):
        own = Bus(through, "test")
        await own.connect()
        downlink = Downlink(through, own, Signer.load(settings))
        agent = AgentAddress(1, uuid, "AMQP")
        proxy.half_open()
        with pytest.raises(UnknownOutcome):
            await downlink.reserve(agent, work_process_id=1)
        assert await until(lambda: _delivered(downlink, agent)) is Delivery.DELIVERED
        await own.close()


async def test_a_channel_that_is_not_opened_again_is_made_anew_with_its_connection(
    settings: Settings, bus: Bus, uuid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await listening(bus, settings, uuid)
    monkeypatch.setattr("fleet.bus._LOOKS_EVERY", 0.2)
    own = Bus(settings, "test")
    await own.connect()
    agent, downlink = AgentAddress(1, uuid, "AMQP"), Downlink(settings, own, Signer.load(settings))
    assert await downlink.reserve(agent, work_process_id=1) is Delivery.DELIVERED
    assert own._publishing is not None
    with monkeypatch.context() as losing:
        losing.setattr("aio_pika.robust_channel.RobustChannel.restore", _lose)
        await (await own._publishing.get_underlay_channel()).close()
        with pytest.raises(PartUnavailable):
            await downlink.reserve(agent, work_process_id=2)
    assert await until(lambda: _delivered(downlink, agent), timeout=5) is Delivery.DELIVERED
    await own.close()


async def _lose(*_: Any) -> None:
    """It is not opened again."""


async def _delivered(downlink: Downlink, agent: AgentAddress) -> Delivery | None:
    try:
        return await downlink.reserve(agent, work_process_id=3)
    except (PartUnavailable, UnknownOutcome):
        return None


async def test_without_a_broker_nothing_is_sent_and_that_is_said_soon(settings: Settings, uuid: str) -> None:
    async with before_the_broker(settings) as (proxy, through):
        bus = Bus(through, "test")
        await bus.connect()
        downlink = Downlink(through, bus, Signer.load(settings))
        proxy.closed = True
        proxy.cut()
        agent = AgentAddress(1, uuid, "AMQP")

        async def refused() -> object:
            try:
                await downlink.reserve(agent, work_process_id=1)
            except UnknownOutcome:
                return False
            except PartUnavailable:
                return True
            return False

        began = time.monotonic()
        assert await until(refused)
        assert time.monotonic() - began < 8
        await bus.close()


async def test_connecting_to_nothing_says_so(settings: Settings) -> None:
    with pytest.raises(PartUnavailable):
        await Bus(settings.model_copy(update={"amqp_url": "amqp://guest:guest@127.0.0.1:9/"}), "test").connect()


async def test_a_start_says_that_the_broker_is_away_whenever_that_is_lost(
    settings: Settings, database: Database, waker: RecordingWaker, lines: RecordingLines
) -> None:
    """Cut at many places of the broker's answers; every other error would end the worker."""

    def intake(through: Settings) -> Intake:
        return Intake(through, database, waker, resolve_preset=no_steps, refresh_lines=lines)

    async with before_the_broker(settings) as (proxy, through):
        whole = intake(through)
        await whole.start()
        answered = proxy.answered
        await whole.stop()
    said = set()
    for place in range(24):
        async with before_the_broker(settings) as (proxy, through):
            proxy.dies_after = 1 + answered * place // 24
            with pytest.raises(PartUnavailable) as raised:
                await asyncio.wait_for(intake(through).start(), 30)
            said.add(raised.value.part)
            assert not proxy.open
    assert said == {"RabbitMQ"}
