import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from httpx import AsyncClient
from pydantic import SecretStr
from sqlalchemy import text

from api.app import create_app
from missions.errors import PartUnavailable
from settings import Settings
from store.account_rights import Standing
from store.database import Database
from tests.api.conftest import MISSION, RECIPE, RecordingWaker, client_of, created, problem, stored
from tests.support.locks import until_somebody_waits_for_a_lock

KEY = {"Idempotency-Key": "order-4711"}


async def test_sent_twice_it_makes_one_mission(world: AsyncClient, database: Database, waker: RecordingWaker) -> None:
    body = MISSION | {"data": {"from": {"x": 1, "y": 2}, "to": {"x": 3, "y": 4}}}
    first = await created(world, "/work-processes", body, **KEY)
    before = await stored(database)
    # The same content, written differently.
    other = dict(reversed(body.items())) | {"data": {"to": {"y": 4, "x": 3}, "from": {"y": 2, "x": 1}}}
    again = await world.post("/work-processes", json=other, headers=KEY)
    assert again.status_code == 200
    assert again.json() == first
    assert again.headers["Location"] == f"/api/v1/work-processes/{first['id']}"
    assert await stored(database) == before
    assert len(waker.sent) == 1


async def test_sent_many_times_at_once_it_makes_one_mission(
    world: AsyncClient, database: Database, waker: RecordingWaker
) -> None:
    answers = await asyncio.gather(*(world.post("/work-processes", json=MISSION, headers=KEY) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.text for answer in answers}) == 1
    assert len((await world.get("/work-processes")).json()["items"]) == 1
    assert len(waker.sent) == 1


async def test_a_key_stands_for_one_body(world: AsyncClient, database: Database) -> None:
    await created(world, "/work-processes", MISSION, **KEY)
    before = await stored(database)
    found = problem(await world.post("/work-processes", json=MISSION | {"agentIds": [2]}, headers=KEY), 422)
    assert found["errors"][0]["field"] == "Idempotency-Key"
    assert await stored(database) == before


async def test_a_refused_creation_does_not_use_up_its_key(world: AsyncClient) -> None:
    problem(await world.post("/work-processes", json=MISSION | {"yardId": 9}, headers=KEY), 422)
    await created(world, "/work-processes", MISSION, **KEY)


async def test_without_a_key_each_request_makes_a_mission(world: AsyncClient) -> None:
    assert (await created(world, "/work-processes", MISSION))["id"] == 1
    assert (await created(world, "/work-processes", MISSION))["id"] == 2


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "ä"])
async def test_bad_keys(world: AsyncClient, key: str) -> None:
    headers = {"Idempotency-Key": key.encode("latin-1")}
    found = problem(await world.post("/work-processes", json=MISSION, headers=headers), 422)  # type: ignore[arg-type]
    assert found["errors"][0]["field"] == "Idempotency-Key"


ACCOUNT = {"account": {"password": "correct horse"}}
NEW = {"uuid": "truck-9"} | ACCOUNT


class Broker:
    """Makes accounts, or is away; `gate`: asked, it answers no sooner than this is set."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.away = False
        self.asked, self.gate = asyncio.Event(), asyncio.Event()
        self.gate.set()

    async def make(self, agent: Standing, _: SecretStr) -> None:
        self.asked.set()
        await self.gate.wait()
        if self.away:
            raise PartUnavailable("RabbitMQ", "no broker")
        self.made.append(agent.uuid)


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
async def registering(
    world: AsyncClient, settings: Settings, waker: RecordingWaker, broker: Broker
) -> AsyncIterator[AsyncClient]:
    """A client of an API that makes accounts."""
    app = create_app(settings, waker=waker, account_maker=broker.make)
    async with app.router.lifespan_context(app), client_of(app) as client:
        yield client


CREATIONS: list[tuple[str, dict[str, Any]]] = [
    ("/mission-queues", {"name": "round", "status": "run"}),
    ("/agents", {"uuid": "truck-9"}),
    ("/agents", {"uuid": "truck-9", "account": {"password": "correct horse"}}),
    ("/agents/1/instant-actions", {"command": "pause operation"}),
    ("/yards", {"uid": "east", "mapObjects": [{"type": "wall"}]}),
    ("/yards/1/map-objects", {"mapObjects": [{"type": "wall"}, {"type": "door"}]}),
    ("/services", {"name": "other", "type": "other", "url": "http://127.0.0.1:9/"}),
    ("/recipes", {"name": "other", "steps": RECIPE["steps"]}),
]


@pytest.mark.parametrize(("path", "body"), CREATIONS, ids=[f"{path} {', '.join(body)}" for path, body in CREATIONS])
async def test_whatever_is_created_is_created_once(
    registering: AsyncClient, database: Database, path: str, body: dict[str, Any]
) -> None:
    first = await registering.post(path, json=body, headers=KEY)
    assert first.status_code == 201, first.text
    before = await stored(database)
    again = await registering.post(path, json=body, headers=KEY)
    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers.get("Location") == first.headers.get("Location")
    other = await registering.post(path, json=body | {"description": "other"} if "name" in body else {}, headers=KEY)
    assert other.status_code == 422
    assert await stored(database) == before


async def test_an_agent_with_an_account_sent_many_times_at_once_is_made_once(
    registering: AsyncClient, database: Database, broker: Broker
) -> None:
    broker.gate.clear()  # set below: what comes before that finds an agent that has no account yet
    first = asyncio.ensure_future(registering.post("/agents", json=NEW, headers=KEY))
    await broker.asked.wait()
    others = [asyncio.ensure_future(registering.post("/agents", json=NEW, headers=KEY)) for _ in range(3)]
    other = {"uuid": "truck-10"} | ACCOUNT
    await until_somebody_waits_for_a_lock(database)
    refused = asyncio.ensure_future(registering.post("/agents", json=other, headers=KEY))
    broker.gate.set()
    answers = await asyncio.gather(first, *others)
    assert [answer.status_code for answer in answers] == [201, 200, 200, 200]
    assert len({answer.text for answer in answers}) == 1
    problem(await refused, 422)
    assert broker.made == ["truck-9"]
    async with database.transaction() as connection:
        told = "SELECT count(*) FROM events WHERE type = 'agent.registered' AND payload->>'agent_uuid' = 'truck-9'"
        assert await connection.scalar(text(told)) == 1


@pytest.mark.parametrize("keyed", [False, True], ids=["other agents", "the same again"])
async def test_a_slow_broker_leaves_connections_to_the_database(
    registering: AsyncClient, settings: Settings, broker: Broker, keyed: bool
) -> None:
    broker.gate.clear()
    many = 2 * settings.database_pool_size
    bodies = [NEW if keyed else {"uuid": f"truck-{100 + n}"} | ACCOUNT for n in range(many)]
    posts = [
        asyncio.ensure_future(registering.post("/agents", json=body, headers=KEY if keyed else {})) for body in bodies
    ]
    await broker.asked.wait()
    async with asyncio.timeout(5):
        assert (await registering.get("/agents")).status_code == 200
    broker.gate.set()
    await asyncio.gather(*posts)
    assert len(broker.made) == (1 if keyed else many)


async def test_an_agent_whose_account_was_not_made_when_the_api_died_gets_it_when_it_is_sent_again(
    registering: AsyncClient, database: Database, broker: Broker
) -> None:
    first = await created(registering, "/agents", NEW, **KEY)
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE agents SET has_rbmq_account = false WHERE uuid = 'truck-9'"))
    again = await registering.post("/agents", json=NEW, headers=KEY)
    assert (again.status_code, again.json()["id"], again.json()["hasRbmqAccount"]) == (200, first["id"], True)
    assert broker.made == ["truck-9", "truck-9"]


async def test_an_agent_whose_account_is_refused_does_not_use_up_its_key(
    registering: AsyncClient, database: Database, broker: Broker
) -> None:
    before = await stored(database)
    broker.away = True
    problem(await registering.post("/agents", json=NEW, headers=KEY), 503)
    assert await stored(database) == before
    broker.away = False
    await created(registering, "/agents", NEW, **KEY)


async def test_a_key_stands_for_one_address(world: AsyncClient) -> None:
    body = {"command": "pause operation"}
    assert (await world.post("/agents/1/instant-actions", json=body, headers=KEY)).status_code == 201
    problem(await world.post("/agents/2/instant-actions", json=body, headers=KEY), 422)


async def test_what_was_deleted_meanwhile_is_not_made_again(world: AsyncClient, database: Database) -> None:
    queue = await created(world, "/mission-queues", {"name": "round"}, **KEY)
    await world.delete(f"/mission-queues/{queue['id']}")
    before = await stored(database)
    problem(await world.post("/mission-queues", json={"name": "round"}, headers=KEY), 404)
    assert await stored(database) == before
