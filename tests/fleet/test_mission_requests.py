"""Missions that agents request: who may what, the answer, and that each request makes one mission."""

import json
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import insert, select

from fleet.dead_letters import TEXT_HEADER
from fleet.roles import Intake
from settings import Settings
from store.database import Database
from store.tables import agents, events, work_processes, yards
from tests.fleet.conftest import YARD, DeadLetterReader, RecordingWaker, until
from tests.fleet.raw_agent import RawAgent, enveloped
from tests.support.rows import add_recipe

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
async def recipe(database: Database) -> str:
    name = f"recipe-{secrets.token_hex(4)}"
    async with database.transaction() as connection:
        await add_recipe(connection, name)
    return name


async def in_yard(database: Database, uuid: str, yard_uid: str = YARD) -> int:
    async with database.transaction() as connection:
        yard = select(yards.c.id).where(yards.c.uid == yard_uid).scalar_subquery()
        agent_id = await connection.scalar(
            insert(agents).values(uuid=uuid, rbmq_username=uuid, yard_id=yard).returning(agents.c.id)
        )
    assert agent_id is not None
    return int(agent_id)


class Requester:
    """An agent of the yard that requests missions and hears the answers."""

    def __init__(self, settings: Settings, agent: RawAgent, uuid: str) -> None:
        self.settings, self.agent, self.uuid = settings, agent, uuid

    async def send(self, body: dict[str, Any], **properties: Any) -> None:
        message = {"type": "mission_request", "uuid": self.uuid, "body": body}
        await self.agent.publish(
            self.settings.uplink_exchange, f"agent.{self.uuid}.mission_req", enveloped(message), **properties
        )

    async def ask(self, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request."""
        channel = await self.agent.channel()
        queue = await channel.declare_queue(None)
        correlation_id = secrets.token_hex(4)
        await self.send(body, reply_to=queue.name, correlation_id=correlation_id)

        async def get() -> Any:
            return await queue.get(fail=False, no_ack=True)

        answer: Any = await until(get)
        assert answer.correlation_id == correlation_id
        envelope = json.loads(answer.body)
        assert envelope["signature"]
        await channel.close()
        found: dict[str, Any] = json.loads(envelope["message"])
        return found


@pytest.fixture
async def requester(intake: Intake, settings: Settings, database: Database, uuid: str) -> AsyncIterator[Requester]:
    await in_yard(database, uuid)
    async with RawAgent(settings, await intake.accounts.create(uuid)) as agent:
        yield Requester(settings, agent, uuid)


async def missions_of(database: Database, recipe: str) -> list[Any]:
    async with database.transaction() as connection:
        query = select(work_processes).where(work_processes.c.work_process_type_name == recipe)
        return list((await connection.execute(query)).mappings())


async def test_a_request_becomes_a_dispatched_mission_and_is_answered(
    requester: Requester, database: Database, waker: RecordingWaker, recipe: str
) -> None:
    other = await in_yard(database, f"{requester.uuid}-b")
    answer = await requester.ask(
        {
            "work_process_type_name": recipe,
            "data": {"goal": 7},
            "agent_uuids": [f"{requester.uuid}-b"],
            "yard_uid": YARD,
            "priority": "high",
            "status": "draft",  # as in helyOS, it is dispatched anyway
        }
    )
    (mission,) = await missions_of(database, recipe)
    assert answer == {"work_process_id": mission["id"]}
    assert (mission["status"], mission["data"], mission["agent_ids"]) == ("dispatched", {"goal": 7}, [other])
    assert mission["priority"] == 30
    assert mission["created_by"] == {"kind": "agent", "id": requester.uuid, "role": "agent"}
    assert [wakeup.work_process_id for wakeup in waker.sent] == [mission["id"]]
    async with database.transaction() as connection:
        sources = await connection.execute(
            select(events.c.source).where(events.c.work_process_id == mission["id"]).distinct()
        )
        assert list(sources.scalars()) == [f"agent:{requester.uuid}"]


async def test_without_a_yard_the_mission_is_in_the_agents_own(
    requester: Requester, database: Database, recipe: str
) -> None:
    assert "work_process_id" in await requester.ask({"work_process_type_name": recipe})
    assert [mission["yard_uid"] for mission in await missions_of(database, recipe)] == [YARD]


async def test_a_request_that_comes_twice_makes_one_mission(
    requester: Requester, database: Database, recipe: str
) -> None:
    body = {"work_process_type_name": recipe}
    for timestamp in (MOMENT, MOMENT, MOMENT.replace(second=6)):
        await requester.send(body, timestamp=timestamp)
    await requester.ask({**body, "description": "last"})
    assert len(await missions_of(database, recipe)) == 3


@pytest.mark.parametrize(
    ("body", "reason", "says"),
    [
        ({"work_process_type_name": "none"}, "refused", "there is no recipe"),
        ({"yard_uid": "elsewhere"}, "refused", "its own yard only"),
        ({"agent_uuids": ["far-away"]}, "refused", "'far-away' is not there"),
        ({"agent_uuids": ["nobody"]}, "refused", "there is no agent"),
        ({"data": {"text": "\u0000"}}, "invalid", "NUL"),
        ({"mission_queue_id": 1}, "refused", "no place in a queue"),
        ({"data": "text"}, "invalid", "body.data"),
        ({"pilot": "ann"}, "invalid", "body.pilot"),
        ({"priority": "urgent"}, "invalid", "LOW (10), NORMAL (20), HIGH (30), CRITICAL (40)"),
    ],
    ids=str,
)
async def test_a_refused_request_is_answered_and_dead_lettered(
    body: dict[str, Any],
    reason: str,
    says: str,
    requester: Requester,
    database: Database,
    dead_letters: DeadLetterReader,
    recipe: str,
) -> None:
    async with database.transaction() as connection:
        known = await connection.scalar(select(yards.c.id).where(yards.c.uid == "elsewhere"))
        if known is None:
            await connection.execute(insert(yards).values(uid="elsewhere"))
    if known is None:
        await in_yard(database, "far-away", "elsewhere")
    answer = await requester.ask({"work_process_type_name": recipe, **body})
    assert says in answer["error"]
    found, letter = await dead_letters.next()
    assert (found, letter.headers[TEXT_HEADER]) == (reason, answer["error"])
    assert await missions_of(database, recipe) == []


async def test_an_agent_without_a_yard_may_request_nothing(
    intake: Intake, settings: Settings, database: Database, recipe: str, uuid: str
) -> None:
    async with database.transaction() as connection:
        await connection.execute(insert(agents).values(uuid=uuid, rbmq_username=uuid))
    async with RawAgent(settings, await intake.accounts.create(uuid)) as agent:
        answer = await Requester(settings, agent, uuid).ask({"work_process_type_name": recipe, "yard_uid": YARD})
    assert "check in first" in answer["error"]


async def test_an_unknown_agent_may_request_nothing(
    intake: Intake, settings: Settings, dead_letters: DeadLetterReader, recipe: str, uuid: str
) -> None:
    async with RawAgent(settings, await intake.accounts.create(uuid)) as stranger:
        await Requester(settings, stranger, uuid).send({"work_process_type_name": recipe})
    assert (await dead_letters.next())[0] == "unknown_agent"
