"""Data requests with the unmodified SDK's `DatabaseConnector`: what an assistant may, and what others may not."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aio_pika
from aio_pika.abc import AbstractQueue
from sqlalchemy import func, insert, select, text, update

from fleet.roles import Intake
from fleet.side_by_side import WAITING_EACH
from settings import Settings
from store.database import Database
from store.tables import agents, events, idempotency_keys, map_objects, yards
from tests.fleet.conftest import YARD, Enrol, RecordingLines, RecordingWaker, StartAgent, agent_row, no_steps, until
from tests.fleet.raw_agent import RawAgent, enveloped

ALL_NAMES = (
    "allAgents",
    "allYards",
    "allLeaders",
    "allFollowers",
    "allMapObjects",
    "allExecutingMissions",
    "executingMissions",
)
_SECRETS = {"rbmq_username", "public_key", "read_permissions", "write_permissions", "configure_permissions"}


async def answers(
    database: Database, start_agent: StartAgent, uuid: str, agent_class: str, *requests: dict[str, Any]
) -> list[Any]:
    """What an agent of a class is answered, request by request."""
    async with database.transaction() as connection:
        await connection.execute(insert(agents).values(uuid=uuid, agent_class=agent_class))
    options = [word for request in requests for word in ("--ask", json.dumps(request))]
    agent = start_agent(uuid, *options)
    await agent.wait_for("listening")
    return [record["answer"] for record in agent.records("asked")]


async def test_assistant_reads_its_yard_and_changes_its_map(
    intake: Intake, database: Database, start_agent: StartAgent, uuid: str
) -> None:
    found = await answers(
        database,
        start_agent,
        uuid,
        "assistant",
        {"query": "allAgents", "conditions": {"uuid": uuid}},
        {"mutation": "createMapObjects", "data": [{"type": "wall", "data": {"n": 1}}, {"type": uuid}]},
        {"query": "allMapObjects", "conditions": {"type": uuid}},
        {"mutation": "deleteMapObjects", "condition": {"type": uuid}},
        {"query": "allMapObjects", "conditions": {"type": uuid}},
        {"query": "missionAssignments", "conditions": {"work_process_id": 10**9}},
        {"query": "missionsById", "conditions": {"id__in": [10**9]}},
        *({"query": name} for name in ALL_NAMES),
    )
    (me,), made, (mine,), deleted, *rest = found
    assert (me["uuid"], me["agent_class"], me["connection_status"]) == (uuid, "assistant", "online")
    assert not me.keys() & _SECRETS
    assert [(item["type"], item["data"]) for item in made] == [("wall", {"n": 1}), (uuid, None)]
    assert mine["id"] == made[1]["id"]
    assert deleted == [mine["id"]]
    assert rest[:3] == [[], [], []]
    assert all(isinstance(rows, list) for rows in rest[3:])
    assert YARD in [yard["uid"] for yard in rest[4]]
    async with database.transaction() as connection:
        told = await connection.scalars(
            select(events.c.payload["action"].astext)
            .where(events.c.type == "yard.map_updated", events.c.actor["id"].astext == uuid)
            .order_by(events.c.id)
        )
        assert list(told) == ["created", "deleted"]


async def test_the_sdks_older_call_is_answered_alike(
    intake: Intake, database: Database, start_agent: StartAgent, uuid: str
) -> None:
    async with database.transaction() as connection:
        await connection.execute(insert(agents).values(uuid=uuid, agent_class="assistant"))
    requests = [{"query": "allAgents", "conditions": {"uuid": uuid}}, {"query": "allSecrets"}]
    agent = start_agent(uuid, *(word for one in requests for word in ("--ask-summary", json.dumps(one))))
    await agent.wait_for("listening")
    (me,), refused = [record["answer"] for record in agent.records("asked")]
    assert (me["uuid"], me["agent_class"]) == (uuid, "assistant")
    assert not me.keys() & _SECRETS
    assert "use one of allYards" in refused["error"]


async def test_map_objects_are_changed_by_id_all_or_none(
    intake: Intake, database: Database, start_agent: StartAgent, uuid: str
) -> None:
    async with database.transaction() as connection:
        yard_id = await connection.scalar(select(yards.c.id).where(yards.c.uid == YARD))
        row = insert(map_objects).values(yard_id=yard_id, type=uuid, name="old", data={"kept": True})
        object_id = await connection.scalar(row.returning(map_objects.c.id))
    one = {"query": "allMapObjects", "conditions": {"id": object_id}}
    changed, after, refused, still, deleted = await answers(
        database,
        start_agent,
        uuid,
        "assistant",
        {"mutation": "updateMapObjects", "data": [{"id": object_id, "name": "new"}]},
        one,
        {"mutation": "updateMapObjects", "data": [{"id": object_id, "name": "newer"}, {"id": 10**9, "name": "none"}]},
        one,
        {"mutation": "deleteMapObjectByIds", "condition": {"ids": [object_id, 10**9]}},
    )
    assert changed == deleted == [object_id]
    assert (after[0]["name"], after[0]["data"], after[0]["type"]) == ("new", {"kept": True}, uuid)
    assert "no map object 1000000000" in refused["error"]
    assert still[0]["name"] == "new"


async def test_refusals_are_answered_and_name_the_remedy(
    intake: Intake, database: Database, start_agent: StartAgent, uuid: str
) -> None:
    requests: list[tuple[dict[str, Any], str]] = [
        ({"query": "allSecrets"}, "use one of allYards"),
        ({"mutation": "deleteAgents"}, "use one of createMapObjects"),
        ({"query": "allAgents", "conditions": {"public_key": "x"}}, "there is no column 'public_key'"),
        ({"query": "allAgents", "conditions": {"yard_id": 10**9}}, "its own yard only"),
        ({"query": "allAgents", "conditions": {"id": "1; DROP TABLE agents"}}, "compare ids with numbers"),
        ({"query": "missionsById"}, "send `id`"),
        ({"mutation": "deleteMapObjects"}, "would delete the whole map"),
        ({"mutation": "createMapObjects", "data": {}}, "send a list of map objects"),
        ({"mutation": "createMapObjects", "data": [{"colour": "red"}]}, "data.0.colour"),
        ({"mutation": "createMapObjects", "data": [{"yard_id": 10**9}]}, "its own yard only"),
        ({}, "there is no query None"),
        ({"query": "missionsById", "conditions": {"id": 10**30}}, "compare ids with numbers"),
        ({"query": "allMapObjects", "conditions": {"type": "\0"}}, "columns of text with text"),
        ({"query": "allLeaders", "conditions": {"uuid": "\0"}}, "look for odd values"),
        ({"mutation": "createMapObjects", "data": [{"data": "\0"}]}, "the character NUL"),
    ]
    found = await answers(database, start_agent, uuid, "assistant", *(request for request, _ in requests))
    for (_, words), answer in zip(requests, found, strict=True):
        assert words in answer["error"]


async def test_odd_numbers_are_answered_and_an_agent_that_asks_too_often_is_told_so(
    settings: Settings, intake: Intake, database: Database, enrol: Enrol, uuid: str
) -> None:
    async with database.transaction() as connection:
        yard_id = await connection.scalar(select(yards.c.id).where(yards.c.uid == YARD))
    login = await enrol.account(uuid, "AMQP", yard_id=yard_id)
    async with RawAgent(settings, login) as raw:
        channel = await raw.channel()
        queue = await channel.declare_queue(None)
        to = await channel.get_exchange(settings.uplink_exchange, ensure=False)
        odd = enveloped('{"body": {"query": "allMapObjects", "conditions": {"id": 1e400}}}')
        await to.publish(aio_pika.Message(odd, user_id=uuid, reply_to=queue.name), f"agent.{uuid}.database_req")
        ask = aio_pika.Message(enveloped({"body": {}}), user_id=uuid, reply_to=queue.name)
        found = []
        async with asyncio.timeout(10), queue.iterator(no_ack=True) as answers:
            found.append(json.loads((await anext(answers)).body)["message"])
            for _ in range(11):  # no more at a time than may wait
                await asyncio.gather(*(to.publish(ask, f"agent.{uuid}.database_req") for _ in range(10)))
                found += [json.loads((await anext(answers)).body)["message"] for _ in range(10)]
    assert "compare ids with numbers" in found.pop(0)
    assert "there is no query None" in found[0]
    assert "asks too often; ask again later" in json.loads(found[-1])["error"]


async def test_map_data_of_other_yards_is_left_out(
    intake: Intake, database: Database, start_agent: StartAgent, uuid: str
) -> None:
    async with database.transaction() as connection:
        await connection.execute(insert(yards).values(uid=uuid, name="other", map_data={"big": 1}))
        await connection.execute(update(yards).where(yards.c.uid == YARD).values(map_data={"mine": 1}))
    ((other,), (own,)) = await answers(
        database,
        start_agent,
        uuid,
        "vehicle",
        *({"query": "allYards", "conditions": {"uid": uid}} for uid in (uuid, YARD)),
    )
    assert (other["name"], other["map_data"], own["map_data"]) == ("other", None, {"mine": 1})


async def test_a_vehicle_may_read_the_map_and_no_more(
    intake: Intake, database: Database, start_agent: StartAgent, uuid: str
) -> None:
    readable, agents_, change = await answers(
        database,
        start_agent,
        uuid,
        "vehicle",
        {"query": "allMapObjects"},
        {"query": "allAgents"},
        {"mutation": "createMapObjects", "data": [{}]},
    )
    assert isinstance(readable, list)
    assert "give the agent the class `assistant`" in agents_["error"]
    assert "is for assistants" in change["error"]


class Asker:
    """An agent that asks by hand, and need not wait for the answer before it asks again."""

    def __init__(self, settings: Settings, raw: RawAgent, uuid: str, queue: AbstractQueue) -> None:
        self.raw, self._settings, self._uuid, self._queue = raw, settings, uuid, queue

    async def ask(self, body: dict[str, Any], word: str = "database_req", **properties: Any) -> None:
        properties["reply_to"] = self._queue.name
        key = f"agent.{self._uuid}.{word}"
        await self.raw.publish(self._settings.uplink_exchange, key, enveloped({"body": body}), **properties)

    async def answer(self) -> Any:
        (found,) = await self.answers(1)
        return found

    async def answers(self, number: int) -> list[Any]:
        async with asyncio.timeout(10), self._queue.iterator(no_ack=True) as answers:
            return [json.loads(json.loads((await anext(answers)).body)["message"]) for _ in range(number)]


@contextlib.asynccontextmanager
async def asker(settings: Settings, database: Database, enrol: Enrol, uuid: str) -> AsyncIterator[Asker]:
    async with database.transaction() as connection:
        yard_id = await connection.scalar(select(yards.c.id).where(yards.c.uid == YARD))
    login = await enrol.account(uuid, "AMQP", yard_id=yard_id, agent_class="assistant")
    async with RawAgent(settings, login) as raw:
        yield Asker(settings, raw, uuid, await (await raw.channel()).declare_queue(None))


async def test_a_slow_question_holds_up_neither_reports_nor_other_agents(
    settings: Settings, database: Database, waker: RecordingWaker, lines: RecordingLines, enrol: Enrol, uuid: str
) -> None:
    slow = settings.model_copy(update={"data_request_timeout": 1.5})
    # One connection listens, so two questions would take all that is left.
    narrow = Database(settings, pool_size=3)
    intake = Intake(slow, narrow, waker, resolve_preset=no_steps, refresh_lines=lines)
    await intake.start()
    try:
        async with (
            asker(settings, database, enrol, uuid) as one,
            asker(settings, database, enrol, f"{uuid}-1") as other,
            asker(settings, database, enrol, f"{uuid}-2") as two,
            database.transaction() as connection,
        ):
            await connection.execute(text("LOCK TABLE map_objects IN ACCESS EXCLUSIVE MODE"))
            for each in (one, other):
                await each.ask({"query": "allMapObjects"})
            hanging = asyncio.ensure_future(one.answer())
            await two.ask({"query": "allAgents", "conditions": {"uuid": uuid}})
            await two.raw.state(f"{uuid}-2", "busy")
            (found,) = await two.answer()

            async def is_busy() -> object:
                return (await agent_row(database, f"{uuid}-2"))["status"] == "busy"

            await until(is_busy)
            assert found["uuid"] == uuid
            assert not hanging.done()
            assert "took longer than 1.5 s" in (await hanging)["error"]
    finally:
        await intake.stop()
        await narrow.close()


async def test_who_asks_without_end_is_refused_at_once_and_takes_no_place_of_others(
    settings: Settings, database: Database, waker: RecordingWaker, lines: RecordingLines, enrol: Enrol, uuid: str
) -> None:
    slow = settings.model_copy(update={"data_request_timeout": 60.0})
    intake = Intake(slow, database, waker, resolve_preset=no_steps, refresh_lines=lines)
    await intake.start()
    try:
        async with (
            asker(settings, database, enrol, uuid) as one,
            asker(settings, database, enrol, f"{uuid}-2") as two,
        ):
            async with database.transaction() as connection:
                await connection.execute(text("LOCK TABLE map_objects IN ACCESS EXCLUSIVE MODE"))
                for number in range(WAITING_EACH + 10):
                    word = ("database_req", "summary_req")[number % 2]  # one line for both
                    await one.ask({"query": "allMapObjects"}, word, correlation_id=str(number))
                refused = await one.answers(10)
                await two.ask({"query": "allAgents", "conditions": {"uuid": uuid}})
                (found,) = await two.answer()
            answered = await one.answers(WAITING_EACH)
        assert all("asks too often; await answers" in each["error"] for each in refused)
        assert found["uuid"] == uuid
        assert all(isinstance(each, list) for each in answered)
    finally:
        await intake.stop()


async def test_a_change_that_is_delivered_twice_is_made_once_and_answered_alike(
    settings: Settings, intake: Intake, database: Database, enrol: Enrol, uuid: str
) -> None:
    create = {"mutation": "createMapObjects", "data": [{"type": uuid}]}
    async with asker(settings, database, enrol, uuid) as agent:
        await agent.ask(create, message_id="one")
        first = await agent.answer()
        await agent.ask(create, message_id="one")
        assert await agent.answer() == first
        await agent.ask(create, message_id="two")
        (second,) = await agent.answer()
        assert second["id"] != first[0]["id"]
        delete = {"mutation": "deleteMapObjects", "conditions": {"type": uuid}}
        for _ in range(2):
            await agent.ask(delete, message_id="three")
            assert await agent.answer() == [first[0]["id"], second["id"]]
    async with database.transaction() as connection:
        kept = (
            select(func.count())
            .select_from(idempotency_keys)
            .where(idempotency_keys.c.principal.contains(uuid), idempotency_keys.c.expires_at > func.now())
        )
        assert await connection.scalar(kept) == 3


async def test_a_refused_change_may_be_sent_again(
    settings: Settings, intake: Intake, database: Database, enrol: Enrol, uuid: str
) -> None:
    async with asker(settings, database, enrol, uuid) as agent:
        for _ in range(2):
            await agent.ask({"mutation": "updateMapObjects", "data": [{"id": 10**9}]}, message_id="one")
            assert "no map object" in (await agent.answer())["error"]
