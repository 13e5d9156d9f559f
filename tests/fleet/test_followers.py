"""Leaders and followers: who may be led, what the leader may then say, and when that ends."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from fleet.accounts import Login
from fleet.roles import Intake
from missions.events import EventSource, utc_now
from missions.principals import Principal, PrincipalKind
from missions.statuses import AgentStatus
from settings import Settings
from store import account_rights, agent_registry, followers
from store import agents as agents_store
from store.agents import CheckIn
from store.database import Database
from store.notifications import notify
from store.tables import agents, map_objects, message_counts, yards
from store.tables import agents_interconnections as links
from tests.fleet.conftest import YARD, Enrol, StartAgent, agent_row, until
from tests.fleet.raw_agent import RawAgent, enveloped


async def add(database: Database, uuid: str, **columns: Any) -> None:
    async with database.transaction() as connection:
        yard = select(yards.c.id).where(yards.c.uid == YARD).scalar_subquery()
        await connection.execute(insert(agents).values(**{"uuid": uuid, "yard_id": yard, **columns}))


async def links_of(database: Database, leader: str) -> list[str]:
    leader_id = select(agents.c.id).where(agents.c.uuid == leader).scalar_subquery()
    led = select(agents.c.uuid).join(links, links.c.follower_id == agents.c.id).where(links.c.leader_id == leader_id)
    async with database.transaction() as connection:
        return list((await connection.execute(led.order_by(agents.c.id))).scalars())


def followed_by(database: Database, leader: str, *expected: str) -> Callable[[], Awaitable[object]]:
    async def there() -> object:
        return await links_of(database, leader) == list(expected)

    return there


async def test_an_sdk_agent_leads_and_speaks_for_its_followers(
    intake: Intake, settings: Settings, database: Database, start_agent: StartAgent, uuid: str
) -> None:
    trailer = f"{uuid}-t"
    await add(database, trailer)
    agent = start_agent(uuid, "--update", json.dumps({"followers": [trailer, uuid, "nobody"]}))
    checked_in = await agent.wait_for("checked_in")
    await until(followed_by(database, uuid, trailer))
    counted = select(message_counts.c.reason).where(message_counts.c.outcome == "ignored_follower")

    async def the_others_are_counted() -> object:
        async with database.transaction() as connection:
            return {"itself", "unknown_agent"} <= set((await connection.execute(counted)).scalars())

    await until(the_others_are_counted)
    async with database.transaction() as connection:
        shown = await agent_registry.get(connection, (await agent_row(database, uuid))["id"])
    assert [link["uuid"] for link in shown["followers"]] == [trailer]

    login = Login(checked_in["username"], checked_in["password"])
    async with RawAgent(settings, login) as leader:
        await leader.state(trailer, "busy")

        async def heard() -> object:
            return (await agent_row(database, trailer))["status"] == "busy"

        await until(heard)
        update = {"type": "agent_update", "uuid": uuid, "body": {"followers": []}}
        await leader.publish(settings.uplink_exchange, f"agent.{uuid}.update", enveloped(update))
        await until(followed_by(database, uuid))

    async def may_not_any_more() -> object:
        async with RawAgent(settings, login) as leader:
            return not await leader.may_publish(settings.uplink_exchange, f"agent.{trailer}.state")

    await until(may_not_any_more)


async def test_a_leader_that_checks_in_anew_still_speaks_for_its_followers(
    intake: Intake, settings: Settings, database: Database, start_agent: StartAgent, uuid: str
) -> None:
    trailer = f"{uuid}-t"
    await add(database, trailer)
    agent = start_agent(uuid, "--update", json.dumps({"followers": [trailer]}))
    await until(followed_by(database, uuid, trailer))
    agent.kill()
    again = start_agent(uuid)

    async def listens() -> object:
        return len(again.records("checked_in")) == 2  # both write one log

    await until(listens)
    last = again.records("checked_in")[-1]
    async with RawAgent(settings, Login(last["username"], last["password"])) as leader:
        await leader.state(trailer, "busy")


async def test_agents_elsewhere_or_of_another_leader_are_not_taken(database: Database, uuid: str) -> None:
    leader, other, led, far = (f"{uuid}-{word}" for word in ("leader", "other", "led", "far"))
    for one in (leader, other, led):
        await add(database, one)
    await add(database, far, yard_id=None)
    ids: dict[str, Any] = {one: (await agent_row(database, one))["id"] for one in (leader, other)}
    async with database.transaction() as connection:
        assert (await followers.follow(connection, ids[other], [led])).changed
    async with database.transaction() as connection:
        found = await followers.follow(connection, ids[leader], [led, far])
        assert (found.wanted, found.changed) == ({}, False)
        assert not (await followers.follow(connection, ids[other], [led])).changed


async def lead(database: Database, leader: str, *named: str) -> None:
    leader_id: Any = (await agent_row(database, leader))["id"]
    async with database.transaction() as connection:
        await followers.follow(connection, leader_id, named)


async def test_an_assistant_follows_nobody_and_one_that_becomes_it_no_longer(database: Database, uuid: str) -> None:
    leader, helper, trailer = (f"{uuid}-{word}" for word in ("leader", "helper", "trailer"))
    await add(database, leader)
    await add(database, helper, agent_class="assistant")
    await add(database, trailer)
    await lead(database, leader, helper, trailer)
    assert await links_of(database, leader) == [trailer]
    async with database.transaction() as connection:
        await agent_registry.patch(
            connection,
            (await agent_row(database, trailer))["id"],
            {"agent_class": "assistant"},
            principal=Principal(kind=PrincipalKind.CLIENT, id="ann"),
            source=EventSource.API,
        )
    assert await links_of(database, leader) == []


@pytest.mark.parametrize("who", ["leader", "trailer"])
async def test_leader_and_follower_part_when_one_of_them_leaves_the_yard(
    database: Database, uuid: str, who: str
) -> None:
    leader, trailer = f"{uuid}-leader", f"{uuid}-trailer"
    await add(database, leader)
    await add(database, trailer)
    await lead(database, leader, trailer)
    async with database.transaction() as connection:
        await connection.execute(insert(yards).values(uid=uuid))
    async with database.transaction() as connection:
        now = utc_now()
        arrival = CheckIn(f"{uuid}-{who}", uuid, AgentStatus.FREE, "AMQP", now, now)
        await agents_store.check_in(connection, arrival)
    assert await links_of(database, leader) == []
    # Without a link nobody speaks for it any more.
    async with database.transaction() as connection:
        assert (await agents_store.identities(connection, [trailer]))[trailer].leaders == []
    assert (await agent_row(database, leader))["rights_changed_at"] is not None


async def test_leader_and_follower_part_when_the_follower_checks_out(database: Database, uuid: str) -> None:
    leader, trailer = f"{uuid}-leader", f"{uuid}-trailer"
    await add(database, leader)
    await add(database, trailer)
    await lead(database, leader, trailer)
    async with database.transaction() as connection:
        await agents_store.check_out(connection, trailer, utc_now())
    assert await links_of(database, leader) == []


async def test_a_leader_checks_its_follower_in_and_does_not_become_it(
    intake: Intake, settings: Settings, database: Database, enrol: Enrol, uuid: str
) -> None:
    leader, trailer = f"{uuid}-leader", f"{uuid}-trailer"
    await add(database, trailer, rbmq_username=trailer)
    async with database.transaction() as connection:
        yard_id = await connection.scalar(select(yards.c.id).where(yards.c.uid == YARD))
    login = await enrol.account(leader, "AMQP", yard_id=yard_id)
    await lead(database, leader, trailer)
    await notify(database, account_rights.CHANNEL)
    body = {"yard_uid": YARD, "status": "busy"}
    check_in = enveloped({"type": "checkin", "uuid": trailer, "body": body})

    async def taken() -> object:
        async with RawAgent(settings, login) as raw:
            if await raw.may_publish(settings.uplink_exchange, f"agent.{trailer}.database_req"):
                await raw.publish(settings.uplink_exchange, f"agent.{trailer}.checkin", check_in)
                return True
        return False

    async def busy() -> object:
        return (await agent_row(database, trailer))["status"] == "busy"

    await until(taken)
    await until(busy)
    assert (await agent_row(database, trailer))["rbmq_username"] == trailer


async def test_a_leader_asks_for_no_data_in_the_name_of_its_follower(
    intake: Intake, settings: Settings, database: Database, enrol: Enrol, uuid: str
) -> None:
    """Also where a link is left over, and where it hides its name."""
    leader, helper = f"{uuid}-leader", f"{uuid}-helper"
    await add(database, helper)
    async with database.transaction() as connection:
        yard_id = await connection.scalar(select(yards.c.id).where(yards.c.uid == YARD))
    login = await enrol.account(leader, "AMQP", yard_id=yard_id)
    await lead(database, leader, helper)
    async with database.transaction() as connection:
        await connection.execute(update(agents).where(agents.c.uuid == helper).values(agent_class="assistant"))
    await notify(database, account_rights.CHANNEL)
    key = f"agent.{helper}.database_req"
    wall = enveloped({"body": {"mutation": "createMapObjects", "data": [{"type": uuid}]}})

    async def may() -> object:
        async with RawAgent(settings, login) as raw:
            return await raw.may_publish(settings.uplink_exchange, f"agent.{helper}.visualization")

    async def refused() -> int:
        async with database.transaction() as connection:
            count = select(message_counts.c.count).where(message_counts.c.reason == "wrong_sender")
            return int(await connection.scalar(count) or 0)

    await until(may)
    before = await refused()
    async with RawAgent(settings, login) as raw:
        await raw.publish(settings.uplink_exchange, key, wall, reply_to="amq.gen-x")
        await raw.publish(settings.uplink_exchange, key, wall, reply_to="amq.gen-x", user_id=None)

    async def both() -> object:
        return await refused() == before + 2

    await until(both)
    async with database.transaction() as connection:
        assert await connection.scalar(select(map_objects.c.id).where(map_objects.c.type == uuid)) is None
