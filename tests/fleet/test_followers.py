"""Leaders and followers: who may be led, what the leader may then say, and when that ends."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import insert, select

from fleet.accounts import Login
from fleet.roles import Intake
from settings import Settings
from store import agent_registry, followers
from store.database import Database
from store.tables import agents, message_counts, yards
from store.tables import agents_interconnections as links
from tests.fleet.conftest import YARD, StartAgent, agent_row, until
from tests.fleet.raw_agent import RawAgent, enveloped


async def add(database: Database, uuid: str, **columns: Any) -> None:
    async with database.transaction() as connection:
        yard = select(yards.c.id).where(yards.c.uid == YARD).scalar_subquery()
        await connection.execute(insert(agents).values(**{"uuid": uuid, "yard_id": yard, **columns}))


def followed_by(database: Database, leader: str, *expected: str) -> Callable[[], Awaitable[object]]:
    async def there() -> object:
        leader_id = select(agents.c.id).where(agents.c.uuid == leader).scalar_subquery()
        led = (
            select(agents.c.uuid).join(links, links.c.follower_id == agents.c.id).where(links.c.leader_id == leader_id)
        )
        async with database.transaction() as connection:
            return list((await connection.execute(led.order_by(agents.c.id))).scalars()) == list(expected)

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
