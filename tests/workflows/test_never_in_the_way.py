"""What becomes of missions while events, or the agents' broker, have nowhere to go: nothing. Nor are events lost."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aio_pika
import asyncpg
import pytest

from settings import Settings
from tests.fleet.proxy import before
from tests.support.site import Mission, Site, until

EXCHANGE = "muster.events"
WITHOUT_AGENTS = ["dispatched", "calculating", "succeeded"]


class Reader:
    """Reads all that comes to the exchange."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    async def take(self, message: Any) -> None:
        self.events.append(json.loads(message.body))

    def ids(self) -> list[str]:
        return [event["id"] for event in self.events]

    def of(self, mission: Mission) -> list[int]:
        """The numbers of a mission's events, as they came."""
        return [event["mission_sequence"] for event in self.events if event["mission_id"] == str(mission.id)]


@pytest.fixture
async def reader(site: Site) -> AsyncIterator[Reader]:
    connection = await aio_pika.connect(site.addresses.amqp_url)
    channel = await connection.channel()
    exchange = await channel.declare_exchange(EXCHANGE, "topic", durable=True)
    queue = await channel.declare_queue(None, exclusive=True)
    await queue.bind(exchange, "#")
    reader = Reader()
    await queue.consume(reader.take, no_ack=True)
    yield reader
    await connection.close()


async def recipe_without_agents(site: Site) -> str:
    return (await site.recipe(lambda call: {"status": "successful", "results": []}))[0]


async def done(site: Site, recipe: str) -> Mission:
    """A mission without agents that succeeded."""
    mission = await site.mission(recipe, [])
    await mission.until("succeeded")
    assert await mission.statuses() == WITHOUT_AGENTS
    return mission


async def stop(site: Site) -> None:
    await asyncio.to_thread(site.worker.stop)  # the proxies are of this loop


async def restart(site: Site, **settings: str) -> None:
    await stop(site)
    site.worker.start(**settings)


async def exchange_is_stuck(site: Site) -> bool:
    connection = await asyncpg.connect(site.addresses.database_url)
    try:
        return bool(await connection.fetchval("SELECT error FROM event_outlets WHERE name = 'exchange'"))
    finally:
        await connection.close()


async def waiting(site: Site) -> list[str]:
    """The roles of the running worker that wait, as the API and its list of troubles tell."""
    answer = await site.get("/workers")
    waits = answer["items"][-1]["waits"]
    assert all(any(why in trouble for trouble in answer["trouble"]) for why in waits.values())
    return sorted(waits)


async def arrived(reader: Reader, mission: Mission) -> None:
    """Wait until all of a mission's events are there; in order, whatever came twice."""
    expected = [event["mission_sequence"] for event in await mission.events()]

    async def all_there() -> bool:
        return list(dict.fromkeys(reader.of(mission))) == expected

    await until(all_there, 40, lambda: f"{reader.of(mission)} are not {expected}")


async def test_missions_run_while_the_broker_of_events_is_silent_and_the_backlog_drains_in_order(
    site: Site, reader: Reader
) -> None:
    recipe = await recipe_without_agents(site)
    async with before(site.addresses.amqp_url) as (proxy, through):
        proxy.deaf = True
        await restart(site, MUSTER_EVENTS_AMQP_URL=through)
        missions = [await done(site, recipe) for _ in range(3)]
        assert [reader.of(mission) for mission in missions] == [[], [], []]
        proxy.closed = True
        proxy.cut()
        await until(lambda: exchange_is_stuck(site), 20)
        missions.append(await done(site, recipe))
        proxy.deaf = proxy.closed = False
        for mission in missions:
            await arrived(reader, mission)
        await stop(site)
    positions = list(dict.fromkeys(event["sequence"] for event in reader.events))
    assert positions == list(range(positions[0], positions[0] + len(positions)))


async def test_missions_without_agents_run_while_the_broker_of_agents_is_gone_and_others_once_it_is_back(
    site: Site, reader: Reader
) -> None:
    recipe = await recipe_without_agents(site)
    async with before(site.addresses.amqp_url) as (proxy, through):
        proxy.closed = True
        elsewhere = {
            "MUSTER_AMQP_URL": through,
            "MUSTER_AMQP_MANAGEMENT_URL": site.addresses.amqp_management_url,
        }
        await restart(site, **elsewhere)
        first = await done(site, recipe)
        log = site.worker.log()
        assert "what is sent to agents waits, and tries again in 2 s: RabbitMQ does not answer" in log
        assert "the intake of what agents say waits" in log
        assert await waiting(site) == ["intake", "missions"]
        await restart(site, **elsewhere)  # it can be stopped then, too
        second = await done(site, recipe)
        proxy.closed = False
        truck = await site.agent()
        driving, _ = await site.recipe(lambda call: {"results": [{"agent_id": truck.id, "assignment": {}}]})
        third = await site.mission(driving, [truck])
        await third.until("succeeded", timeout=60)
        assert await waiting(site) == []
        for mission in (first, second, third):
            await arrived(reader, mission)
        await stop(site)


async def test_killed_between_publish_and_position_it_publishes_again_under_the_same_ids(
    site: Site, reader: Reader
) -> None:
    recipe = await recipe_without_agents(site)
    await arrived(reader, await done(site, recipe))
    holder = await asyncpg.connect(site.addresses.database_url)
    async with holder.transaction():
        await holder.execute("SELECT FROM event_outlets FOR UPDATE")
        mission = await done(site, recipe)

        async def published() -> bool:
            return bool(reader.of(mission))

        await until(published, 20)
        site.worker.kill()
        # The server would carry out what a dead client had begun.
        await holder.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND query LIKE '%UPDATE event_outlets%' AND datname = current_database()"
        )
    await holder.close()
    before_the_kill = set(reader.ids())
    site.worker.start()

    async def published_again() -> bool:
        return any(reader.ids().count(event) > 1 for event in before_the_kill)

    await until(published_again, 40)
    await arrived(reader, mission)
    assert len(set(reader.of(mission))) == len({e["id"] for e in reader.events if e["mission_id"] == str(mission.id)})


def test_events_cannot_go_to_an_exchange_of_agents() -> None:
    with pytest.raises(ValueError, match="one of the agents' exchanges"):
        Settings(events_exchange=Settings().uplink_exchange)
