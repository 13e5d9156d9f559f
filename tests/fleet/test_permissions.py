"""Least privilege: what accounts of agents may do on the broker, and what not."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import aio_pika
import httpx
import pytest
from aiormq.exceptions import (
    ChannelAccessRefused,
    ChannelLockedResource,
    ChannelPreconditionFailed,
)
from sqlalchemy import insert, select, update

from fleet.account_import import Rights
from fleet.account_rights import AccountRights
from fleet.accounts import ANONYMOUS, Accounts, BrokerRefused, Login, agent_rights
from fleet.bus import Bus
from fleet.roles import Intake
from fleet.topology import (
    AGENT_QUEUE_POLICY,
    BOUNDED_QUEUE_POLICY,
    DATA_REQUEST_QUEUE,
    DEAD_LETTER_QUEUE,
    LOSSY_QUEUE,
    ORDERED_QUEUE,
    YARD_QUEUE,
    Downlink,
)
from missions.errors import Conflict, InvalidInput, PartUnavailable
from missions.events import EventSource, utc_now
from missions.principals import Principal, PrincipalKind
from settings import Settings
from store import account_rights, agent_registry
from store import agents as agents_store
from store.database import Database
from store.notifications import notify
from store.tables import agents, yards
from tests.fleet.conftest import YARD, Enrol, agent_row, until
from tests.fleet.raw_agent import RawAgent
from tests.fleet.raw_mqtt import RawMqtt
from tests.support.services import WorkerAddresses

ANN = Principal(kind=PrincipalKind.CLIENT, id="ann")


@pytest.fixture
async def agent(intake: Intake, settings: Settings, uuid: str) -> AsyncIterator[RawAgent]:
    async with RawAgent(settings, await intake.accounts.create(uuid)) as agent:
        yield agent


@pytest.fixture
async def anonymous(intake: Intake, settings: Settings) -> AsyncIterator[RawAgent]:
    async with RawAgent(settings, Login(ANONYMOUS, ANONYMOUS)) as agent:
        yield agent


async def test_an_agent_publishes_under_its_own_uuid_only(agent: RawAgent, settings: Settings, uuid: str) -> None:
    up, down = settings.uplink_exchange, settings.downlink_exchange
    for word in ("state", "update", "visualization", "mission_req", "checkin", "event"):
        assert await agent.may_publish(up, f"agent.{uuid}.{word}"), word
        assert not await agent.may_publish(up, f"agent.other.{word}"), word
    assert await agent.may_publish(settings.anonymous_exchange, f"agent.{uuid}.checkin")
    assert not await agent.may_publish(settings.anonymous_exchange, "agent.other.checkin")
    assert not await agent.may_publish(up, f"agent.{uuid}.more.words")
    assert not await agent.may_publish(up, "yard.yard-1.visualization")
    for exchange in (down, settings.mqtt_exchange, settings.stream_exchange, "amq.topic"):
        assert not await agent.may_publish(exchange, f"agent.{uuid}.assignment"), exchange
    assert not await agent.may_publish("", ORDERED_QUEUE)


async def test_an_agent_cannot_pretend_to_be_another_user(agent: RawAgent, settings: Settings, uuid: str) -> None:

    with pytest.raises(ChannelPreconditionFailed):
        await agent.publish(settings.uplink_exchange, f"agent.{uuid}.state", b"{}", user_id="other")


async def test_an_agent_listens_to_its_own_keys_only(agent: RawAgent, settings: Settings, uuid: str) -> None:
    down = settings.downlink_exchange
    for word in ("assignment", "instantActions", "order"):
        assert await agent.may_bind(down, f"agent.{uuid}.{word}"), word
        assert not await agent.may_bind(down, f"agent.other.{word}"), word
    assert not await agent.may_bind(down, "agent.*.assignment")
    assert not await agent.may_bind(down, "#")
    assert not await agent.may_bind(settings.stream_exchange, "#")
    for exchange in (settings.uplink_exchange, settings.anonymous_exchange, settings.mqtt_exchange):
        assert not await agent.may_bind(exchange, "#"), exchange


async def test_an_agent_cannot_touch_our_queues(agent: RawAgent) -> None:
    for queue in (ORDERED_QUEUE, LOSSY_QUEUE, DEAD_LETTER_QUEUE):
        assert not await agent.may_consume(queue), queue
        assert not await agent.may("purge", queue), queue
        assert not await agent.may("delete", queue), queue
    assert not await agent.may_declare("mine")


async def test_an_agent_declares_no_exchange_and_binds_none_of_ours(
    agent: RawAgent, settings: Settings, uuid: str
) -> None:
    channel = await agent.channel()
    with pytest.raises(ChannelAccessRefused):
        await channel.declare_exchange(f"exchange-of-{uuid}")
    channel = await agent.channel()
    up = await channel.get_exchange(settings.uplink_exchange, ensure=False)
    with pytest.raises(ChannelAccessRefused):
        await up.bind(settings.downlink_exchange, "#")


async def test_an_agent_cannot_consume_the_queue_of_another(
    agent: RawAgent, intake: Intake, settings: Settings, uuid: str
) -> None:
    """One that is not exclusive has a random name, which the broker tells to nobody (docs/security.md)."""
    async with RawAgent(settings, await intake.accounts.create(f"{uuid}-b")) as other:
        channel = await other.channel()
        private = await channel.declare_queue(None, exclusive=True)
        with pytest.raises(ChannelLockedResource):
            await (await (await agent.channel()).get_queue(private.name, ensure=False)).get(fail=False)
        assert not await agent.may_bind(settings.downlink_exchange, f"agent.{uuid}-b.assignment")


@pytest.fixture
async def mqtt(
    intake: Intake, settings: Settings, enrol: Enrol, worker_addresses: WorkerAddresses, uuid: str
) -> RawMqtt:
    return RawMqtt(settings, worker_addresses.mqtt_url, await enrol.account(uuid, "MQTT"))


async def test_an_mqtt_agent_speaks_for_itself_only_and_never_as_we_do(mqtt: RawMqtt, uuid: str) -> None:
    for word in ("checkin", "state", "update", "visualization", "mission_req", "event"):
        assert await mqtt.may_publish(f"agent/{uuid}/{word}"), word
        assert not await mqtt.may_publish(f"agent/other/{word}"), word
    for word in Downlink:
        assert not await mqtt.may_publish(f"agent/{uuid}/{word}"), word
        assert not await mqtt.may_publish(f"agent/other/{word}"), word
    assert not await mqtt.may_publish("yard/yard-1/visualization")
    assert not await mqtt.may_publish(f"agent/{uuid}/more/words")


async def test_an_mqtt_agent_hears_what_is_meant_for_it_only(mqtt: RawMqtt, uuid: str) -> None:
    for word in ("assignment", "instantActions", "checkinresponse"):
        assert await mqtt.may_subscribe(f"agent/{uuid}/{word}"), word
        assert not await mqtt.may_subscribe(f"agent/other/{word}"), word
    for topic in ("#", "agent/#", "agent/+/checkin", "agent/+/assignment", "agent/other/state"):
        assert not await mqtt.may_subscribe(topic), topic


async def test_an_mqtt_account_reaches_nothing_else_through_amqp(
    intake: Intake, settings: Settings, enrol: Enrol, uuid: str
) -> None:
    async with RawAgent(settings, await enrol.account(uuid, "MQTT")) as agent:
        for queue in (ORDERED_QUEUE, LOSSY_QUEUE, DEAD_LETTER_QUEUE, "amq.gen-somebody"):
            assert not await agent.may_consume(queue), queue
        for exchange in (settings.uplink_exchange, settings.downlink_exchange, settings.anonymous_exchange):
            assert not await agent.may_publish(exchange, f"agent.{uuid}.state"), exchange
        assert not await agent.may_declare("mine")


@pytest.mark.parametrize("agent_class", ["tool", "assistant", "vehicle"])
async def test_tools_and_assistants_of_both_protocols_publish_for_their_own_yard_only(
    intake: Intake,
    settings: Settings,
    database: Database,
    enrol: Enrol,
    worker_addresses: WorkerAddresses,
    agent_class: str,
    uuid: str,
) -> None:
    async with database.transaction() as connection:
        yard_id = await connection.scalar(select(yards.c.id).where(yards.c.uid == YARD))
    may = agent_class != "vehicle"
    columns = {"agent_class": agent_class, "yard_id": yard_id}
    async with RawAgent(settings, await enrol.account(uuid, "AMQP", **columns)) as agent:
        up = settings.uplink_exchange
        assert await agent.may_publish(up, f"yard.{YARD}.visualization") is may
        assert not await agent.may_publish(up, "yard.elsewhere.visualization")
        assert not await agent.may_publish(up, f"yard.{YARD}.update")
    mqtt = RawMqtt(settings, worker_addresses.mqtt_url, await enrol.account(f"{uuid}-m", "MQTT", **columns))
    assert await mqtt.may_publish(f"yard/{YARD}/visualization") is may
    assert not await mqtt.may_publish("yard/elsewhere/visualization")


async def test_a_tool_that_is_moved_speaks_for_its_new_yard(
    intake: Intake, settings: Settings, database: Database, enrol: Enrol, uuid: str
) -> None:
    login = await enrol.account(uuid, "AMQP")
    agent_id: Any = (await agent_row(database, uuid))["id"]
    async with database.transaction() as connection:
        yard_id = await connection.scalar(select(yards.c.id).where(yards.c.uid == YARD))
        await agent_registry.patch(
            connection, agent_id, {"agent_class": "tool", "yard_id": yard_id}, principal=ANN, source=EventSource.API
        )
    await notify(database, account_rights.CHANNEL)

    async def may() -> object:
        async with RawAgent(settings, login) as agent:
            return await agent.may_publish(settings.uplink_exchange, f"yard.{YARD}.visualization")

    await until(may)
    async with database.transaction() as connection:
        await agents_store.check_out(connection, uuid, utc_now())
    await notify(database, account_rights.CHANNEL)

    async def may_not_any_more() -> object:
        return not await may()

    await until(may_not_any_more)


class AwayOnce(Accounts):
    """The management API does not answer at first."""

    tried = 0

    async def set_rights(self, username: str, rights: Rights) -> None:
        self.tried += 1
        if self.tried == 1:
            raise PartUnavailable("RabbitMQ's management API", "away")
        await super().set_rights(username, rights)


async def test_rights_that_could_not_be_set_are_set_later(
    settings: Settings, database: Database, enrol: Enrol, uuid: str
) -> None:
    await enrol.account(uuid, "AMQP")
    agent_id: Any = (await agent_row(database, uuid))["id"]
    async with database.transaction() as connection:
        await account_rights.changed(connection, [agent_id])
    accounts = AwayOnce(settings)
    setter = AccountRights(settings, database, accounts)
    setter.start()

    async def done() -> object:
        return (await agent_row(database, uuid))["rights_changed_at"] is None

    await until(done)
    assert accounts.tried >= 2
    await setter.stop()
    await accounts.close()


class RefusesOne(Accounts):
    """The management API takes the rights of all accounts but one."""

    refused = ""

    async def set_rights(self, username: str, rights: Rights) -> None:
        if username == self.refused:
            raise BrokerRefused("RabbitMQ's management API", "400")
        await super().set_rights(username, rights)


async def test_an_account_that_the_broker_refuses_does_not_keep_others_waiting(
    settings: Settings, database: Database, enrol: Enrol, uuid: str
) -> None:
    accounts = RefusesOne(settings)
    accounts.refused = f"{uuid}-bad"
    for name in (accounts.refused, uuid):
        await enrol.account(name, "AMQP")
        async with database.transaction() as connection:
            await account_rights.changed(connection, [(await agent_row(database, name))["id"]])
    setter = AccountRights(settings, database, accounts)
    setter.start()

    async def done() -> object:
        return (await agent_row(database, uuid))["rights_changed_at"] is None

    await until(done)
    await setter.stop()
    await accounts.close()
    assert (await agent_row(database, accounts.refused))["rights_changed_at"] is not None
    await forget_note(database, accounts.refused)


async def forget_note(database: Database, uuid: str) -> None:
    async with database.transaction() as connection:
        await connection.execute(update(agents).where(agents.c.uuid == uuid).values(rights_changed_at=None))


async def test_what_changes_while_an_account_is_made_is_set_later(database: Database, uuid: str) -> None:
    async with database.transaction() as connection:
        yard_id = await connection.scalar(select(yards.c.id).where(yards.c.uid == YARD))
        row = insert(agents).values(uuid=uuid, agent_class="tool", yard_id=yard_id).returning(agents.c.id)
        agent_id: Any = await connection.scalar(row)
    async with database.transaction() as connection:
        used = await account_rights.standing(connection, agent_id)
    async with database.transaction() as connection:
        await agents_store.check_out(connection, uuid, utc_now())
    assert used.yard_uid == YARD
    async with database.transaction() as connection:
        assert uuid not in [one.uuid for one in await account_rights.due(connection, 100)]
    # Also if somebody set the rights of an older account meanwhile.
    await forget_note(database, uuid)
    async with database.transaction() as connection:
        await agents_store.account_made(connection, used, uuid)
        assert uuid in [one.uuid for one in await account_rights.due(connection, 100)]


async def test_a_vehicle_that_changes_its_yard_keeps_its_rights(database: Database, enrol: Enrol, uuid: str) -> None:
    async with database.transaction() as connection:
        yard_id = await connection.scalar(select(yards.c.id).where(yards.c.uid == YARD))
    await enrol.account(uuid, "AMQP", yard_id=yard_id)
    async with database.transaction() as connection:
        await agents_store.check_out(connection, uuid, utc_now())
    assert (await agent_row(database, uuid))["rights_changed_at"] is None


async def test_anonymous_may_check_in_and_nothing_else(anonymous: RawAgent, settings: Settings) -> None:
    assert await anonymous.may_publish(settings.anonymous_exchange, "agent.anybody.checkin")
    assert not await anonymous.may_publish(settings.anonymous_exchange, "agent.anybody.state")
    assert not await anonymous.may_publish(settings.uplink_exchange, "agent.anybody.state")
    assert not await anonymous.may_publish(settings.uplink_exchange, "agent.anybody.checkin")
    assert not await anonymous.may_publish("", "amq.gen-somebody")
    for exchange in (settings.anonymous_exchange, settings.uplink_exchange, settings.downlink_exchange):
        assert not await anonymous.may_bind(exchange, "#"), exchange
        assert not await anonymous.may_bind(exchange, "agent.*.checkin"), exchange
    assert not await anonymous.may_consume(ORDERED_QUEUE)


async def test_a_leader_speaks_for_its_followers_and_a_tool_for_its_yard(
    intake: Intake, settings: Settings, uuid: str
) -> None:
    rights = agent_rights(settings, uuid, followers=["trailer"], yard_uid="yard-1")
    async with RawAgent(settings, await intake.accounts.create(uuid, rights=rights)) as leader:
        up = settings.uplink_exchange
        assert await leader.may_publish(up, f"agent.{uuid}.state")
        assert await leader.may_publish(up, "agent.trailer.state")
        assert await leader.may_publish(up, "yard.yard-1.visualization")
        assert not await leader.may_publish(up, "agent.stranger.state")
        assert not await leader.may_publish(up, "yard.yard-2.visualization")


def test_patterns_take_names_literally(settings: Settings) -> None:
    write, _ = agent_rights(settings, "a.b", followers=[".*"]).topics[settings.uplink_exchange]
    assert r"a\.b" in write
    assert r"|\.\*)" in write


@pytest.mark.parametrize("name", [".*", "", "a" * 65, "a.b", "ä", "a/b", "a b"])
async def test_impossible_uuids_get_no_account(intake: Intake, name: str) -> None:
    with pytest.raises(InvalidInput):
        await intake.accounts.create(name)


async def test_accounts_of_others_are_never_touched(intake: Intake, settings: Settings) -> None:
    operator = f"operator-{secrets.token_hex(3)}"
    base = urlsplit(settings.amqp_management_url)
    url = f"{base.scheme}://{base.netloc.rpartition('@')[2]}/api/users/{operator}"
    login = (base.username or "guest", base.password or "guest")
    async with httpx.AsyncClient(auth=login, trust_env=False, timeout=30) as http:
        (await http.put(url, json={"password": "x", "tags": "management"})).raise_for_status()
        try:
            for name in (operator, "guest", "anonymous"):
                with pytest.raises(Conflict):
                    await intake.accounts.create(name)
        finally:
            await http.delete(url)


async def test_accounts_of_others_are_never_touched_among_many_at_once(intake: Intake, settings: Settings) -> None:
    names = [f"agent-{secrets.token_hex(3)}" for _ in range(12)]
    made = await asyncio.gather(
        *(intake.accounts.create(name) for name in ("guest", *names, "anonymous")), return_exceptions=True
    )
    assert [type(one) for one in made] == [Conflict, *[Login] * 12, Conflict]
    for login in (made[1], made[12]):
        assert isinstance(login, Login)
        async with RawAgent(settings, login):
            """It can log in."""


async def test_orphan_queues_of_agents_expire(intake: Intake, settings: Settings, bus: Bus) -> None:
    base = urlsplit(settings.amqp_management_url)
    vhost = urlsplit(settings.amqp_url).path[1:]
    login = (base.username or "guest", base.password or "guest")
    url = f"{base.scheme}://{base.netloc.rpartition('@')[2]}/api/policies/{vhost}/{AGENT_QUEUE_POLICY}"
    async with httpx.AsyncClient(auth=login, trust_env=False, timeout=30) as http:
        policy = (await http.get(url)).json()
    assert policy["pattern"] == "^amq\\.gen-"
    assert policy["definition"]["expires"] == settings.orphan_queue_expires * 1000
    assert policy["definition"]["max-length"] > 0


async def test_a_flood_of_large_messages_fills_no_disk(intake: Intake, settings: Settings) -> None:
    base = urlsplit(settings.amqp_management_url)
    login = (base.username or "guest", base.password or "guest")
    vhost = urlsplit(settings.amqp_url).path[1:]
    host = f"{base.scheme}://{base.netloc.rpartition('@')[2]}/api"
    async with httpx.AsyncClient(auth=login, trust_env=False, timeout=30) as http:
        policy = (await http.get(f"{host}/policies/{vhost}/{BOUNDED_QUEUE_POLICY}")).json()
    bounded = re.compile(policy["pattern"])
    assert all(bounded.search(queue) for queue in (DEAD_LETTER_QUEUE, LOSSY_QUEUE, YARD_QUEUE, DATA_REQUEST_QUEUE))
    assert not bounded.search(ORDERED_QUEUE)
    assert policy["definition"]["max-length-bytes"] > 0


@pytest.mark.parametrize("protocol", ["AMQP", "MQTT", "anonymous"])
async def test_no_account_of_agents_reaches_the_events(
    intake: Intake, settings: Settings, enrol: Enrol, uuid: str, protocol: str
) -> None:
    connection = await aio_pika.connect(settings.amqp_url)
    channel = await connection.channel()
    await channel.declare_exchange(settings.events_exchange, "topic", durable=True)
    login = Login(ANONYMOUS, ANONYMOUS) if protocol == "anonymous" else await enrol.account(uuid, protocol)
    async with RawAgent(settings, login) as agent:
        assert not await agent.may_publish(settings.events_exchange, "task.completed")
        if protocol != "MQTT":  # whose accounts may declare no queue that they could bind
            assert not await agent.may_bind(settings.events_exchange, "#")
    await connection.close()
