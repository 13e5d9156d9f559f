"""The lossy intake: the last word of each agent, and bad messages that cost nobody else anything."""

import asyncio
from collections.abc import AsyncIterator

import aio_pika
import pytest
from sqlalchemy import func, insert, select, update

from fleet.roles import Intake
from settings import Settings
from store.database import Database
from store.tables import agent_details, agents, events, message_counts
from tests.fleet.conftest import RecordingLines, agent_row, until
from tests.fleet.raw_agent import RawAgent, enveloped


@pytest.fixture
async def agent(intake: Intake, settings: Settings, database: Database, uuid: str) -> AsyncIterator[RawAgent]:
    async with database.transaction() as connection:
        await connection.execute(insert(agents).values(uuid=uuid, name="before"))
    async with RawAgent(settings, await intake.accounts.create(uuid)) as agent:
        yield agent


async def say(agent: RawAgent, settings: Settings, uuid: str, word: str, kind: str, *bodies: object) -> None:
    channel = await agent.channel()
    up = await channel.get_exchange(settings.uplink_exchange, ensure=False)
    await asyncio.gather(
        *(
            up.publish(
                aio_pika.Message(enveloped({"type": kind, "uuid": uuid, "body": body}), user_id=uuid),
                f"agent.{uuid}.{word}",
            )
            for body in bodies
        )
    )


async def test_who_says_to_be_of_another_type_moves_up_in_the_line(
    agent: RawAgent, settings: Settings, database: Database, uuid: str, lines: RecordingLines
) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            update(agents).where(agents.c.uuid == uuid).values(available=True, seen_as="0/vehicle/truck")
        )
    await say(agent, settings, uuid, "visualization", "agent_sensors", {"pose": {"x": 1}})
    await say(agent, settings, uuid, "update", "agent_update", {"agent_type": "truck"})
    await say(agent, settings, uuid, "update", "agent_update", {"name": "after"})

    async def said(name: str) -> object:
        return (await agent_row(database, uuid))["name"] == name

    await until(lambda: said("after"))
    assert lines.agent_ids == [], "no word but another type moves it"
    await say(agent, settings, uuid, "update", "agent_update", {"agent_type": "crane"})

    async def refreshed() -> object:
        return lines.agent_ids

    assert await until(refreshed) == [(await agent_row(database, uuid))["id"]]


async def test_only_the_last_pose_is_written(
    agent: RawAgent, settings: Settings, database: Database, uuid: str
) -> None:
    poses = [{"pose": {"x": i, "y": 2 * i, "orientations": [i]}, "sensors": {"i": i}} for i in range(500)]
    await say(agent, settings, uuid, "visualization", "agent_sensors", *poses)

    async def arrived() -> object:
        return (await agent_row(database, uuid))["x"] == 499

    await until(arrived)
    row = await agent_row(database, uuid)
    assert (row["y"], row["orientations"]) == (998, [499])
    assert row["last_message_time"] is not None
    assert row["status"] is None
    async with database.transaction() as connection:
        details = (
            await connection.execute(select(agent_details.c.sensors).where(agent_details.c.agent_id == row["id"]))
        ).scalar_one()
        seen = (await connection.execute(select(events.c.id).where(events.c.source == f"agent:{uuid}"))).all()
    assert details == {"i": 499}
    assert not seen  # poses and sensors are not in the log


async def test_a_changed_description_is_one_event(
    agent: RawAgent, settings: Settings, database: Database, uuid: str
) -> None:
    for name in ("after", "after", "last"):
        await say(agent, settings, uuid, "update", "agent_update", {"name": name, "geometry": {"w": 1}})

        async def arrived(name: str = name) -> object:
            return (await agent_row(database, uuid))["name"] == name

        await until(arrived)
    async with database.transaction() as connection:
        rows = await connection.execute(
            select(events.c.payload).where(events.c.source == f"agent:{uuid}").order_by(events.c.id)
        )
        changed = [payload["changed"] for payload in rows.scalars()]
    assert changed == [["name", "geometry"], ["name"]]


async def test_bad_sensor_messages_are_counted_and_stop_nobody(
    agent: RawAgent, settings: Settings, database: Database, uuid: str
) -> None:
    async def refused() -> int:
        async with database.transaction() as connection:
            counts = select(func.sum(message_counts.c.count)).where(message_counts.c.reason == "invalid")
            return int(await connection.scalar(counts) or 0)

    before = await refused()
    await say(agent, settings, uuid, "visualization", "agent_sensors", {"sensors": {"a": "\u0000"}})

    async def was_counted() -> object:
        return await refused() > before

    await until(was_counted)
    await say(agent, settings, uuid, "visualization", "agent_sensors", {"pose": "here"}, {"pose": {"x": 7}})

    async def arrived() -> object:
        return (await agent_row(database, uuid))["x"] == 7

    await until(arrived)


async def test_what_no_database_takes_costs_only_its_own_message(
    agent: RawAgent, settings: Settings, database: Database, uuid: str
) -> None:
    # Of one batch: merged with the rest, it would take that with it.
    odd = [{"geometry": {"a": "\u0000"}}, {"unit": "\ud800"}, {"sensors": {"a": float("inf")}}]
    await say(agent, settings, uuid, "visualization", "agent_sensors", {"pose": {"y": 3}}, *odd, {"pose": {"x": 7}})

    async def arrived() -> object:
        row = await agent_row(database, uuid)
        return (row["x"], row["y"]) == (7, 3)

    await until(arrived)
