"""Least privilege: what accounts of agents may do on the broker, and what not."""

import secrets
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import pytest
from aiormq.exceptions import ChannelPreconditionFailed, ProbableAuthenticationError

from fleet.accounts import ANONYMOUS, Login, agent_rights
from fleet.bus import Bus
from fleet.roles import Intake
from fleet.topology import AGENT_QUEUE_POLICY, DEAD_LETTER_QUEUE, LOSSY_QUEUE, ORDERED_QUEUE
from missions.errors import Conflict, InvalidInput
from settings import Settings
from tests.fleet.raw_agent import RawAgent


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
    assert not await agent.may_declare("mine")


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
    async with httpx.AsyncClient(auth=login, trust_env=False) as http:
        (await http.put(url, json={"password": "x", "tags": "management"})).raise_for_status()
        try:
            for name in (operator, "guest", "anonymous"):
                with pytest.raises(Conflict):
                    await intake.accounts.create(name)
                with pytest.raises(Conflict):
                    await intake.accounts.delete(name)
        finally:
            await http.delete(url)


async def test_a_deleted_account_cannot_log_in(intake: Intake, settings: Settings, uuid: str) -> None:

    login = await intake.accounts.create(uuid)
    await intake.accounts.delete(uuid)
    with pytest.raises(ProbableAuthenticationError):
        await RawAgent(settings, login).__aenter__()


async def test_orphan_queues_of_agents_expire(intake: Intake, settings: Settings, bus: Bus) -> None:
    base = urlsplit(settings.amqp_management_url)
    vhost = urlsplit(settings.amqp_url).path[1:]
    login = (base.username or "guest", base.password or "guest")
    url = f"{base.scheme}://{base.netloc.rpartition('@')[2]}/api/policies/{vhost}/{AGENT_QUEUE_POLICY}"
    async with httpx.AsyncClient(auth=login, trust_env=False) as http:
        policy = (await http.get(url)).json()
    assert policy["pattern"] == "^amq\\.gen-"
    assert policy["definition"]["expires"] == settings.orphan_queue_expires * 1000
    assert policy["definition"]["max-length"] > 0
